// SPDX-License-Identifier: ISC
/*
 * What a fleet makes of the ends of its roles, with real processes. A plain program and not a
 * Criterion one: it must own main(), because each role is this binary once more.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "fleet.h"
#include "log.h"

#define CHECK(cond)                                                                        \
	do {                                                                               \
		if (!(cond)) {                                                             \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond); \
			exit(1);                                                           \
		}                                                                          \
	} while (0)

/* What one process does: exit with a code at work, or before it is ready; or just its work. */
#define WORKS (-1)
#define REFUSES(code) (1000 + (code))
#define STARTS_MAX 4

static unsigned int events_seen[EVENT_COUNT];

static void catch_line(void *ctx, int level, enum event event, const char *line, size_t len)
{
	events_seen[event]++;
	if (write(STDERR_FILENO, line, len) < 0)
		exit(1);
}

/* ---- the role ---- */

static int role_main(int argc, char **argv)
{
	static const struct cage cage; /* what every role may do, and no file */
	struct km_err err = KM_ERR_INIT;
	struct role_ctx ctx;
	int does;

	if (role_enter(argc, argv, &ctx, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		return err.code;
	}
	does = ctx.argc == 1 ? (int)strtol(ctx.argv[0], NULL, 10) : REFUSES(EX_SOFTWARE);
	if (does >= REFUSES(0))
		return does - REFUSES(0);
	if (role_cage(&ctx, &cage, &err) != 0 || role_ready(&ctx, NULL, &err) != 0)
		return err.code;
	if (does != WORKS)
		return does;
	while (!role_stop_requested(&ctx))
		clock_sleep_until(clock_mono_ns() + CLOCK_NS_PER_MS);
	return 0;
}

/* ---- the daemon ---- */

struct story {
	int does[STARTS_MAX]; /* its n-th process */
	unsigned starts, enough;
	struct fleet fleet;
};

static int spawn(void *ctx, struct role_child *child, struct km_err *err)
{
	struct story *s = ctx;
	char text[16];
	const char *const args[] = {text};
	const struct role_spec spec = {
		.prog = "test", .name = "role", .args = args, .n_args = 1};

	CHECK(s->starts < STARTS_MAX);
	(void)snprintf(text, sizeof(text), "%d", s->does[s->starts++]);
	return role_spawn(&spec, child, err);
}

/* Stops once the last process is at work. */
static int tick(void *ctx, struct fleet *fleet)
{
	const struct story *s = ctx;

	return s->starts == s->enough && fleet->child[0].ready;
}

static int run(struct story *s, bool once)
{
	static const struct fleet_role roles[] = {{"role", 0, spawn, 0}};
	static const uint8_t stop_order[] = {0};
	const struct fleet_plan plan = {
		.roles = roles,
		.n = 1,
		.stop_order = stop_order,
		.stop_ns = 20 * CLOCK_NS_PER_SEC,
		.once = once,
		.tick_ns = 10 * CLOCK_NS_PER_MS,
		.tick = tick,
		.ctx = s,
	};

	memset(events_seen, 0, sizeof(events_seen));
	return fleet_run(&s->fleet, &plan);
}

/* A role at work may say what it likes. */
static void test_no_code_of_a_role_at_work_is_final(void)
{
	static const int codes[] = {EX_USAGE, EX_NOPERM, EX_CONFIG, EX_SOFTWARE, 0, 255};

	for (size_t i = 0; i < KM_COUNT(codes); i++) {
		struct story s = {.does = {codes[i], codes[i], codes[i], WORKS},
				  .enough = 4};

		CHECK(run(&s, false) == 0);
		CHECK(s.starts == 4 && s.fleet.restarts == 3);
		CHECK(s.fleet.history[0].deaths == 3);
		CHECK(s.fleet.history[0].delay_ns == 4 * SUPERVISE_DELAY_MIN_NS);
		CHECK(events_seen[EVENT_ROLE_ALARM] == 1);
		CHECK(events_seen[EVENT_DAEMON_FAILED] == 0);
	}
}

/* Before it is ready, what it says counts: at the first start and at every other. */
static void test_a_set_up_can_be_final(void)
{
	static const int codes[] = {EX_USAGE, EX_NOPERM, EX_CONFIG};

	for (size_t i = 0; i < KM_COUNT(codes); i++) {
		struct story first = {.does = {REFUSES(codes[i])}, .enough = 1};
		struct story later = {.does = {EX_SOFTWARE, REFUSES(codes[i])},
				      .enough = 2};

		CHECK(run(&first, false) == codes[i] && first.starts == 1);
		CHECK(events_seen[EVENT_DAEMON_READY] == 0);
		CHECK(run(&later, false) == codes[i] && later.starts == 2);
		CHECK(events_seen[EVENT_DAEMON_READY] == 1);
	}
}

static void test_another_set_up_is_tried_again(void)
{
	struct story s = {.does = {EX_SOFTWARE, REFUSES(EX_TEMPFAIL), WORKS}, .enough = 3};

	CHECK(run(&s, false) == 0 && s.starts == 3);
}

/* What runs once gives its roles' word on: nothing is started again. */
static void test_once(void)
{
	struct story s = {.does = {EX_NOPERM}, .enough = 2};

	CHECK(run(&s, true) == EX_NOPERM && s.starts == 1);
}

int main(int argc, char **argv)
{
	if (role_wanted(argc, argv))
		return role_main(argc, argv);
	log_init("test");
	log_set_sink(catch_line, NULL);
	test_no_code_of_a_role_at_work_is_final();
	test_a_set_up_can_be_final();
	test_another_set_up_is_tried_again();
	test_once();
	printf("all fleet tests passed\n");
	return 0;
}
