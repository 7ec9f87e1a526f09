// SPDX-License-Identifier: ISC
#include "stream_role.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "clock.h"
#include "inlet.h"
#include "inlet_cage.h"
#include "lane.h"
#include "log.h"

/* How soon a stop is noticed, and how often counters reach the page. */
#define STREAM_WAIT_NS (50 * CLOCK_NS_PER_MS)
/* When we are to stop: what producers had brought before is taken so long. */
#define STREAM_DRAIN_NS (2 * CLOCK_NS_PER_SEC)

struct stream {
	struct tx_config config;
	struct cage cage;
	struct stats_map stats_map;
	struct stats_writer stats;
	char name[TX_LIVES_MAX * INLET_COUNT][STATS_NAME_MAX];
	struct inlet *inlet[TX_LIVES_MAX];
	unsigned inlets;
	struct pollfd fds[TX_LIVES_MAX * INLET_POLL_MAX];
};

/* "ch7_opened"; a process before us goes on. */
static int claim(struct stream *s, struct km_err *err)
{
	static const char *const rows[] = {INLET_COUNTS(STATS_NAME_ROW)};
	const char *names[TX_LIVES_MAX * INLET_COUNT];
	uint32_t n = 0;

	for (unsigned i = 0; i < s->inlets; i++) {
		for (unsigned row = 0; row < INLET_COUNT; row++, n++) {
			(void)snprintf(s->name[n], STATS_NAME_MAX, "ch%u_%s",
				       s->inlet[i]->conf->number, rows[row]);
			names[n] = s->name[n];
		}
	}
	if (stats_map_rw(&s->stats_map, TX_FD_STATS, err) != 0 ||
	    stats_claim(&s->stats_map, &s->stats, TX_STATS_STREAM, "stream", names, n,
			err) != 0)
		return -1;
	for (uint32_t at = 0; at < n; at++)
		s->inlet[at / INLET_COUNT]->count[at % INLET_COUNT] =
			stats_get(&s->stats, at);
	for (unsigned i = 0; i < s->inlets; i++)
		s->inlet[i]->count[INLET_OPEN] = 0;
	return 0;
}

static int open_inlets(struct stream *s, struct km_err *err)
{
	const uint64_t now_ns = clock_mono_ns();

	for (unsigned i = 0; i < s->config.lives; i++) {
		const struct tx_config_live *conf = &s->config.live[i];
		struct inlet *in;
		uint32_t run;

		if (conf->kind != TX_KIND_STREAM)
			continue;
		in = calloc(1, sizeof(*in));
		if (!in)
			return km_err_set(err, EX_OSERR, "stream: out of memory");
		s->inlet[s->inlets++] = in;
		if (getrandom(&run, sizeof(run), 0) != sizeof(run))
			return km_err_set_errno(err, EX_OSERR, "getrandom");
		inlet_open(in, conf, TX_FD_LISTEN + (int)i, TX_FD_FEED + (int)i, run,
			   now_ns);
	}
	return 0;
}

/* Descriptors that there may be beyond those of the start. */
static size_t late(const struct stream *s)
{
	size_t n = 0;

	for (unsigned i = 0; i < s->inlets; i++)
		n += s->inlet[i]->conf->connections + 1u /* one to be turned away */;
	return n;
}

static int set_up(struct stream *s, struct role_ctx *ctx, struct km_err *err)
{
	char extra[64];

	if (tx_config_for_role(&s->config, TX_FD_CONFIG, ctx->argc, ctx->argv, err) != 0 ||
	    open_inlets(s, err) != 0 || claim(s, err) != 0 ||
	    cage_lay_apart(late(s), err) != 0)
		return -1;
	role_beat_in(ctx, stats_beat_cell(&s->stats_map, TX_STATS_STREAM));
	inlet_cage(&s->cage, &s->config);
	if (role_cage(ctx, &s->cage, err) != 0)
		return -1;
	(void)snprintf(extra, sizeof(extra), "channels %u", s->inlets);
	return role_ready(ctx, extra, err);
}

static void store(struct stream *s)
{
	for (uint32_t i = 0; i < s->inlets * INLET_COUNT; i++)
		stats_set(&s->stats, i, s->inlet[i / INLET_COUNT]->count[i % INLET_COUNT]);
}

/* Waits for what any channel waits for, and gives each its turn. True: something moved. */
static bool turn(struct stream *s, uint64_t until_ns)
{
	unsigned from[TX_LIVES_MAX] = {0}, n = 0;
	bool moved = false;
	uint64_t now_ns = clock_mono_ns();

	for (unsigned i = 0; i < s->inlets; i++) {
		from[i] = n;
		n += inlet_poll(s->inlet[i], s->fds + n, now_ns, &until_ns);
	}
	if (poll(s->fds, n, clock_poll_ms(until_ns)) < 0 && errno != EINTR)
		return false;
	now_ns = clock_mono_ns();
	for (unsigned i = 0; i < s->inlets; i++)
		moved |= inlet_run(s->inlet[i], s->fds + from[i], now_ns);
	return moved;
}

/* What had come before we were told to stop, and the end of every stream. */
static void finish(struct stream *s)
{
	const uint64_t limit_ns = clock_mono_ns() + STREAM_DRAIN_NS;
	bool done = false;

	for (unsigned i = 0; i < s->inlets; i++)
		inlet_stop(s->inlet[i]);
	while (clock_mono_ns() < limit_ns && turn(s, clock_mono_ns()))
		continue;
	while (!done && clock_mono_ns() < limit_ns) {
		done = true;
		for (unsigned i = 0; i < s->inlets; i++)
			done &= inlet_finish(s->inlet[i]);
		if (!done)
			clock_sleep_until(clock_mono_ns() + CLOCK_NS_PER_MS);
	}
}

static int work(struct stream *s, struct role_ctx *ctx)
{
	uint64_t page_ns = 0;

	for (;;) {
		const uint64_t now_ns = clock_mono_ns();

		if (now_ns >= page_ns) {
			page_ns = now_ns + STREAM_WAIT_NS;
			store(s);
			if (role_stop_requested(ctx))
				break;
		}
		(void)turn(s, page_ns);
	}
	finish(s);
	return EX_OK;
}

int stream_main(struct role_ctx *ctx)
{
	static struct stream stream; /* too large for the stack */
	struct km_err err = KM_ERR_INIT;
	int code;

	if (set_up(&stream, ctx, &err) != 0) {
		if (err.code == 0)
			return 0; /* told to stop before work began */
		log_event(EVENT_DAEMON_FAILED, "%s", err.text);
		return err.code;
	}
	code = work(&stream, ctx);
	store(&stream);
	stats_unmap(&stream.stats_map);
	return code;
}
