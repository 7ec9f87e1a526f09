// SPDX-License-Identifier: ISC
#include "sink_role.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "deliver.h"
#include "log.h"
#include "rx_config.h"
#include "shm.h"
#include "sink_cage.h"
#include "sink_out.h"

/* How soon a stop is noticed, and how often counters reach the page. */
#define SINK_WAIT_NS (50 * CLOCK_NS_PER_MS)
/* Trouble with a consumer is told at most so often. */
#define SINK_TELL_NS CLOCK_NS_PER_SEC

struct sink {
	struct rx_config config;
	struct cage cage;
	struct shm_map map;
	struct stats_map stats_map;
	struct stats_writer stats;
	char name[SINK_CHANNELS * SINK_COUNT][STATS_NAME_MAX];
	uint64_t told[SINK_CHANNELS]; /* messages in trouble when it was last told */
	uint64_t page_ns, tell_ns;
	struct sink_out out;
};

/* "ch7_sent"; a sink before us goes on. */
static int claim(struct sink *s, struct km_err *err)
{
	static const char *const rows[] = {SINK_COUNTS(STATS_NAME_ROW)};
	const char *names[SINK_CHANNELS * SINK_COUNT];
	uint32_t n = 0;

	for (unsigned i = 0; i < s->config.lives; i++) {
		for (unsigned row = 0; row < SINK_COUNT; row++, n++) {
			(void)snprintf(s->name[n], STATS_NAME_MAX, "ch%u_%s",
				       s->config.live[i].number, rows[row]);
			names[n] = s->name[n];
		}
	}
	if (stats_map_rw(&s->stats_map, RX_FD_STATS, err) != 0 ||
	    stats_claim(&s->stats_map, &s->stats, RX_STATS_SINK, "sink", names, n, err) !=
		    0)
		return -1;
	for (uint32_t at = 0; at < n; at++)
		s->out.count[at / SINK_COUNT][at % SINK_COUNT] = stats_get(&s->stats, at);
	return 0;
}

static uint64_t trouble(const struct sink *s, unsigned i)
{
	const uint64_t *count = s->out.count[i];

	return count[SINK_REFUSED] + count[SINK_BUSY] + count[SINK_FAILED] +
	       count[SINK_NO_ROUTE];
}

static int set_up(struct sink *s, struct role_ctx *ctx, struct km_err *err)
{
	unsigned reached = 0;
	char extra[64];

	if (rx_config_for_role(&s->config, RX_FD_CONFIG, ctx->argc, ctx->argv, err) != 0 ||
	    claim(s, err) != 0 ||
	    shm_map(&s->map, RX_FD_SINK, sink_bytes(), SHM_MAP_WRITE | SHM_MAP_POPULATE,
		    err) != 0)
		return -1;
	role_beat_in(ctx, stats_beat_cell(&s->stats_map, RX_STATS_SINK));
	if (sink_out_attach(&s->out, s->map.p, sink_bytes()) != KM_OK)
		return km_err_set(err, EX_SOFTWARE, "sink: ring with decode refused");
	s->out.channels = s->config.lives;
	for (unsigned i = 0; i < s->out.channels; i++) {
		const int fd = RX_FD_SINK_SOCKET + (int)i;

		s->out.fd[i] = fcntl(fd, F_GETFD) >= 0 ? fd : -1;
		reached += s->out.fd[i] >= 0;
		s->out.headed[i] = rx_kind_has_role((enum rx_kind)s->config.live[i].kind);
		s->told[i] = trouble(s, i);
	}
	(void)snprintf(extra, sizeof(extra), "consumers %u, with a route %u",
		       s->out.channels, reached);
	sink_cage(&s->cage, &s->config, s->out.fd, s->out.channels);
	if (role_cage(ctx, &s->cage, err) != 0)
		return -1;
	return role_ready(ctx, extra, err);
}

static void store(struct sink *s)
{
	for (uint32_t i = 0; i < s->out.channels * SINK_COUNT; i++)
		stats_set(&s->stats, i, s->out.count[i / SINK_COUNT][i % SINK_COUNT]);
}

/* Consumers that did not take everything since the last look. */
static void tell(struct sink *s)
{
	for (unsigned i = 0; i < s->out.channels; i++) {
		const uint64_t *count = s->out.count[i], now = trouble(s, i);

		if (now == s->told[i])
			continue;
		log_event(
			EVENT_SINK_REFUSED,
			"the consumer does not take every message channel=%s times=%" PRIu64
			" refused=%" PRIu64 " busy=%" PRIu64 " failed=%" PRIu64
			" no_route=%" PRIu64 " error=\"%s\"",
			s->config.live[i].name, now - s->told[i], count[SINK_REFUSED],
			count[SINK_BUSY], count[SINK_FAILED], count[SINK_NO_ROUTE],
			s->out.error[i] ? strerrordesc_np(s->out.error[i]) : "");
		s->told[i] = now;
		s->out.error[i] = 0;
	}
}

static int work(struct sink *s, struct role_ctx *ctx)
{
	enum km_rc rc = KM_OK;

	while (rc == KM_OK || rc == KM_ERR_EMPTY) {
		const uint64_t now_ns = clock_mono_ns();

		if (now_ns >= s->page_ns) {
			s->page_ns = now_ns + SINK_WAIT_NS;
			store(s);
			if (role_stop_requested(ctx) && rc == KM_ERR_EMPTY)
				return EX_OK;
		}
		if (now_ns >= s->tell_ns) {
			s->tell_ns = now_ns + SINK_TELL_NS;
			tell(s);
		}
		rc = sink_out_run(&s->out);
		if (rc == KM_ERR_EMPTY &&
		    ring_wait(&s->out.ring, SINK_WAIT_NS) == KM_ERR_STATE)
			rc = KM_ERR_STATE;
	}
	log_event(EVENT_RING_VIOLATION, "impossible message from decode: %s",
		  km_rc_name(rc));
	return EX_PROTOCOL;
}

int sink_main(struct role_ctx *ctx)
{
	static struct sink sink; /* too large for the stack */
	struct km_err err = KM_ERR_INIT;
	int code;

	if (set_up(&sink, ctx, &err) != 0) {
		if (err.code == 0)
			return 0; /* told to stop before work began */
		log_event(EVENT_DAEMON_FAILED, "%s", err.text);
		return err.code;
	}
	code = work(&sink, ctx);
	tell(&sink);
	store(&sink);
	shm_unmap(&sink.map);
	stats_unmap(&sink.stats_map);
	return code;
}
