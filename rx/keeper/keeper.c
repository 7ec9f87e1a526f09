// SPDX-License-Identifier: ISC
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ask.h"
#include "clock.h"
#include "deliver.h"
#include "fileio.h"
#include "floors.h"
#include "keeper_cage.h"
#include "keys.h"
#include "keys_watch.h"
#include "log.h"
#include "ring.h"
#include "rx_config.h"
#include "session.h"
#include "shm.h"
#include "stats.h"

#define KEEPER_STATS(X)                                                                    \
	X(KEEPER_ACCEPTED, "announces_accepted")                                           \
	X(KEEPER_REFUSED, "announces_refused")                                             \
	X(KEEPER_TOO_MANY, "announces_too_many")                                           \
	X(KEEPER_STORES, "floors_stored")                                                  \
	X(KEEPER_STORE_FAILED, "floors_store_failed")                                      \
	X(KEEPER_EPOCH, "epoch")                                                           \
	X(KEEPER_PRINT_0, "key_print_0") /* keys_fingerprint_words() */                    \
	X(KEEPER_PRINT_1, "key_print_1")                                                   \
	X(KEEPER_PRINT_2, "key_print_2")                                                   \
	X(KEEPER_EXPIRES, "key_expires_day") /* days since 1970; 0: never */               \
	X(KEEPER_PEERS, "peer_keys")                                                       \
	X(KEEPER_PEER_EXPIRES, "peer_expires_day") /* the first of them */

enum keeper_stat { KEEPER_STATS(STATS_ENUM_ROW) KEEPER_STAT_COUNT };
static const char *const keeper_stat_names[] = {KEEPER_STATS(STATS_NAME_ROW)};

/* A signature check costs 40 us: 50 a second is 0.2 % of a core (DESIGN section 4). */
#define KEEPER_CHECKS_PER_S 50u
#define KEEPER_DAY_NS (UINT64_C(86400) * CLOCK_NS_PER_SEC)
#define KEEPER_WAIT_NS (100 * CLOCK_NS_PER_MS)

struct keeper {
	struct keys_box_secret *secret; /* sodium_malloc: locked, and in no core dump */
	struct keys_sign_public trusted[RX_TRUSTED_MAX];
	unsigned trusted_count;
	struct keys_watch watch;
	uint16_t environment;
	bool replay;
	int dirfd;
	char dir[RX_PATH_LEN + 16];
	struct cage cage;
	struct floors floors;
	bool dirty;
	uint64_t next_store_ns;
	uint64_t second_ns; /* start of the second that `checks` counts */
	unsigned checks;
	struct shm_map map;
	struct ring questions, answers;
	struct stats_map stats_map;
	struct stats_writer stats;
};

/* The operator's word for one epoch: file accept-<fingerprint>, a decimal number. */
static uint64_t keeper_allowed(const struct keeper *k, const uint8_t identity[32])
{
	char name[16 + KEYS_FINGERPRINT_MAX] = "accept-";
	_cleanup_free_ uint8_t *text = NULL;
	struct km_err err = KM_ERR_INIT;
	size_t len;

	keys_fingerprint(name + strlen(name), identity);
	if (fileio_read_all(k->dirfd, name, 32, &text, &len, &err) < 0)
		return 0;
	return strtoull((const char *)text, NULL, 10);
}

static bool keeper_store(struct keeper *k)
{
	struct km_err err = KM_ERR_INIT;

	if (floors_store(&k->floors, k->dirfd, &err) == 0) {
		stats_add(&k->stats, KEEPER_STORES, 1);
		k->dirty = false;
		return true;
	}
	stats_add(&k->stats, KEEPER_STORE_FAILED, 1);
	log_event_limited(EVENT_FLOORS_FAILED,
			  "%s: free the disk or mend the state directory", err.text);
	return false;
}

static bool keeper_too_many(struct keeper *k)
{
	uint64_t now_ns = clock_mono_ns();

	if (now_ns - k->second_ns >= CLOCK_NS_PER_SEC) {
		k->second_ns = now_ns;
		k->checks = 0;
	}
	return ++k->checks > KEEPER_CHECKS_PER_S;
}

static enum ask_verdict keeper_verdict(enum km_rc rc)
{
	switch (rc) {
	case KM_OK:
		return ASK_ACCEPTED;
	case KM_ERR_VERSION:
		return ASK_VERSION;
	case KM_ERR_NOTFOUND:
		return ASK_UNTRUSTED;
	case KM_ERR_AUTH:
		return ASK_SIGNATURE;
	default:
		return ASK_MALFORMED;
	}
}

/* Genuine, but of the wrong time: the operator is told what it is and the way out. */
static void keeper_say_epoch(const struct keeper *k, const struct announce *a,
			     enum ask_verdict verdict)
{
	char print[KEYS_FINGERPRINT_MAX];

	keys_fingerprint(print, a->identity);
	log_event_limited(
		EVENT_SESSION_REFUSED,
		"a genuine announce is refused, %s: correct the clocks; if it is the "
		"present transmitter and no recording, let it in by `katamichi-rx "
		"accept-session` with these two words tx=%s epoch=%" PRIu64
		" file=%s/accept-%s",
		verdict == ASK_OLD_EPOCH ? "its epoch is not above the stored floor"
					 : "its epoch is more than 24 h from our clock "
					   "and no floor is stored yet",
		print, a->epoch, k->dir, print);
}

/* Everything about the epoch: judged, stored, and the session's floors answered. */
static enum ask_verdict keeper_epoch(struct keeper *k, const struct announce *a,
				     struct ask_answer *answer)
{
	uint64_t now_s = clock_real_ns() / CLOCK_NS_PER_SEC;
	struct floors before;
	struct floors_session *session;
	bool far = false;
	enum ask_verdict verdict;

	/* A recording is old by nature; `replay` works on a state of its own. */
	verdict = k->replay
			  ? ASK_ACCEPTED
			  : floors_judge(&k->floors, a->identity, answer->session, a->epoch,
					 now_s, keeper_allowed(k, a->identity), &far);
	if (verdict == ASK_OLD_EPOCH || verdict == ASK_FAR_EPOCH)
		keeper_say_epoch(k, a, verdict);
	if (verdict != ASK_ACCEPTED)
		return verdict;
	before = k->floors;
	session = floors_accept(&k->floors, a->identity, answer->session, a->epoch, now_s);
	if (session == NULL || !keeper_store(k)) {
		k->floors = before;
		return ASK_STORE;
	}
	answer->far = far;
	answer->floors = session->lanes;
	for (uint32_t i = 0; i < session->lanes; i++) {
		answer->floor[i].lane = session->lane[i].lane;
		answer->floor[i].seq = session->lane[i].seq;
	}
	return ASK_ACCEPTED;
}

static enum ask_verdict keeper_judge(struct keeper *k, const uint8_t *bytes, size_t len,
				     struct ask_answer *answer)
{
	struct announce a;
	enum ask_verdict verdict;

	if (keeper_too_many(k)) {
		stats_add(&k->stats, KEEPER_TOO_MANY, 1);
		return ASK_TOO_MANY;
	}
	verdict = keeper_verdict(
		session_announce_check(&a, bytes, len, k->trusted, k->trusted_count));
	if (verdict != ASK_ACCEPTED)
		return verdict;
	answer->epoch = a.epoch;
	memcpy(answer->identity, a.identity, sizeof(answer->identity));
	if (a.environment != k->environment)
		return ASK_ENVIRONMENT;
	switch (session_announce_open(answer->secret, &a, bytes, len, k->secret)) {
	case KM_OK:
		break;
	case KM_ERR_NOTFOUND:
		return ASK_NOT_FOR_US;
	default:
		return ASK_MALFORMED;
	}
	return keeper_epoch(k, &a, answer);
}

static int keeper_answer_announce(struct keeper *k, const struct ask *ask)
{
	struct ask_answer answer = {0};
	uint64_t first;

	session_transcript(answer.transcript, ask->announce, ask->len);
	answer.session = session_tag(answer.transcript);
	answer.verdict = keeper_judge(k, ask->announce, ask->len, &answer);
	if (answer.verdict == ASK_ACCEPTED) {
		stats_add(&k->stats, KEEPER_ACCEPTED, 1);
		stats_set(&k->stats, KEEPER_EPOCH, answer.epoch);
	} else {
		stats_add(&k->stats, KEEPER_REFUSED, 1);
		sodium_memzero(answer.secret, sizeof(answer.secret));
	}
	/* As many answers as questions fit the ring, so it is full only by a hostile decode. */
	if (ring_reserve(&k->answers, 1, &first) != KM_OK)
		return -1;
	memcpy(ring_slot(&k->answers, first), &answer, sizeof(answer));
	sodium_memzero(&answer, sizeof(answer));
	return ring_submit(&k->answers, 1) == KM_OK ? 0 : -1;
}

static int keeper_floors(struct keeper *k, const struct ask *ask)
{
	if (ask->lanes > WIRE_LANES_MAX)
		return -1;
	/* Lanes that cannot be would take the room of those that are, and one past the highest
	 * number would be the lowest: both would lower a floor. */
	for (uint32_t i = 0; i < ask->lanes; i++)
		if (ask->floor[i].lane >= WIRE_LANES_MAX ||
		    ask->floor[i].seq >= WIRE_LANE_FRAMES_MAX)
			return -1;
	for (uint32_t i = 0; i < ask->lanes; i++)
		k->dirty |= floors_raise(&k->floors, ask->session, ask->floor[i].lane,
					 ask->floor[i].seq);
	return 0;
}

/* One question. -1: decode broke the protocol. */
static int keeper_question(struct keeper *k)
{
	struct ask ask; /* read once: decode can change the slot under our eyes */
	uint64_t first;
	uint32_t n;
	int rc;

	if (ring_peek(&k->questions, 1, &first, &n) != KM_OK || n != 1)
		return -1;
	memcpy(&ask, ring_slot(&k->questions, first), sizeof(ask));
	switch (ask.type) {
	case ASK_ANNOUNCE:
		if (ask.len > WIRE_ANNOUNCE_MAX)
			return -1;
		rc = keeper_answer_announce(k, &ask);
		break;
	case ASK_FLOORS:
		rc = keeper_floors(k, &ask);
		break;
	default:
		rc = -1;
	}
	if (ring_release(&k->questions, 1) != KM_OK)
		return -1;
	return rc;
}

static int keeper_open_dir(struct keeper *k, const struct rx_config *config,
			   struct km_err *err)
{
	snprintf(k->dir, sizeof(k->dir), "%s/keeper", config->state_dir);
	if (mkdir(k->dir, 0700) < 0 && errno != EEXIST)
		return km_err_set_errno(err, EX_CANTCREAT, "%s: cannot be created", k->dir);
	k->dirfd = open(k->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->dirfd < 0)
		return km_err_set_errno(err, EX_NOPERM, "%s: cannot be opened", k->dir);
	if (floors_load(&k->floors, k->dirfd, err) < 0)
		return km_err_prefix(err, "%s", k->dir);
	return 0;
}

static int keeper_load_keys(struct keeper *k, const struct rx_config *config,
			    struct km_err *err)
{
	struct keys_facts facts;

	k->watch.warn_days = (uint32_t)(config->key_warning_ns / KEEPER_DAY_NS);
	if (keys_box_load(k->secret, &facts, config->key, config->passphrase_file, err) <
		    0 ||
	    keys_facts_judge(&facts, config->environment, config->key, err) < 0)
		return -1;
	keys_watch_add(&k->watch, "own", "X25519", k->secret->pub.pk, &facts, config->key);
	for (unsigned i = 0; i < config->trusted; i++) {
		if (keys_sign_public_load(&k->trusted[i], &facts, config->trust[i], err) <
			    0 ||
		    keys_facts_judge(&facts, config->environment, config->trust[i], err) <
			    0)
			return -1;
		keys_watch_add(&k->watch, "transmitter", "Ed25519", k->trusted[i].pk,
			       &facts, config->trust[i]);
	}
	return 0;
}

static void keeper_show_keys(struct keeper *k)
{
	uint64_t words[KEYS_PRINT_WORDS];

	keys_fingerprint_words(words, k->secret->pub.pk);
	for (unsigned i = 0; i < KEYS_PRINT_WORDS; i++)
		stats_set(&k->stats, KEEPER_PRINT_0 + i, words[i]);
	stats_set(&k->stats, KEEPER_EXPIRES, keys_watch_first(&k->watch, true));
	stats_set(&k->stats, KEEPER_PEERS, k->trusted_count);
	stats_set(&k->stats, KEEPER_PEER_EXPIRES, keys_watch_first(&k->watch, false));
}

static int keeper_load(struct keeper *k, const struct rx_config *config, struct km_err *err)
{
	if (keys_init(err) < 0)
		return -1;
	/* Pages of its own: sodium_mlock() alone would not keep a part of a page out of dumps. */
	k->secret = sodium_malloc(sizeof(*k->secret));
	if (!k->secret || sodium_mlock(k->secret, sizeof(*k->secret)) < 0)
		return km_err_set_errno(
			err, EX_OSERR,
			"keeper: memory for the key cannot be locked: raise "
			"LimitMEMLOCK=");
	if (keeper_load_keys(k, config, err) < 0)
		return -1;
	k->trusted_count = config->trusted;
	k->environment = config->environment;
	return keeper_open_dir(k, config, err);
}

static int keeper_attach(struct keeper *k, struct km_err *err)
{
	struct ask_bells *bells;

	if (shm_map(&k->map, RX_FD_ASK, ask_bytes(), SHM_MAP_WRITE | SHM_MAP_NO_DUMP, err) <
	    0)
		return -1;
	if (ring_attach(&k->questions, ask_questions(k->map.p), ask_questions_bytes(),
			sizeof(struct ask), ASK_SLOTS, RING_CONSUMER) != KM_OK ||
	    ring_attach(&k->answers, ask_answers(k->map.p), ask_answers_bytes(),
			sizeof(struct ask_answer), ASK_SLOTS, RING_PRODUCER) != KM_OK)
		return km_err_set(err, EX_SOFTWARE,
				  "keeper: rings with decode cannot be attached");
	bells = ask_bells(k->map.p);
	ring_set_bells(&k->questions, &bells->decode, &bells->keeper);
	ring_set_bells(&k->answers, &bells->decode, &bells->keeper);
	return 0;
}

static int keeper_set_up(struct keeper *k, struct role_ctx *ctx, struct km_err *err)
{
	static struct rx_config config; /* too large for the stack */

	for (int i = 0; i < ctx->argc; i++)
		k->replay |= strcmp(ctx->argv[i], "--replay") == 0;
	if (rx_config_for_role(&config, RX_FD_CONFIG, ctx->argc, ctx->argv, err) < 0)
		return -1;
	if (stats_map_rw(&k->stats_map, RX_FD_STATS, err) < 0 ||
	    stats_claim(&k->stats_map, &k->stats, RX_STATS_KEEPER, "keeper",
			keeper_stat_names, KEEPER_STAT_COUNT, err) < 0)
		return -1;
	if (keeper_load(k, &config, err) < 0 || keeper_attach(k, err) < 0)
		return -1;
	keeper_show_keys(k);
	keeper_cage(&k->cage, &config);
	if (role_cage(ctx, &k->cage, err) < 0)
		return -1;
	return role_ready(ctx, "key in locked memory", err);
}

/* Floors at most once a second: an fsync per message would be decode's to command. */
static void keeper_tick(struct keeper *k)
{
	uint64_t now_ns = clock_mono_ns();

	if (!k->dirty || now_ns < k->next_store_ns)
		return;
	k->next_store_ns = now_ns + CLOCK_NS_PER_SEC;
	(void)keeper_store(k); /* counted and logged; tried again in a second */
}

static int keeper_loop(struct keeper *k, struct role_ctx *ctx)
{
	while (!role_stop_requested(ctx)) {
		enum km_rc rc = ring_wait(&k->questions, KEEPER_WAIT_NS);

		if ((rc != KM_OK && rc != KM_ERR_TIMEOUT) ||
		    (rc == KM_OK && keeper_question(k) < 0)) {
			log_event(EVENT_RING_VIOLATION, "impossible question from decode");
			return EX_PROTOCOL;
		}
		keeper_tick(k);
		keys_watch_tick(&k->watch, clock_mono_ns(), clock_real_ns());
	}
	if (k->dirty)
		(void)keeper_store(k);
	return 0;
}

int keeper_main(struct role_ctx *ctx)
{
	static struct keeper keeper;
	struct km_err err = KM_ERR_INIT;
	int code;

	keeper.dirfd = -1;
	if (keeper_set_up(&keeper, ctx, &err) < 0) {
		if (keeper.secret)
			keys_box_wipe(keeper.secret);
		if (err.code == 0)
			return 0;
		log_event(EVENT_DAEMON_FAILED, "%s", err.text);
		return err.code;
	}
	code = keeper_loop(&keeper, ctx);
	/* not freed: unmapping is not among the calls of its cage, and the process ends */
	keys_box_wipe(keeper.secret);
	km_close(&keeper.dirfd);
	return code;
}
