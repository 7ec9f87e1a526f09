// SPDX-License-Identifier: ISC
#include "signer.h"

#include <inttypes.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "epoch.h"
#include "ipc.h"
#include "keys.h"
#include "keys_watch.h"
#include "lane.h"
#include "log.h"
#include "session.h"
#include "sign.h"
#include "signer_cage.h"
#include "stats.h"
#include "tx_config.h"

#define SIGNER_STATS(X)                                                                    \
	X(SIGNER_SESSIONS, "sessions")                                                     \
	X(SIGNER_MANIFESTS, "manifests_signed")                                            \
	X(SIGNER_REFUSED, "requests_refused")                                              \
	X(SIGNER_EPOCH, "epoch")                                                           \
	X(SIGNER_PRINT_0, "key_print_0") /* keys_fingerprint_words() */                    \
	X(SIGNER_PRINT_1, "key_print_1")                                                   \
	X(SIGNER_PRINT_2, "key_print_2")                                                   \
	X(SIGNER_EXPIRES, "key_expires_day") /* days since 1970; 0: never */               \
	X(SIGNER_PEERS, "peer_keys")                                                       \
	X(SIGNER_PEER_EXPIRES, "peer_expires_day") /* the first of them */

/* A source that asked for sessions without end would drive the epoch ahead of the clock, and
 * receivers would then have no floor to tell recordings by: no faster than the clock goes. */
#define SIGNER_SESSION_NS CLOCK_NS_PER_SEC

#define SIGNER_DAY_NS (UINT64_C(86400) * CLOCK_NS_PER_SEC)
/* Often enough for what is said once a day. */
#define SIGNER_WAKE_MS 3600000

enum signer_stat { SIGNER_STATS(STATS_ENUM_ROW) SIGNER_STAT_COUNT };
static const char *const signer_stat_names[] = {SIGNER_STATS(STATS_NAME_ROW)};

struct signer {
	struct keys_sign_secret *identity; /* sodium_malloc: locked, and in no core dump */
	struct keys_box_public receivers[WIRE_ANNOUNCE_RECEIVERS_MAX];
	unsigned receiver_count;
	uint16_t environment;
	struct keys_watch watch;
	struct epoch epoch;
	uint64_t next_ns; /* no session before; monotonic */
	struct cage cage;
	struct stats_map stats_map;
	struct stats_writer stats;
};

/* A request is answered whatever happens; the source waits for it. */
static int signer_answer(uint32_t type, const void *body, size_t size)
{
	enum km_rc rc = ipc_send(TX_FD_SIGN, type, body, size, NULL, 0,
				 clock_mono_ns() + CLOCK_NS_PER_SEC);

	return rc == KM_OK ? 0 : 1;
}

static int signer_session(void *ctx, struct ipc_msg *msg)
{
	struct signer *s = ctx;
	struct sign_ask_session ask;
	struct sign_session answer = {.rc = KM_ERR_SYS};
	struct session_facts facts = {.environment = s->environment};
	struct km_err err = KM_ERR_INIT;
	size_t len = 0;
	int sent;

	memcpy(&ask, msg->body, sizeof(ask));
	memcpy(facts.config_digest, ask.config_digest, sizeof(facts.config_digest));
	clock_sleep_until(s->next_ns);
	s->next_ns = clock_mono_ns() + SIGNER_SESSION_NS;
	facts.created_ns = clock_real_ns();
	if (epoch_next(&s->epoch, facts.created_ns / CLOCK_NS_PER_SEC, &facts.epoch, &err) <
	    0) {
		log_event(EVENT_EPOCH_REFUSED,
			  "%s: free the disk or mend its state directory", err.text);
		stats_add(&s->stats, SIGNER_REFUSED, 1);
		return signer_answer(SIGN_SESSION, &answer, sizeof(answer));
	}
	answer.rc = session_announce_make(answer.announce, &len, answer.secret, &facts,
					  s->identity, s->receivers, s->receiver_count);
	answer.announce_len = (uint32_t)len;
	answer.epoch = facts.epoch;
	if (answer.rc == KM_OK) {
		stats_add(&s->stats, SIGNER_SESSIONS, 1);
		stats_set(&s->stats, SIGNER_EPOCH, facts.epoch);
		log_event(EVENT_EPOCH_STORED,
			  "session opened epoch=%" PRIu64 " receivers=%u", facts.epoch,
			  s->receiver_count);
	}
	sent = signer_answer(SIGN_SESSION, &answer, sizeof(answer));
	/* A secret is handed out once. */
	sodium_memzero(&answer, sizeof(answer));
	return sent;
}

static int signer_manifest(void *ctx, struct ipc_msg *msg)
{
	struct signer *s = ctx;
	struct sign_ask_manifest ask;
	struct sign_manifest answer = {.rc = KM_ERR_RANGE};

	memcpy(&ask, msg->body, sizeof(ask));
	if (ask.comment_len <= sizeof(ask.comment)) {
		minisig_sign(answer.sig, answer.global, ask.hash, ask.comment,
			     ask.comment_len, s->identity);
		memcpy(answer.key_number, s->identity->pub.key_number,
		       sizeof(answer.key_number));
		answer.rc = KM_OK;
		stats_add(&s->stats, SIGNER_MANIFESTS, 1);
	} else {
		stats_add(&s->stats, SIGNER_REFUSED, 1);
	}
	return signer_answer(SIGN_MANIFEST, &answer, sizeof(answer));
}

static int signer_load_keys(struct signer *s, const struct tx_config *config,
			    struct km_err *err)
{
	struct keys_facts facts;

	s->watch.warn_days = (uint32_t)(config->key_warning_ns / SIGNER_DAY_NS);
	if (keys_sign_load(s->identity, &facts, config->key, config->passphrase_file, err) <
		    0 ||
	    keys_facts_judge(&facts, config->environment, config->key, err) < 0)
		return -1;
	keys_watch_add(&s->watch, "own", "Ed25519", s->identity->pub.pk, &facts,
		       config->key);
	for (unsigned i = 0; i < config->receiver_count; i++) {
		if (keys_box_public_load(&s->receivers[i], &facts, config->receivers[i],
					 err) < 0 ||
		    keys_facts_judge(&facts, config->environment, config->receivers[i],
				     err) < 0)
			return -1;
		keys_watch_add(&s->watch, "receiver", "X25519", s->receivers[i].pk, &facts,
			       config->receivers[i]);
	}
	return 0;
}

static void signer_show_keys(struct signer *s)
{
	uint64_t words[KEYS_PRINT_WORDS];

	keys_fingerprint_words(words, s->identity->pub.pk);
	for (unsigned i = 0; i < KEYS_PRINT_WORDS; i++)
		stats_set(&s->stats, SIGNER_PRINT_0 + i, words[i]);
	stats_set(&s->stats, SIGNER_EXPIRES, keys_watch_first(&s->watch, true));
	stats_set(&s->stats, SIGNER_PEERS, s->receiver_count);
	stats_set(&s->stats, SIGNER_PEER_EXPIRES, keys_watch_first(&s->watch, false));
}

static int signer_load(struct signer *s, const struct tx_config *config, struct km_err *err)
{
	char dir[TX_PATH_LEN + 16];

	if (keys_init(err) < 0)
		return -1;
	/* Pages of its own: sodium_mlock() alone would not keep a part of a page out of dumps.
	 * Locked before the secret is in it; a refusal (RLIMIT_MEMLOCK) is worth an error. */
	s->identity = sodium_malloc(sizeof(*s->identity));
	if (!s->identity || sodium_mlock(s->identity, sizeof(*s->identity)) < 0)
		return km_err_set_errno(
			err, EX_OSERR,
			"signer: memory for the key cannot be locked: raise "
			"LimitMEMLOCK=");
	if (signer_load_keys(s, config, err) < 0)
		return -1;
	s->receiver_count = config->receiver_count;
	s->environment = config->environment;
	snprintf(dir, sizeof(dir), "%s/signer", config->state_dir);
	return epoch_open(&s->epoch, dir, err);
}

static int signer_set_up(struct signer *s, struct role_ctx *ctx, struct km_err *err)
{
	static struct tx_config config; /* too large for the stack */

	if (tx_config_for_role(&config, TX_FD_CONFIG, ctx->argc, ctx->argv, err) < 0)
		return -1;
	if (stats_map_rw(&s->stats_map, TX_FD_STATS, err) < 0 ||
	    stats_claim(&s->stats_map, &s->stats, TX_STATS_SIGNER, "signer",
			signer_stat_names, SIGNER_STAT_COUNT, err) < 0)
		return -1;
	if (signer_load(s, &config, err) < 0)
		return -1;
	stats_set(&s->stats, SIGNER_EPOCH, s->epoch.value);
	signer_show_keys(s);
	signer_cage(&s->cage, &config, s->epoch.fd);
	if (role_cage(ctx, &s->cage, err) < 0)
		return -1;
	return role_ready(ctx, "key in locked memory", err);
}

static int signer_loop(struct signer *s, struct role_ctx *ctx)
{
	static const struct ipc_type rows[] = {
		{.type = SIGN_ASK_SESSION,
		 .size = sizeof(struct sign_ask_session),
		 .name = "ask-session",
		 .handler = signer_session},
		{.type = SIGN_ASK_MANIFEST,
		 .size = sizeof(struct sign_ask_manifest),
		 .name = "ask-manifest",
		 .handler = signer_manifest},
	};
	static const struct ipc_table table = {rows, KM_COUNT(rows)};
	static struct ipc_msg msg;
	struct pollfd fds[] = {
		{.fd = TX_FD_SIGN, .events = POLLIN},
		{.fd = ctx->control, .events = POLLIN},
	};

	for (;;) {
		int rc;

		keys_watch_tick(&s->watch, clock_mono_ns(), clock_real_ns());
		if (poll(fds, KM_COUNT(fds), SIGNER_WAKE_MS) < 0)
			continue;
		if (role_stop_requested(ctx))
			return 0;
		rc = ipc_dispatch(TX_FD_SIGN, &table, s, &msg, 16);
		if (rc == KM_ERR_CLOSED) {
			fds[0].fd =
				-1; /* the source has gone; the supervisor will end us */
			continue;
		}
		if (rc != KM_OK && rc != KM_ERR_EMPTY)
			return EX_PROTOCOL;
	}
}

int signer_main(struct role_ctx *ctx)
{
	static struct signer signer;
	struct km_err err = KM_ERR_INIT;
	int code;

	signer.epoch.fd = -1;
	if (signer_set_up(&signer, ctx, &err) < 0) {
		if (signer.identity)
			keys_sign_wipe(signer.identity);
		if (err.code == 0)
			return 0;
		log_event(EVENT_DAEMON_FAILED, "%s", err.text);
		return err.code;
	}
	code = signer_loop(&signer, ctx);
	/* not freed: unmapping is not among the calls of its cage, and the process ends */
	keys_sign_wipe(signer.identity);
	epoch_close(&signer.epoch);
	return code;
}
