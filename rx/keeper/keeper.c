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
#include "host.h"
#include "keeper_cage.h"
#include "keeper_talk.h"
#include "keys.h"
#include "keys_roll.h"
#include "keys_watch.h"
#include "log.h"
#include "ring.h"
#include "rx_config.h"
#include "session.h"
#include "shm.h"
#include "stats.h"

static const char *const keeper_stat_names[] = {KEEPER_STATS(STATS_NAME_ROW)};

#define KEEPER_DAY_NS (UINT64_C(86400) * CLOCK_NS_PER_SEC)
#define KEEPER_WAIT_NS (100 * CLOCK_NS_PER_MS)

struct keeper {
	struct keeper_talk talk;
	struct keys_watch watch;
	struct shm_map roll; /* struct keys_roll */
	bool reload;	     /* another keeper is at work until we go */
	struct cage cage;
	uint64_t next_store_ns;
	struct shm_map map;
	struct stats_map stats_map;
};

static int keeper_open_dir(struct keeper *k, const struct rx_config *config,
			   struct km_err *err)
{
	snprintf(k->talk.dir, sizeof(k->talk.dir), "%s/keeper", config->state_dir);
	if (mkdir(k->talk.dir, 0700) < 0 && errno != EEXIST)
		return km_err_set_errno(err, EX_CANTCREAT, "%s: cannot be created",
					k->talk.dir);
	k->talk.dirfd = open(k->talk.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->talk.dirfd < 0)
		return km_err_set_errno(err, EX_NOPERM, "%s: cannot be opened",
					k->talk.dir);
	if (floors_load(&k->talk.floors, k->talk.dirfd, err) < 0)
		return km_err_prefix(err, "%s", k->talk.dir);
	return 0;
}

static int keeper_load_keys(struct keeper *k, const struct rx_config *config,
			    struct km_err *err)
{
	struct keys_facts facts;

	k->watch.warn_days = (uint32_t)(config->key_warning_ns / KEEPER_DAY_NS);
	if (keys_box_load(k->talk.secret, &facts, config->key, config->passphrase_file,
			  err) < 0 ||
	    keys_facts_judge(&facts, config->environment, config->key, err) < 0)
		return -1;
	keys_watch_add(&k->watch, "own", "X25519", k->talk.secret->pub.pk, &facts,
		       config->key);
	for (unsigned i = 0; i < config->trusted; i++) {
		if (keys_sign_public_load(&k->talk.trusted[i], &facts, config->trust[i],
					  err) < 0 ||
		    keys_facts_judge(&facts, config->environment, config->trust[i], err) <
			    0)
			return -1;
		keys_watch_add(&k->watch, "transmitter", "Ed25519", k->talk.trusted[i].pk,
			       &facts, config->trust[i]);
	}
	/* of no use here, but what publish will read is judged, and told, with the rest */
	for (unsigned i = 0; i < config->retired_count; i++) {
		struct keys_sign_public retired;

		if (keys_sign_public_load(&retired, &facts, config->retired[i], err) < 0 ||
		    keys_facts_judge(&facts, config->environment, config->retired[i], err) <
			    0)
			return -1;
		keys_watch_add_retired(&k->watch, "Ed25519", retired.pk, &facts,
				       config->retired[i]);
	}
	return 0;
}

static void keeper_show_keys(struct keeper *k)
{
	uint64_t words[KEYS_PRINT_WORDS];

	keys_fingerprint_words(words, k->talk.secret->pub.pk);
	for (unsigned i = 0; i < KEYS_PRINT_WORDS; i++)
		stats_set(&k->talk.stats, KEEPER_PRINT_0 + i, words[i]);
	stats_set(&k->talk.stats, KEEPER_EXPIRES, keys_watch_first(&k->watch, true));
	stats_set(&k->talk.stats, KEEPER_PEERS, k->talk.trusted_count);
	stats_set(&k->talk.stats, KEEPER_PEER_EXPIRES, keys_watch_first(&k->watch, false));
}

static int keeper_load(struct keeper *k, const struct rx_config *config, struct km_err *err)
{
	if (keys_init(err) < 0)
		return -1;
	/* Pages of its own: sodium_mlock() alone would not keep a part of a page out of dumps. */
	k->talk.secret = sodium_malloc(sizeof(*k->talk.secret));
	if (!k->talk.secret || sodium_mlock(k->talk.secret, sizeof(*k->talk.secret)) < 0)
		return km_err_set_errno(
			err, EX_OSERR,
			"keeper: memory for the key cannot be locked: raise "
			"LimitMEMLOCK=");
	if (keeper_load_keys(k, config, err) < 0)
		return -1;
	k->talk.trusted_count = config->trusted;
	k->talk.environment = config->environment;
	return keeper_open_dir(k, config, err);
}

static int keeper_attach(struct keeper *k, struct km_err *err)
{
	struct ask_bells *bells;

	if (ring_attach(&k->talk.questions, ask_questions(k->map.p), ask_questions_bytes(),
			sizeof(struct ask), ASK_SLOTS, RING_CONSUMER) != KM_OK ||
	    ring_attach(&k->talk.answers, ask_answers(k->map.p), ask_answers_bytes(),
			sizeof(struct ask_answer), ASK_SLOTS, RING_PRODUCER) != KM_OK)
		return km_err_set(err, EX_SOFTWARE,
				  "keeper: rings with decode cannot be attached");
	bells = ask_bells(k->map.p);
	ring_set_bells(&k->talk.questions, &bells->decode, &bells->keeper);
	ring_set_bells(&k->talk.answers, &bells->decode, &bells->keeper);
	return 0;
}

/* Sessions of others than these end in decode. The ring is full only by a hostile one. */
static int keeper_say_trust(struct keeper *k, struct km_err *err)
{
	struct ask_answer list = {.verdict = ASK_TRUSTS, .floors = k->talk.trusted_count};
	uint64_t first;

	for (unsigned i = 0; i < k->talk.trusted_count; i++)
		memcpy(list.trusted[i], k->talk.trusted[i].pk, sizeof(list.trusted[i]));
	if (ring_reserve(&k->talk.answers, 1, &first) == KM_OK) {
		memcpy(ring_slot(&k->talk.answers, first), &list, sizeof(list));
		if (ring_submit(&k->talk.answers, 1) == KM_OK)
			return 0;
	}
	return km_err_set(err, EX_PROTOCOL, "keeper: decode does not take its answers");
}

/* From here on the keys are in force; what the keeper before us left is taken up. */
static int keeper_take_over(struct keeper *k, struct km_err *err)
{
	if (stats_claim(&k->stats_map, &k->talk.stats, RX_STATS_KEEPER, "keeper",
			keeper_stat_names, KEEPER_STAT_COUNT, err) < 0 ||
	    floors_load(&k->talk.floors, k->talk.dirfd, err) < 0 ||
	    keeper_attach(k, err) < 0 || keeper_say_trust(k, err) < 0)
		return -1;
	keeper_show_keys(k);
	keys_watch_say(&k->watch);
	keys_roll_enter(k->roll.p, &k->watch, k->reload);
	return 0;
}

static int keeper_set_up(struct keeper *k, struct role_ctx *ctx, struct km_err *err)
{
	static struct rx_config config; /* too large for the stack */

	k->talk.replay = host_flag(ctx->argc, ctx->argv, "--replay");
	k->reload = host_flag(ctx->argc, ctx->argv, "--reload");
	if (rx_config_for_role(&config, RX_FD_CONFIG, ctx->argc, ctx->argv, err) < 0)
		return -1;
	if (stats_map_rw(&k->stats_map, RX_FD_STATS, err) < 0 ||
	    shm_map(&k->roll, RX_FD_KEYS, KEYS_ROLL_BYTES, SHM_MAP_WRITE, err) < 0 ||
	    shm_map(&k->map, RX_FD_ASK, ask_bytes(), SHM_MAP_WRITE | SHM_MAP_NO_DUMP, err) <
		    0)
		return -1;
	role_beat_in(ctx, stats_beat_cell(&k->stats_map, RX_STATS_KEEPER));
	if (keeper_load(k, &config, err) < 0)
		return -1;
	if (k->reload && keys_roll_judge(k->roll.p, &k->watch, err) < 0)
		return -1;
	if (!k->reload && keeper_take_over(k, err) < 0)
		return -1;
	keeper_cage(&k->cage, &config);
	if (role_cage(ctx, &k->cage, err) < 0 ||
	    role_ready(ctx, "key in locked memory", err) < 0)
		return -1;
	return k->reload ? keeper_take_over(k, err) : 0;
}

/* Floors at most once a second: an fsync per message would be decode's to command. */
static void keeper_tick(struct keeper *k)
{
	uint64_t now_ns = clock_mono_ns();

	if (!k->talk.dirty || now_ns < k->next_store_ns)
		return;
	k->next_store_ns = now_ns + CLOCK_NS_PER_SEC;
	(void)keeper_talk_store(&k->talk); /* counted and logged; tried again in a second */
}

static int keeper_loop(struct keeper *k, struct role_ctx *ctx)
{
	while (!role_stop_requested(ctx)) {
		enum km_rc rc = ring_wait(&k->talk.questions, KEEPER_WAIT_NS);

		if ((rc != KM_OK && rc != KM_ERR_TIMEOUT) ||
		    (rc == KM_OK && keeper_talk_question(&k->talk) < 0)) {
			log_event(EVENT_RING_VIOLATION, "impossible question from decode");
			return EX_PROTOCOL;
		}
		keeper_tick(k);
		keys_watch_tick(&k->watch, clock_mono_ns(), clock_real_ns());
	}
	if (k->talk.dirty)
		(void)keeper_talk_store(&k->talk);
	return 0;
}

int keeper_main(struct role_ctx *ctx)
{
	static struct keeper keeper;
	struct km_err err = KM_ERR_INIT;
	int code;

	keeper.talk.dirfd = -1;
	if (keeper_set_up(&keeper, ctx, &err) < 0) {
		if (keeper.talk.secret)
			keys_box_wipe(keeper.talk.secret);
		if (err.code == 0)
			return 0;
		if (keeper.reload)
			log_event(EVENT_RELOAD_REFUSED, "%s; the keys in force stay",
				  err.text);
		else
			log_event(EVENT_DAEMON_FAILED, "%s", err.text);
		return err.code;
	}
	code = keeper_loop(&keeper, ctx);
	/* not freed: unmapping is not among the calls of its cage, and the process ends */
	keys_box_wipe(keeper.talk.secret);
	km_close(&keeper.talk.dirfd);
	return code;
}
