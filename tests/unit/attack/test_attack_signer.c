// SPDX-License-Identifier: ISC
/*
 * A source that was broken into, against the real tx signer. It may have anything signed that has
 * the form of a manifest's signature: that is its job, and what rx believes of tx. It may not have
 * an announce of its own making, an epoch ahead of the clock, or the key.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attack_rig.h"
#include "clock.h"
#include "epoch.h"
#include "host.h"
#include "ipc.h"
#include "keys.h"
#include "keys_roll.h"
#include "lane.h"
#include "session.h"
#include "shm.h"
#include "sign.h"
#include "signer.h"
#include "stats.h"

TestSuite(attack_signer, .timeout = 120);

static char dir[64];
static struct attack_role signer;
static struct keys_sign_secret identity;
static struct keys_box_secret box;
static int fd_config, fd_stats, fd_keys, sock[2];

#define SAVE(secret_, public_)                                                             \
	(&(const struct keys_save){.secret = (secret_), .public = (public_)})

static const char *in_dir(const char *name)
{
	static char path[4][160];
	static unsigned turn;
	char *at = path[turn++ % 4];

	(void)snprintf(at, sizeof(path[0]), "%s/%s", dir, name);
	return at;
}

static void start(void)
{
	struct km_err err = KM_ERR_INIT;

	km_close(&sock[0]);
	km_close(&sock[1]);
	cr_assert_eq(ipc_pair(sock, &err), 0);
	const struct role_fd fds[] = {{fd_config, TX_FD_CONFIG},
				      {fd_stats, TX_FD_STATS},
				      {sock[1], TX_FD_SIGN},
				      {fd_keys, TX_FD_KEYS}};
	const struct attack_spec spec = {.name = "signer",
					 .main = signer_main,
					 .fds = fds,
					 .n_fds = KM_COUNT(fds),
					 .args = {"--mtu", "9000", "--workers", "1"},
					 .n_args = 4};

	attack_start(&signer, &spec);
	km_close(&sock[1]);
}

static void set_up(void)
{
	struct km_err err = KM_ERR_INIT;
	char text[512];
	int n;

	sock[0] = sock[1] = -1;
	(void)snprintf(dir, sizeof(dir), "/tmp/attack-signer-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(keys_init(&err), 0);
	keys_sign_generate(&identity);
	keys_box_generate(&box);
	cr_assert_eq(
		keys_sign_save(&identity, SAVE(in_dir("tx.key"), in_dir("tx.pub")), &err),
		0);
	cr_assert_eq(keys_box_save(&box, SAVE(in_dir("rx.key"), in_dir("rx.pub")), &err),
		     0);
	cr_assert_eq(mkdir(in_dir("state"), 0700), 0);
	n = snprintf(text, sizeof(text),
		     "[transmitter]\ninterface = lo\nkey = %s\nreceivers = %s\n"
		     "state_dir = %s\nenvironment = 7\nsandbox = permissive\n",
		     in_dir("tx.key"), in_dir("rx.pub"), in_dir("state"));
	fd_config = host_seal_bytes("config", text, (size_t)n, &err);
	fd_stats = stats_create(NULL, TX_STATS_ROLES, &err);
	fd_keys = shm_create("keys", KEYS_ROLL_BYTES, &err);
	cr_assert(fd_config >= 0 && fd_stats >= 0 && fd_keys >= 0, "%s", err.text);
	start();
}

static void tear_down(void)
{
	static const char *const names[] = {"state/signer/epoch",
					    "state/signer",
					    "state",
					    "tx.key",
					    "tx.pub",
					    "rx.key",
					    "rx.pub",
					    ""};

	attack_free(&signer);
	km_close(&sock[0]);
	for (unsigned i = 0; i < KM_COUNT(names); i++)
		(void)remove(in_dir(names[i]));
}

static const struct ipc_type rows[] = {
	{.type = SIGN_SESSION, .size = sizeof(struct sign_session), .name = "session"},
	{.type = SIGN_MANIFEST, .size = sizeof(struct sign_manifest), .name = "manifest"},
};
static const struct ipc_table answers = {rows, KM_COUNT(rows)};

static struct ipc_msg asked(uint32_t type, const void *body, size_t size)
{
	static struct ipc_msg msg;
	const uint64_t until = clock_mono_ns() + 30 * CLOCK_NS_PER_SEC;

	cr_assert_eq(ipc_send(sock[0], type, body, size, NULL, 0, until), KM_OK);
	cr_assert_eq(ipc_recv(sock[0], &answers, &msg, until), KM_OK);
	return msg;
}

static struct sign_session session(void)
{
	const struct sign_ask_session ask = {0};
	const struct ipc_msg msg = asked(SIGN_ASK_SESSION, &ask, sizeof(ask));
	struct sign_session answer;

	memcpy(&answer, msg.body, sizeof(answer));
	return answer;
}

static struct sign_manifest signature(const uint8_t hash[MINISIG_HASH_LEN],
				      const void *comment, uint32_t len)
{
	struct sign_ask_manifest ask = {.comment_len = len};
	struct sign_manifest answer;
	struct ipc_msg msg;

	memcpy(ask.hash, hash, sizeof(ask.hash));
	memcpy(ask.comment, comment, len < sizeof(ask.comment) ? len : sizeof(ask.comment));
	msg = asked(SIGN_ASK_MANIFEST, &ask, sizeof(ask));
	memcpy(&answer, msg.body, sizeof(answer));
	return answer;
}

static const char domain[] = "katamichi announce v1"; /* with its NUL: docs/wire.md */

/*
 * Neither of the two signatures that can be had is one of an announce, whatever is given to be
 * signed: the one is over exactly 64 bytes, the other begins with a signature of ours.
 */
Test(attack_signer, no_announce_by_the_manifest_oracle, .init = set_up, .fini = tear_down)
{
	uint8_t forged[WIRE_ANNOUNCE_MAX], told[sizeof(domain) + WIRE_ANNOUNCE_MAX],
		secret[32];
	const struct session_facts facts = {.environment = 7, .epoch = UINT64_MAX / 2};
	struct sign_manifest answer;
	struct announce a;
	uint8_t hash[MINISIG_HASH_LEN];
	size_t len = 0, body;

	/* an announce as source would like one: of a far epoch, with a secret that it knows */
	cr_assert_eq(
		session_announce_make(forged, &len, secret, &facts, &identity, &box.pub, 1),
		KM_OK);
	cr_assert_eq(session_announce_check(&a, forged, len, &identity.pub, 1), KM_OK);
	body = len - 64;
	memcpy(told, domain, sizeof(domain));
	memcpy(told + sizeof(domain), forged, body);
	/* its hash, as a manifest's is signed */
	minisig_hash(hash, told, sizeof(domain) + body);
	answer = signature(hash, "", 0);
	memcpy(forged + body, answer.sig, 64);
	cr_expect_eq(session_announce_check(&a, forged, len, &identity.pub, 1),
		     KM_ERR_AUTH);
	/* and every piece of it, as hash and as comment */
	for (size_t at = 0; at + 64 < sizeof(domain) + body; at += 8) {
		const size_t rest = sizeof(domain) + body - at;
		const uint32_t n =
			rest < MINISIG_COMMENT_MAX ? (uint32_t)rest : MINISIG_COMMENT_MAX;

		answer = signature(told + at, told + at, n);
		cr_assert_eq(answer.rc, KM_OK);
		memcpy(forged + body, answer.sig, 64);
		cr_expect_eq(session_announce_check(&a, forged, len, &identity.pub, 1),
			     KM_ERR_AUTH);
		memcpy(forged + body, answer.global, 64);
		cr_expect_eq(session_announce_check(&a, forged, len, &identity.pub, 1),
			     KM_ERR_AUTH);
		/* what was signed is what docs/wire.md says, so the argument stands on it */
		cr_expect_eq(crypto_sign_verify_detached(answer.sig, told + at, 64,
							 identity.pub.pk),
			     0);
	}
	attack_stop(&signer);
}

/* And an announce's signature is none of a manifest. */
Test(attack_signer, no_manifest_by_an_announce, .init = set_up, .fini = tear_down)
{
	const struct sign_session s = session();
	static const char text[] = "# katamichi manifest 1\n", comment[] = "x";
	char file[MINISIG_FILE_MAX], said[MINISIG_COMMENT_MAX + 1];
	unsigned which;
	uint8_t hash[MINISIG_HASH_LEN], sig[64], global[64];
	size_t len;

	cr_assert_eq(s.rc, KM_OK);
	minisig_hash(hash, text, sizeof(text) - 1);
	minisig_sign(sig, global, hash, comment, 1, &identity);
	memcpy(sig, s.announce + s.announce_len - 64, 64);
	len = minisig_compose(file, identity.pub.key_number, sig, global, comment, 1);
	cr_expect_eq(minisig_verify(text, sizeof(text) - 1, file, len, &identity.pub, 1,
				    &which, said),
		     KM_ERR_AUTH);
	attack_stop(&signer);
}

/*
 * Sessions without end: epochs do not run away from the clock, because rx could tell recordings
 * of that future from the present no more. Secrets differ, and each is given once.
 */
Test(attack_signer, epochs_keep_to_the_clock, .init = set_up, .fini = tear_down)
{
	struct sign_session s[4];

	for (unsigned i = 0; i < KM_COUNT(s); i++) {
		s[i] = session();
		cr_assert_eq(s[i].rc, KM_OK);
		cr_expect_leq(s[i].epoch, clock_real_ns() / CLOCK_NS_PER_SEC + 1, "%u", i);
		for (unsigned j = 0; j < i; j++) {
			cr_expect_gt(s[i].epoch, s[j].epoch);
			cr_expect_arr_neq(s[i].secret, s[j].secret, 32);
		}
	}
	attack_stop(&signer);
}

/* What is no message of theirs ends the signer, signs nothing and raises no epoch. */
Test(attack_signer, wild_messages_end_the_pair, .init = set_up, .fini = tear_down)
{
	static const struct {
		uint32_t type;
		size_t size;
		size_t fds;
	} wild[] = {
		{0, 0, 0},
		{SIGN_ASK_SESSION, 0, 0},
		{SIGN_ASK_SESSION, sizeof(struct sign_ask_session) - 1, 0},
		{SIGN_ASK_SESSION, sizeof(struct sign_ask_session) + 1, 0},
		{SIGN_ASK_SESSION, sizeof(struct sign_ask_session), 1},
		{SIGN_ASK_MANIFEST, sizeof(struct sign_ask_session), 0},
		{SIGN_ASK_MANIFEST, IPC_BODY_MAX, 0},
		{SIGN_ASK_MANIFEST, sizeof(struct sign_ask_manifest), IPC_FDS_MAX},
		{SIGN_SESSION, sizeof(struct sign_session), 0},
		{UINT32_MAX, 8, 0},
	};
	static uint8_t body[IPC_BODY_MAX];
	int fds[IPC_FDS_MAX];

	for (unsigned i = 0; i < IPC_FDS_MAX; i++)
		fds[i] = STDERR_FILENO;
	for (unsigned i = 0; i < KM_COUNT(wild); i++) {
		struct role_exit exit;
		struct ipc_msg msg;

		cr_assert_eq(ipc_send(sock[0], wild[i].type, body, wild[i].size, fds,
				      wild[i].fds, 0),
			     KM_OK);
		exit = attack_await_end(&signer);
		cr_expect(!exit.signalled && exit.number == EX_PROTOCOL, "%u: %s %d", i,
			  exit.signalled ? "signal" : "exit", exit.number);
		cr_expect_eq(attack_lines(&signer, "ipc.violation"), 1, "%u", i);
		cr_expect_eq(ipc_recv(sock[0], &answers, &msg, 0), KM_ERR_CLOSED, "%u", i);
		attack_free(&signer);
		start();
	}
	struct epoch e;
	struct km_err err = KM_ERR_INIT;

	cr_assert_eq(epoch_open(&e, in_dir("state/signer"), &err), 0);
	cr_expect_eq(e.value, 0);
	epoch_close(&e);
	attack_stop(&signer);
}

/* A comment of any length that the message can say. */
Test(attack_signer, wild_comment, .init = set_up, .fini = tear_down)
{
	static const uint8_t hash[MINISIG_HASH_LEN];
	static const uint32_t lengths[] = {MINISIG_COMMENT_MAX + 1, 0x7fffffff, UINT32_MAX};

	for (unsigned i = 0; i < KM_COUNT(lengths); i++) {
		static const uint8_t zero[64];
		const struct sign_manifest answer =
			signature(hash, (const char[MINISIG_COMMENT_MAX]){0}, lengths[i]);

		cr_expect_neq(answer.rc, KM_OK);
		cr_expect_arr_eq(answer.sig, zero, 64);
		cr_expect_arr_eq(answer.global, zero, 64);
	}
	attack_stop(&signer);
}

/* Requests without end, answers never read: it ends, or stops when told; it does not grow. */
Test(attack_signer, flood_without_reading, .init = set_up, .fini = tear_down)
{
	const struct sign_ask_manifest ask = {.comment_len = 1};
	const uint64_t before = attack_memory(&signer);
	struct role_exit exit;
	enum km_rc rc = KM_OK;

	for (unsigned i = 0; i < 100000 && (rc == KM_OK || rc == KM_ERR_FULL); i++) {
		rc = ipc_send(sock[0], SIGN_ASK_MANIFEST, &ask, sizeof(ask), NULL, 0, 0);
		if (rc == KM_ERR_FULL) {
			cr_expect_lt(attack_memory(&signer),
				     before + (1u << 20) + ATTACK_SLACK);
			clock_sleep_until(clock_mono_ns() + 10 * CLOCK_NS_PER_MS);
			if (!attack_runs(&signer, &exit))
				break;
		}
	}
	if (signer.child.pid != 0)
		exit = attack_await_end(&signer);
	cr_expect(!exit.signalled && exit.number == EX_PROTOCOL, "%s %d",
		  exit.signalled ? "signal" : "exit", exit.number);
	attack_free(&signer);
	start();
	cr_expect_eq(session().rc, KM_OK);
	attack_stop(&signer);
}
