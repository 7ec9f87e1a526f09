// SPDX-License-Identifier: ISC
#include "signer.h"

#include <inttypes.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "epoch.h"
#include "host.h"
#include "ipc.h"
#include "keys.h"
#include "keys_roll.h"
#include "keys_watch.h"
#include "lane.h"
#include "log.h"
#include "session.h"
#include "shm.h"
#include "sign.h"
#include "signer_cage.h"
#include "signer_talk.h"
#include "stats.h"
#include "tx_config.h"

/* A source that asked for sessions without end would drive the epoch ahead of the clock, and
 * receivers would then have no floor to tell recordings by: no faster than the clock goes. */
#define SIGNER_SESSION_NS CLOCK_NS_PER_SEC

#define SIGNER_DAY_NS (UINT64_C(86400) * CLOCK_NS_PER_SEC)
/* What is said once a day could wait longer; the beat that the supervisor looks for cannot. */
#define SIGNER_WAKE_MS 1000

static const char *const signer_stat_names[] = {SIGNER_STATS(STATS_NAME_ROW)};

struct signer {
	struct signer_talk talk;
	struct keys_watch watch;
	struct shm_map roll; /* struct keys_roll */
	bool reload;	     /* another signer is at work until we go */
	uint64_t next_ns;    /* no session before; monotonic */
	struct cage cage;
	struct stats_map stats_map;
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
	struct sign_session answer;
	int sent;

	memcpy(&ask, msg->body, sizeof(ask));
	clock_sleep_until(s->next_ns);
	s->next_ns = clock_mono_ns() + SIGNER_SESSION_NS;
	signer_talk_session(&s->talk, &ask, &answer);
	sent = signer_answer(SIGN_SESSION, &answer, sizeof(answer));
	/* A secret is handed out once. */
	sodium_memzero(&answer, sizeof(answer));
	return sent;
}

static int signer_manifest(void *ctx, struct ipc_msg *msg)
{
	struct signer *s = ctx;
	struct sign_ask_manifest ask;
	struct sign_manifest answer;

	memcpy(&ask, msg->body, sizeof(ask));
	signer_talk_manifest(&s->talk, &ask, &answer);
	return signer_answer(SIGN_MANIFEST, &answer, sizeof(answer));
}

static int signer_load_keys(struct signer *s, const struct tx_config *config,
			    struct km_err *err)
{
	struct keys_facts facts;

	s->watch.warn_days = (uint32_t)(config->key_warning_ns / SIGNER_DAY_NS);
	if (keys_sign_load(s->talk.identity, &facts, config->key, config->passphrase_file,
			   err) < 0 ||
	    keys_facts_judge(&facts, config->environment, config->key, err) < 0)
		return -1;
	keys_watch_add(&s->watch, "own", "Ed25519", s->talk.identity->pub.pk, &facts,
		       config->key);
	for (unsigned i = 0; i < config->receiver_count; i++) {
		if (keys_box_public_load(&s->talk.receivers[i], &facts,
					 config->receivers[i], err) < 0 ||
		    keys_facts_judge(&facts, config->environment, config->receivers[i],
				     err) < 0)
			return -1;
		keys_watch_add(&s->watch, "receiver", "X25519", s->talk.receivers[i].pk,
			       &facts, config->receivers[i]);
	}
	return 0;
}

static void signer_show_keys(struct signer *s)
{
	uint64_t words[KEYS_PRINT_WORDS];

	keys_fingerprint_words(words, s->talk.identity->pub.pk);
	for (unsigned i = 0; i < KEYS_PRINT_WORDS; i++)
		stats_set(&s->talk.stats, SIGNER_PRINT_0 + i, words[i]);
	stats_set(&s->talk.stats, SIGNER_EXPIRES, keys_watch_first(&s->watch, true));
	stats_set(&s->talk.stats, SIGNER_PEERS, s->talk.receiver_count);
	stats_set(&s->talk.stats, SIGNER_PEER_EXPIRES, keys_watch_first(&s->watch, false));
}

static int signer_load(struct signer *s, const struct tx_config *config, struct km_err *err)
{
	char dir[TX_PATH_LEN + 16];

	if (keys_init(err) < 0)
		return -1;
	/* Pages of its own: sodium_mlock() alone would not keep a part of a page out of dumps.
	 * Locked before the secret is in it; a refusal (RLIMIT_MEMLOCK) is worth an error. */
	s->talk.identity = sodium_malloc(sizeof(*s->talk.identity));
	if (!s->talk.identity ||
	    sodium_mlock(s->talk.identity, sizeof(*s->talk.identity)) < 0)
		return km_err_set_errno(
			err, EX_OSERR,
			"signer: memory for the key cannot be locked: raise "
			"LimitMEMLOCK=");
	if (signer_load_keys(s, config, err) < 0)
		return -1;
	s->talk.receiver_count = config->receiver_count;
	s->talk.environment = config->environment;
	snprintf(dir, sizeof(dir), "%s/signer", config->state_dir);
	return epoch_open(&s->talk.epoch, dir, err);
}

/* From here on the keys are in force. */
static int signer_take_over(struct signer *s, struct km_err *err)
{
	if (stats_claim(&s->stats_map, &s->talk.stats, TX_STATS_SIGNER, "signer",
			signer_stat_names, SIGNER_STAT_COUNT, err) < 0 ||
	    epoch_look(&s->talk.epoch, err) < 0)
		return -1;
	stats_set(&s->talk.stats, SIGNER_EPOCH, s->talk.epoch.value);
	signer_show_keys(s);
	keys_watch_say(&s->watch);
	keys_roll_enter(s->roll.p, &s->watch, s->reload);
	return 0;
}

static int signer_set_up(struct signer *s, struct role_ctx *ctx, struct km_err *err)
{
	static struct tx_config config; /* too large for the stack */

	s->reload = host_flag(ctx->argc, ctx->argv, "--reload");
	if (tx_config_for_role(&config, TX_FD_CONFIG, ctx->argc, ctx->argv, err) < 0)
		return -1;
	if (stats_map_rw(&s->stats_map, TX_FD_STATS, err) < 0 ||
	    shm_map(&s->roll, TX_FD_KEYS, KEYS_ROLL_BYTES, SHM_MAP_WRITE, err) < 0)
		return -1;
	role_beat_in(ctx, stats_beat_cell(&s->stats_map, TX_STATS_SIGNER));
	if (signer_load(s, &config, err) < 0)
		return -1;
	if (s->reload && keys_roll_judge(s->roll.p, &s->watch, err) < 0)
		return -1;
	if (!s->reload && signer_take_over(s, err) < 0)
		return -1;
	signer_cage(&s->cage, &config, s->talk.epoch.fd);
	if (role_cage(ctx, &s->cage, err) < 0 ||
	    role_ready(ctx, "key in locked memory", err) < 0)
		return -1;
	return s->reload ? signer_take_over(s, err) : 0;
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

	signer.talk.epoch.fd = -1;
	if (signer_set_up(&signer, ctx, &err) < 0) {
		if (signer.talk.identity)
			keys_sign_wipe(signer.talk.identity);
		if (err.code == 0)
			return 0;
		if (signer.reload)
			log_event(EVENT_RELOAD_REFUSED, "%s; the keys in force stay",
				  err.text);
		else
			log_event(EVENT_DAEMON_FAILED, "%s", err.text);
		return err.code;
	}
	code = signer_loop(&signer, ctx);
	/* not freed: unmapping is not among the calls of its cage, and the process ends */
	keys_sign_wipe(signer.talk.identity);
	epoch_close(&signer.talk.epoch);
	return code;
}
