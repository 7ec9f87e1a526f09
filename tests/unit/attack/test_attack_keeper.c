// SPDX-License-Identifier: ISC
/*
 * A decode that was broken into, against the real rx keeper: it gets the secrets of sessions that
 * a trusted tx opened for us now, which is its job, and nothing else; floors only rise.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ask.h"
#include "attack_rig.h"
#include "clock.h"
#include "deliver.h"
#include "digest.h"
#include "floors.h"
#include "host.h"
#include "keeper.h"
#include "keys.h"
#include "keys_roll.h"
#include "session.h"
#include "shm.h"
#include "stats.h"

TestSuite(attack_keeper, .timeout = 120);

static char dir[64];
static struct attack_role keeper;
static struct keys_sign_secret tx, stranger;
static struct keys_box_secret box;
static struct shm_map map;
static struct ring questions, answers;
static int fd_config, fd_stats, fd_keys, fd_ask;

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

static struct ask_answer get(void)
{
	struct ask_answer answer;
	uint64_t slot;
	uint32_t n;

	cr_assert_eq(ring_wait(&answers, 30 * CLOCK_NS_PER_SEC), KM_OK);
	cr_assert_eq(ring_peek(&answers, 1, &slot, &n), KM_OK);
	memcpy(&answer, ring_slot(&answers, slot), sizeof(answer));
	cr_assert_eq(ring_release(&answers, 1), KM_OK);
	return answer;
}

static void start(void)
{
	const struct role_fd fds[] = {{fd_config, RX_FD_CONFIG},
				      {fd_stats, RX_FD_STATS},
				      {fd_ask, RX_FD_ASK},
				      {fd_keys, RX_FD_KEYS}};
	const struct attack_spec spec = {.name = "keeper",
					 .main = keeper_main,
					 .fds = fds,
					 .n_fds = KM_COUNT(fds),
					 .args = {"--mtu", "9000"},
					 .n_args = 2};

	memset(map.p, 0, map.len);
	cr_assert_eq(ring_format(ask_questions(map.p), ask_questions_bytes(),
				 sizeof(struct ask), ASK_SLOTS),
		     KM_OK);
	cr_assert_eq(ring_format(ask_answers(map.p), ask_answers_bytes(),
				 sizeof(struct ask_answer), ASK_SLOTS),
		     KM_OK);
	cr_assert_eq(ring_attach(&questions, ask_questions(map.p), ask_questions_bytes(),
				 sizeof(struct ask), ASK_SLOTS, RING_PRODUCER),
		     KM_OK);
	cr_assert_eq(ring_attach(&answers, ask_answers(map.p), ask_answers_bytes(),
				 sizeof(struct ask_answer), ASK_SLOTS, RING_CONSUMER),
		     KM_OK);
	ring_set_bells(&questions, &ask_bells(map.p)->keeper, &ask_bells(map.p)->decode);
	ring_set_bells(&answers, &ask_bells(map.p)->keeper, &ask_bells(map.p)->decode);
	attack_start(&keeper, &spec);
	cr_assert_eq(get().verdict, ASK_TRUSTS, "whom it trusts comes first, unasked");
}

static void set_up(void)
{
	struct km_err err = KM_ERR_INIT;
	char text[512];
	int n;

	(void)snprintf(dir, sizeof(dir), "/tmp/attack-keeper-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(keys_init(&err), 0);
	keys_sign_generate(&tx);
	keys_sign_generate(&stranger);
	keys_box_generate(&box);
	cr_assert_eq(keys_sign_save(&tx, SAVE(in_dir("tx.key"), in_dir("tx.pub")), &err),
		     0);
	cr_assert_eq(keys_box_save(&box, SAVE(in_dir("rx.key"), in_dir("rx.pub")), &err),
		     0);
	cr_assert_eq(mkdir(in_dir("state"), 0700), 0);
	n = snprintf(text, sizeof(text),
		     "[receiver]\ninterface = lo\nkey = %s\ntrust = %s\nstate_dir = %s\n"
		     "environment = 7\nsandbox = permissive\n",
		     in_dir("rx.key"), in_dir("tx.pub"), in_dir("state"));
	fd_config = host_seal_bytes("config", text, (size_t)n, &err);
	fd_stats = stats_create(NULL, RX_STATS_ROLES, &err);
	fd_keys = shm_create("keys", KEYS_ROLL_BYTES, &err);
	fd_ask = shm_create("ask", ask_bytes(), &err);
	cr_assert(fd_config >= 0 && fd_stats >= 0 && fd_keys >= 0 && fd_ask >= 0, "%s",
		  err.text);
	cr_assert_eq(shm_map(&map, fd_ask, ask_bytes(), SHM_MAP_WRITE, &err), 0);
	start();
}

static void tear_down(void)
{
	static const char *const names[] = {"state/keeper/floors",
					    "state/keeper",
					    "state",
					    "tx.key",
					    "tx.pub",
					    "rx.key",
					    "rx.pub",
					    ""};

	attack_free(&keeper);
	for (unsigned i = 0; i < KM_COUNT(names); i++)
		(void)remove(in_dir(names[i]));
}

static struct ask announce_of(const struct keys_sign_secret *identity, uint16_t environment,
			      uint64_t epoch, uint8_t secret[32])
{
	const struct session_facts facts = {.environment = environment, .epoch = epoch};
	struct ask ask = {.type = ASK_ANNOUNCE};
	size_t len = 0;

	cr_assert_eq(session_announce_make(ask.announce, &len, secret, &facts, identity,
					   &box.pub, 1),
		     KM_OK);
	ask.len = (uint32_t)len;
	return ask;
}

static uint64_t now_s(void)
{
	return clock_real_ns() / CLOCK_NS_PER_SEC;
}

static void put(const struct ask *ask)
{
	uint64_t slot;

	cr_assert_eq(ring_reserve(&questions, 1, &slot), KM_OK);
	memcpy(ring_slot(&questions, slot), ask, sizeof(*ask));
	cr_assert_eq(ring_submit(&questions, 1), KM_OK);
}

static struct ask_answer asked(const struct ask *ask)
{
	put(ask);
	return get();
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i])
			return false;
	return true;
}

/* The process ended because decode broke the protocol, with one line. */
static void broke(const char *what)
{
	const struct role_exit exit = attack_await_end(&keeper);

	cr_expect(!exit.signalled && exit.number == EX_PROTOCOL, "%s: %s %d", what,
		  exit.signalled ? "signal" : "exit", exit.number);
	cr_expect_eq(attack_lines(&keeper, "ring.violation"), 1, "%s", what);
	attack_free(&keeper);
	start();
}

static struct floors stored(void)
{
	struct km_err err = KM_ERR_INIT;
	struct floors f;
	int fd = open(in_dir("state/keeper"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	cr_assert_eq(floors_load(&f, fd, &err), 0, "%s", err.text);
	(void)close(fd);
	return f;
}

Test(attack_keeper, wild_questions_end_the_pair, .init = set_up, .fini = tear_down)
{
	uint8_t secret[32];
	struct ask ask = announce_of(&tx, 7, now_s(), secret), bad;
	struct ring_page *page = ask_questions(map.p);

	bad = ask, bad.type = 0;
	put(&bad), broke("type 0");
	bad = ask, bad.type = UINT32_MAX;
	put(&bad), broke("type");
	bad = ask, bad.len = WIRE_ANNOUNCE_MAX + 1;
	put(&bad), broke("length");
	bad = ask, bad.len = UINT32_MAX;
	put(&bad), broke("length of 4 GiB");
	bad = (struct ask){.type = ASK_FLOORS, .lanes = WIRE_LANES_MAX + 1};
	put(&bad), broke("lanes");
	bad.lanes = UINT32_MAX;
	put(&bad), broke("lanes of 4 G");
	bad = (struct ask){.type = ASK_FLOORS, .lanes = 1};
	bad.floor[0].lane = WIRE_LANES_MAX;
	put(&bad), broke("a lane that cannot be");
	bad = (struct ask){.type = ASK_FLOORS, .lanes = WIRE_LANES_MAX};
	bad.floor[WIRE_LANES_MAX - 1].seq = UINT64_MAX; /* the next one is 0 */
	put(&bad), broke("a number that cannot be");
	atomic_store(&page->head, UINT64_C(1) << 40);
	bell_ring(&ask_bells(map.p)->keeper);
	broke("index");
	cr_expect_eq(stored().count, 0);
	/* a decode that does not take its answers */
	for (unsigned i = 0; i < ASK_SLOTS + 1; i++) {
		bad = ask, bad.len = 0;
		put(&bad);
		while (ring_ready(&questions) < (int64_t)ASK_SLOTS &&
		       ring_ready(&answers) <= (int64_t)i)
			clock_sleep_until(clock_mono_ns() + CLOCK_NS_PER_MS / 10);
	}
	broke("answers not taken");
	cr_expect_eq(asked(&ask).verdict, ASK_ACCEPTED);
	attack_stop(&keeper);
}

/* What no trusted tx has signed for us, now, opens nothing, and leaves no trace. */
Test(attack_keeper, no_secret_for_a_forged_announce, .init = set_up, .fini = tear_down)
{
	uint8_t secret[32];
	struct ask good = announce_of(&tx, 7, now_s(), secret), bad;
	struct ask_answer answer;
	uint64_t seed = attack_seed();

	for (unsigned i = 0; i < 120; i++) {
		if (i % 4 == 0)
			bad = announce_of(&stranger, 7, now_s(), secret);
		else if (i % 4 == 1)
			bad = announce_of(&tx, 8, now_s(), secret);
		else if (i % 4 == 2)
			bad = announce_of(&tx, 7, now_s() - 2 * FLOORS_FAR_S, secret);
		else
			bad = good, bad.announce[attack_random(&seed) % good.len] ^= 1;
		answer = asked(&bad);
		cr_expect_neq(answer.verdict, ASK_ACCEPTED, "%u", i);
		cr_expect(is_zero(answer.secret, sizeof(answer.secret)), "%u", i);
	}
	cr_expect_eq(stored().count, 0);
	/* of 120 in a row some were beyond 50 a second: the keeper is no oracle at any speed */
	do
		answer = asked(&good);
	while (answer.verdict == ASK_TOO_MANY);
	cr_expect_eq(answer.verdict, ASK_ACCEPTED);
	attack_stop(&keeper);
}

/* The announce changes while the keeper looks at it: what it accepts is what it has checked. */
Test(attack_keeper, announce_toggles, .init = set_up, .fini = tear_down)
{
	uint8_t secret[32], transcript[32];
	struct ask good = announce_of(&tx, 7, now_s(), secret);
	struct attack_toggle toggle;
	unsigned accepted = 0, refused = 0;

	session_transcript(transcript, good.announce, good.len);
	for (unsigned i = 0; i < 300; i++) {
		struct ask_answer answer;
		uint64_t slot;

		cr_assert_eq(ring_reserve(&questions, 1, &slot), KM_OK);
		memcpy(ring_slot(&questions, slot), &good, sizeof(good));
		attack_toggle_start(&toggle,
				    (uint8_t *)ring_slot(&questions, slot) +
					    offsetof(struct ask, announce) + 64,
				    8, 0x01); /* the epoch */
		cr_assert_eq(ring_submit(&questions, 1), KM_OK);
		answer = get();
		attack_toggle_stop(&toggle);
		if (answer.verdict != ASK_ACCEPTED) {
			refused += answer.verdict == ASK_SIGNATURE;
			continue;
		}
		accepted++;
		cr_expect_arr_eq(answer.transcript, transcript, 32);
		cr_expect_arr_eq(answer.secret, secret, 32);
	}
	fprintf(stderr, "accepted %u, refused %u\n", accepted, refused);
	cr_expect_gt(refused, 0, "the thread did not hit");
	cr_expect_leq(stored().count, 1);
	if (accepted > 0)
		cr_expect_leq(stored().identity[0].floor, now_s());
	attack_stop(&keeper);
}

/* Floors: of sessions that the keeper accepted, upwards, and no epoch ever. */
Test(attack_keeper, floors_only_rise, .init = set_up, .fini = tear_down)
{
	uint8_t secret[32];
	struct ask ask = announce_of(&tx, 7, now_s(), secret), raise, old;
	struct ask_answer answer = asked(&ask);
	struct floors f;

	cr_assert_eq(answer.verdict, ASK_ACCEPTED);
	raise = (struct ask){.type = ASK_FLOORS, .session = answer.session, .lanes = 1};
	raise.floor[0].lane = 3;
	raise.floor[0].seq = 1000;
	put(&raise);
	raise.floor[0].seq = 5; /* back */
	put(&raise);
	raise.session++; /* no such session */
	raise.floor[0].seq = WIRE_LANE_FRAMES_MAX - 1;
	put(&raise);
	while (ring_ready(&questions) <
	       (int64_t)ASK_SLOTS) /* a stop does not wait for them */
		clock_sleep_until(clock_mono_ns() + CLOCK_NS_PER_MS / 10);
	attack_stop(&keeper);
	f = stored();
	cr_assert_eq(f.count, 1);
	cr_expect_eq(f.identity[0].floor, answer.epoch);
	cr_expect_eq(f.identity[0].session[0].lanes, 1);
	cr_expect_eq(f.identity[0].session[0].lane[0].seq, 1000);
	attack_free(&keeper);
	start();
	/* the next process knows, and takes nothing older for new */
	old = announce_of(&tx, 7, answer.epoch - 10, secret);
	cr_expect_eq(asked(&old).verdict, ASK_OLD_EPOCH);
	answer = asked(&ask);
	cr_expect_eq(answer.verdict, ASK_ACCEPTED);
	cr_expect_eq(answer.floors, 1);
	cr_expect_eq(answer.floor[0].seq, 1000);
	attack_stop(&keeper);
}

/* Questions without end: bounded, and it stops when told to. */
Test(attack_keeper, flood, .init = set_up, .fini = tear_down)
{
	struct ask ask = {.type = ASK_FLOORS, .lanes = WIRE_LANES_MAX};
	const uint64_t before = attack_memory(&keeper);

	for (unsigned i = 0; i < 100000; i++) {
		ask.session = i;
		while (ring_ready(&questions) == 0)
			clock_sleep_until(clock_mono_ns() + CLOCK_NS_PER_MS / 10);
		put(&ask);
	}
	cr_expect_lt(attack_memory(&keeper), before + (1u << 20) + ATTACK_SLACK);
	cr_expect_lt(attack_lines(&keeper, ""), 20);
	cr_expect_eq(stored().count, 0);
	attack_stop(&keeper);
}
