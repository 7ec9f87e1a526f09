// SPDX-License-Identifier: ISC
#include "decode.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "decode_cage.h"
#include "deliver.h"
#include "fec.h"
#include "host.h"
#include "keys.h"
#include "log.h"
#include "rx_config.h"
#include "rx_engine.h"
#include "shm.h"
#include "timing_page.h"

/* Counters reach the page this often, and a stop is noticed. */
#define DECODE_PAGE_NS UINT64_C(100000000)
/* Heap set aside at start: the lane contexts of eight sessions need about a third of it,
 * so that no session makes the heap grow once the role is caged. */
#define DECODE_HEAP_BYTES (4u << 20)
/* When publish is behind, or a recording waits for the keeper. */
#define DECODE_NAP_NS CLOCK_NS_PER_MS
/* With spin: how long to look at the realtime ring alone. The other one's blocks come by
 * the millisecond, and looking at them all the time slows the kernel down. */
#define DECODE_SPIN_NS UINT64_C(50000)
/* A recording is at its end: announces that still wait get this long. */
#define DECODE_END_NS UINT64_C(5000000000)

struct decode {
	struct role_ctx *ctx;
	struct rx_config config;
	struct cage cage;
	struct rx_engine engine;
	struct stats_map stats_map;
	struct stats_writer stats, live;
	struct timing_page timing;
	char live_name[LIVE_CHANNELS * LIVE_COUNT][STATS_NAME_MAX];
	struct shm_map deliver, ask, segment, pump, sink;
	bool is_xdp;	    /* `--intake xdp` */
	bool has_port;	    /* RX_FD_PORT_TX is there */
	uint64_t port_sent; /* of it, last seen */
	uint64_t page_ns, port_ns;
	bool ended; /* the recording, and everything in it is final */
	bool stop;
};

/* One role, one process; 70 KiB that need not be on the stack. */
static struct decode decode_self;

static bool has_argument(const struct role_ctx *ctx, const char *name)
{
	for (int i = 0; i < ctx->argc; i++)
		if (strcmp(ctx->argv[i], name) == 0)
			return true;
	return false;
}

/* ---- set-up ------------------------------------------------------------------------ */

static void make_plan(const struct decode *d, struct rx_engine_plan *plan)
{
	const struct rx_config *c = &d->config;

	memset(plan, 0, sizeof(*plan));
	plan->ethertype = c->ethertype;
	plan->vlan = c->vlan;
	if (c->framing == RX_FRAMING_UDP) {
		plan->udp = true;
		plan->ethertype = WIRE_ETHERTYPE_IPV4;
		plan->path = c->udp;
	}
	plan->hold_bytes = c->hold_bytes;
	plan->silent_ns = c->silent_ns;
	plan->replay = has_argument(d->ctx, "--replay");
	plan->channels = c->channels;
	for (unsigned i = 0; i < c->channels; i++)
		plan->channel[i] = c->channel[i].number;
	/* a recording is looked at: nothing of it goes out by a socket */
	for (unsigned i = 0; i < c->lives && !plan->replay; i++) {
		plan->live_hold_ns[plan->live++] = c->live[i].hold_ns;
		plan->channel[plan->channels++] = c->live[i].number;
	}
	rx_config_segment_plan(c, &plan->segment);
	rx_config_intake_plan(c, &plan->intake);
}

static bool is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static int map_shared(struct decode *d, const struct rx_engine_plan *plan,
		      struct km_err *err)
{
	const unsigned flags = SHM_MAP_WRITE | SHM_MAP_POPULATE | SHM_MAP_NO_DUMP;

	if (shm_map(&d->deliver, RX_FD_DELIVER, deliver_bytes(), flags, err) != 0)
		return km_err_prefix(err, "messages to publish");
	if (shm_map(&d->ask, RX_FD_ASK, ask_bytes(), flags, err) != 0)
		return km_err_prefix(err, "questions to the keeper");
	if (shm_map(&d->segment, RX_FD_SEGMENT, segment_bytes(&plan->segment),
		    flags | SHM_MAP_HUGE_HINT, err) != 0)
		return km_err_prefix(err, "window segment");
	if (plan->live > 0 && shm_map(&d->sink, RX_FD_SINK, sink_bytes(), flags, err) != 0)
		return km_err_prefix(err, "messages to the sink");
	if (!is_socket(RX_FD_INTAKE) &&
	    shm_map(&d->pump, RX_FD_INTAKE, intake_pump_bytes(&plan->intake), flags, err) !=
		    0)
		return km_err_prefix(err, "frames from capture");
	return 0;
}

/*
 * delivery_wait_fn: publish is behind. A timer, not a bell: the ring then holds work of
 * several milliseconds for publish, and a wake-up per released message would only slow it
 * down.
 */
static bool wait_for_publish(void *ctx)
{
	struct decode *d = ctx;

	clock_sleep_until(clock_mono_ns() + DECODE_NAP_NS);
	if (role_stop_requested(d->ctx))
		d->stop = true;
	return !d->stop;
}

/* Frames that our own port has sent: must stay where it was. */
static bool read_port(uint64_t *sent)
{
	char text[32];
	ssize_t n = pread(RX_FD_PORT_TX, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	*sent = strtoull(text, NULL, 10);
	return true;
}

/* The heap grows now, and is never given back: later sessions find it grown. */
static void prepare_heap(void)
{
	(void)mallopt(M_MMAP_MAX, 0);
	(void)mallopt(M_TRIM_THRESHOLD, 64 << 20);
	(void)mallopt(M_TOP_PAD, (int)DECODE_HEAP_BYTES);
	free(malloc(DECODE_HEAP_BYTES));
}

static int open_rings(struct decode *d, const struct rx_engine_plan *plan,
		      struct km_err *err)
{
	const struct feed_xdp_fds fds = {RX_FD_INTAKE, INTAKE_FD_CHUNKS, INTAKE_FD_FOREIGN};

	if (d->is_xdp)
		return feed_xdp_open(&d->engine.feed, &fds, &plan->intake, err);
	if (feed_ring_open(&d->engine.feed, RX_FD_INTAKE, &plan->intake, err) != 0)
		return -1;
	if (!is_socket(INTAKE_FD_REALTIME))
		return 0;
	return feed_slots_open(&d->engine.realtime, INTAKE_FD_REALTIME, &plan->intake, err);
}

static int open_engine(struct decode *d, const struct rx_engine_plan *plan,
		       struct km_err *err)
{
	struct rx_engine_maps maps = {
		.segment = d->segment.p,
		.deliver = d->deliver.p,
		.ask = d->ask.p,
		.pump = d->pump.p,
		.sink = d->sink.p,
	};

	if (rx_engine_init(&d->engine, plan, &maps, wait_for_publish, d, clock_mono_ns(),
			   err) != 0)
		return -1;
	if (!maps.pump && open_rings(d, plan, err) != 0)
		return -1;
	decode_counts_load(&d->engine.counts, &d->stats);
	return 0;
}

/* "ch7_delivered": rows of the live channels; a decode before us goes on. */
static int claim_live(struct decode *d, struct km_err *err)
{
	static const char *const rows[] = {LIVE_COUNTS(STATS_NAME_ROW)};
	const char *names[LIVE_CHANNELS * LIVE_COUNT];
	struct live *live = &d->engine.live;
	uint32_t n = 0;

	for (unsigned i = 0; i < live->channels; i++) {
		for (unsigned row = 0; row < LIVE_COUNT; row++, n++) {
			(void)snprintf(d->live_name[n], STATS_NAME_MAX, "ch%u_%s",
				       live->channel[i].number, rows[row]);
			names[n] = d->live_name[n];
		}
	}
	if (stats_claim(&d->stats_map, &d->live, RX_STATS_LIVE, "live", names, n, err) != 0)
		return km_err_prefix(err, "counters page");
	for (uint32_t at = 0; at < n; at++)
		live->channel[at / LIVE_COUNT].count[at % LIVE_COUNT] =
			stats_get(&d->live, at);
	live->wall_ns = clock_real_ns() - clock_mono_ns();
	return timing_page_claim(&d->timing, &d->stats_map, live, err);
}

static int choose_kernel(const struct rx_config *config, struct fec_choice *choice,
			 struct km_err *err)
{
	const char *name = config->fec_kernel[0] ? config->fec_kernel : "auto";
	int kernel = fec_kernel_from_name(name);

	if (kernel < 0)
		return km_err_set(err, EX_CONFIG, "fec kernel \"%s\" is not known", name);
	if (fec_init((enum fec_kernel)kernel, choice) != FEC_OK)
		return km_err_set(err, EX_UNAVAILABLE, "fec kernel \"%s\": %s", name,
				  choice->why);
	return 0;
}

static const char *describe_realtime(const struct decode *d)
{
	if (d->is_xdp)
		return d->config.spin ? "by the same intake, frame by frame; spin needs a "
					"ring of its own: ignored"
				      : "by the same intake, frame by frame";
	if (d->engine.realtime.form != 0)
		return d->config.spin ? "by a ring of its own, never asleep (spin)"
				      : "by a ring of its own";
	return d->config.spin ? "by the same intake; spin needs a ring of its own: ignored"
			      : "by the same intake";
}

static int set_up(struct decode *d, struct km_err *err)
{
	struct rx_engine_plan plan;
	struct fec_choice choice;
	const char *intake;
	struct cores cores;
	char extra[320];

	if (rx_config_for_role(&d->config, RX_FD_CONFIG, d->ctx->argc, d->ctx->argv, err) !=
	    0)
		return -1;
	if (stats_map_rw(&d->stats_map, RX_FD_STATS, err) != 0 ||
	    stats_claim(&d->stats_map, &d->stats, RX_STATS_DECODE, "decode",
			decode_count_names, COUNT_ROWS, err) != 0)
		return km_err_prefix(err, "counters page");
	role_beat_in(d->ctx, stats_beat_cell(&d->stats_map, RX_STATS_DECODE));
	if (keys_init(err) != 0 || choose_kernel(&d->config, &choice, err) != 0)
		return -1;
	make_plan(d, &plan);
	intake = host_arg(d->ctx->argc, d->ctx->argv, "--intake");
	d->is_xdp = intake && strcmp(intake, "xdp") == 0;
	prepare_heap();
	if (map_shared(d, &plan, err) != 0 || open_engine(d, &plan, err) != 0 ||
	    claim_live(d, err) != 0)
		return -1;
	d->has_port = read_port(&d->port_sent);
	(void)snprintf(extra, sizeof(extra),
		       "pool %" PRIu32 " slots of %" PRIu32 " bytes; memory %" PRIu64
		       " MiB; intake %s; realtime %s; fec %s",
		       plan.segment.slots, plan.segment.stride, d->engine.rss_plan >> 20,
		       d->pump.p   ? "pump"
		       : d->is_xdp ? "AF_XDP"
				   : "ring",
		       describe_realtime(d), fec_kernel_name(fec_kernel_now()));
	rx_config_cores(&d->config, &cores);
	(void)cores_pin(&cores, RX_SLOT_DECODE);
	decode_cage(&d->cage, &d->config);
	if (role_cage(d->ctx, &d->cage, err) != 0)
		return -1;
	return role_ready(d->ctx, extra, err);
}

/* ---- work -------------------------------------------------------------------------- */

/* A decode before this one may have messages with publish that point into the segment. */
static void wait_for_old_messages(struct decode *d)
{
	struct delivery *dv = &d->engine.delivery;

	while (!d->stop && delivery_released(dv) != delivery_head(dv))
		(void)wait_for_publish(d);
}

static void look_at_port(struct decode *d, uint64_t now_ns)
{
	uint64_t sent;

	if (!d->has_port || now_ns - d->port_ns < CLOCK_NS_PER_SEC)
		return;
	d->port_ns = now_ns;
	if (!read_port(&sent) || sent <= d->port_sent)
		return;
	d->engine.counts.v[COUNT_TX_PACKETS] += sent - d->port_sent;
	delivery_note(&d->engine.delivery, DELIVER_ALARM_SEEN_SENDING, sent - d->port_sent);
	d->port_sent = sent;
}

static void store_counts(struct decode *d)
{
	struct rx_engine *e = &d->engine;

	rx_engine_gauges(e);
	e->counts.v[COUNT_LAST_FRAME_NS] =
		e->counts.v[COUNT_OPENED]
			? clock_real_ns() - (e->now_ns - e->sessions.heard_ns)
			: 0;
	decode_counts_store(&e->counts, &d->stats);
	for (uint32_t i = 0; i < e->live.channels * LIVE_COUNT; i++)
		stats_set(&d->live, i,
			  e->live.channel[i / LIVE_COUNT].count[i % LIVE_COUNT]);
	timing_page_show(&d->timing, &e->live, e->now_ns);
	e->live.wall_ns = clock_real_ns() - clock_mono_ns();
}

/* The recording is at its end: answers still to come, then everything is final. */
static void end_recording(struct decode *d)
{
	struct rx_engine *e = &d->engine;
	uint64_t until_ns = clock_mono_ns() + DECODE_END_NS;

	while (!d->stop && asker_waiting(&e->asker) && clock_mono_ns() < until_ns) {
		(void)wait_for_publish(d);
		(void)rx_engine_step(e, clock_mono_ns());
	}
	rx_engine_stop(e, true);
	d->ended = true;
}

static void work(struct decode *d)
{
	struct rx_engine *e = &d->engine;

	wait_for_old_messages(d);
	rx_engine_begin(e);
	while (!d->stop && !e->delivery.gave_up) {
		uint64_t now_ns = clock_mono_ns();
		unsigned frames = rx_engine_step(e, now_ns);

		if (now_ns - d->page_ns >= DECODE_PAGE_NS) {
			d->page_ns = now_ns;
			look_at_port(d, now_ns);
			store_counts(d);
			d->stop = d->stop || role_stop_requested(d->ctx);
		}
		if (frames)
			continue;
		/* then the supervisor sees by the counters that nothing is open, and
		 * stops us */
		if (e->feed.ended && !d->ended)
			end_recording(d);
		else if (d->ended || (e->plan.replay && asker_waiting(&e->asker)))
			clock_sleep_until(now_ns + DECODE_NAP_NS);
		else if (d->config.spin && e->realtime.form != 0)
			feed_slots_spin(&e->realtime, DECODE_SPIN_NS);
		else
			feed_wait(&e->realtime, &e->feed, rx_engine_idle_ms(e));
	}
	if (d->stop)
		rx_engine_stop(e, false);
	store_counts(d);
}

int decode_main(const struct role_ctx *ctx)
{
	struct decode *d = &decode_self;
	struct role_ctx own = *ctx;
	struct km_err err = KM_ERR_INIT;
	bool dead;

	d->ctx = &own;
	if (set_up(d, &err) != 0) {
		/* the last line that decode ever writes */
		if (err.code != 0)
			log_event(EVENT_DAEMON_FAILED, "%s", err.text);
		return err.code;
	}
	work(d);
	/* the ring says impossible things: the supervisor ends the pair */
	dead = d->engine.delivery.ring.dead;
	rx_engine_free(&d->engine);
	return dead ? EX_SOFTWARE : EX_OK;
}
