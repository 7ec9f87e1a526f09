// SPDX-License-Identifier: ISC
#include "listen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "clock.h"
#include "decode_cage.h"
#include "deliver.h"
#include "feed.h"
#include "link_judge.h"
#include "log.h"
#include "rx_config.h"
#include "shm.h"
#include "tally.h"

#define LISTEN_BATCH 64u
#define LISTEN_IDLE_MS 10
/* Drops of the ring are asked for this often: between two steps there is time enough. */
#define LISTEN_DROPS_NS (10 * CLOCK_NS_PER_MS)
#define LISTEN_LOOK_NS (100 * CLOCK_NS_PER_MS)
/* Away from the ring, a stop is looked for in between. */
#define LISTEN_AWAY_SLICE_NS (100 * CLOCK_NS_PER_MS)

struct listen {
	struct role_ctx *ctx;
	struct rx_config config;
	struct cage cage;
	struct intake_plan plan;
	struct shm_map pump, heard;
	struct feed feed, none;
	struct linktest_heard *page;
	struct tally tally;
	uint8_t *bounce; /* pump: a frame, which capture cannot change any more */
	uint16_t ethertype;
	const struct carrier_udp *path; /* framing udp, else NULL */
	uint64_t drops_ns, look_ns;
	uint32_t away_ms; /* wanted by the frames of this batch */
	bool stop;
};

static bool is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static int open_feed(struct listen *l, struct km_err *err)
{
	if (is_socket(RX_FD_INTAKE))
		return feed_ring_open(&l->feed, RX_FD_INTAKE, &l->plan, err);
	if (shm_map(&l->pump, RX_FD_INTAKE, intake_pump_bytes(&l->plan),
		    SHM_MAP_WRITE | SHM_MAP_POPULATE, err) != 0)
		return km_err_prefix(err, "frames from capture");
	l->bounce = malloc(l->plan.frame_max);
	if (!l->bounce)
		return km_err_set(err, EX_OSERR, "out of memory");
	if (feed_pump_open(&l->feed, l->pump.p, l->pump.len, &l->plan, l->bounce) != KM_OK)
		return km_err_set(err, EX_SOFTWARE, "pump ring: cannot be attached");
	return 0;
}

static int set_up(struct listen *l, struct km_err *err)
{
	if (rx_config_for_role(&l->config, RX_FD_CONFIG, l->ctx->argc, l->ctx->argv, err) !=
	    0)
		return -1;
	rx_config_intake_plan(&l->config, &l->plan);
	l->ethertype = l->config.ethertype;
	if (l->config.framing == RX_FRAMING_UDP) {
		l->ethertype = WIRE_ETHERTYPE_IPV4;
		l->path = &l->config.udp;
	}
	if (shm_map(&l->heard, LINKTEST_FD_HEARD, sizeof(*l->page),
		    SHM_MAP_WRITE | SHM_MAP_POPULATE, err) != 0)
		return km_err_prefix(err, "page of results");
	l->page = l->heard.p;
	if (tally_init(&l->tally, l->page) != KM_OK)
		return km_err_set(err, EX_OSERR, "out of memory");
	if (open_feed(l, err) != 0)
		return -1;
	decode_cage(&l->cage, &l->config);
	if (role_cage(l->ctx, &l->cage, err) != 0)
		return -1;
	return role_ready(l->ctx, l->pump.p ? "intake pump" : "intake ring", err);
}

/* One frame, or what a train holds. */
static void take(struct listen *l, const struct feed_frame *frame, uint64_t now_ns)
{
	struct carrier_walk walk;
	struct frame_header h;
	const uint8_t *p;
	size_t len;

	if (link_judge(l->ethertype, l->config.vlan, l->path, frame, &walk) !=
	    CARRIER_OURS) {
		l->page->foreign++;
		return;
	}
	do {
		uint32_t away_ms;

		if (carrier_next(&walk, &h, &p, &len) != KM_OK || h.type != FRAME_TEST) {
			l->page->foreign++;
			continue;
		}
		away_ms = tally_take(&l->tally, &h, p, now_ns);
		if (away_ms > l->away_ms)
			l->away_ms = away_ms;
	} while (walk.left > 0);
}

/* What the ring holds while nobody reads it is what a burst step asks. */
static void stay_away(struct listen *l)
{
	uint64_t until_ns = clock_mono_ns() + l->away_ms * CLOCK_NS_PER_MS, now_ns;

	l->away_ms = 0;
	while (!l->stop && (now_ns = clock_mono_ns()) < until_ns) {
		uint64_t slice_ns = now_ns + LISTEN_AWAY_SLICE_NS;

		clock_sleep_until(slice_ns < until_ns ? slice_ns : until_ns);
		l->stop = role_stop_requested(l->ctx);
	}
}

static void look_around(struct listen *l, uint64_t now_ns)
{
	if (now_ns - l->drops_ns >= LISTEN_DROPS_NS) {
		l->drops_ns = now_ns;
		tally_drops(&l->tally, feed_drops(&l->feed));
	}
	if (now_ns - l->look_ns >= LISTEN_LOOK_NS) {
		l->look_ns = now_ns;
		l->stop = l->stop || role_stop_requested(l->ctx);
	}
}

static void work(struct listen *l)
{
	struct feed_frame frames[LISTEN_BATCH];

	while (!l->stop) {
		uint64_t now_ns = clock_mono_ns();
		unsigned n;

		look_around(l, now_ns);
		n = feed_peek(&l->feed, frames, LISTEN_BATCH);
		for (unsigned i = 0; i < n; i++)
			take(l, &frames[i], now_ns);
		/* before the release: the block in hand stays ours, as with a reader that
		 * was taken off the processor */
		if (l->away_ms)
			stay_away(l);
		if (n)
			feed_release(&l->feed);
		else
			feed_wait(&l->none, &l->feed, LISTEN_IDLE_MS);
	}
	tally_drops(&l->tally, feed_drops(&l->feed));
	tally_end(&l->tally);
}

int listen_main(struct role_ctx *ctx)
{
	static struct listen self;
	struct km_err err = KM_ERR_INIT;

	self.ctx = ctx;
	if (set_up(&self, &err) == 0)
		work(&self);
	else if (err.code != 0)
		/* the last line that this role ever writes */
		log_event(EVENT_DAEMON_FAILED, "%s", err.text);
	tally_free(&self.tally);
	free(self.bounce);
	return err.code;
}
