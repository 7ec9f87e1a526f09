// SPDX-License-Identifier: ISC
#include "sender.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/prctl.h>

#include "clock.h"
#include "frame.h"
#include "lane.h"
#include "lane_in.h"
#include "link_packet.h"
#include "link_udp.h"
#include "link_xdp.h"
#include "log.h"
#include "pace.h"
#include "ring.h"
#include "schedule.h"
#include "sender_cage.h"
#include "shm.h"
#include "stats.h"
#include "tx_config.h"

#define SENDER_STATS(X)                                                                    \
	X(SENDER_FRAMES_SENT, "frames_sent")                                               \
	X(SENDER_BYTES_SENT, "bytes_sent")                                                 \
	X(SENDER_ENOBUFS, "enobufs")                                                       \
	X(SENDER_LINK_ERRORS, "link_errors")                                               \
	X(SENDER_PACKET_STATISTICS, "packet_stats_received")                               \
	X(SENDER_SNDBUF, "send_buffer_bytes")                                              \
	X(SENDER_TRAINS, "trains_sent")	    /* framing udp: messages of several frames */  \
	X(SENDER_TRAINS_ON, "trains_taken") /* 1: the kernel takes them */                 \
	X(SENDER_PROBES, "probes_sent") /* second copies of an announce, not in frames */  \
	X(SENDER_XDP, "af_xdp")		/* 0: packet socket, 1: copies, 2: zero-copy */    \
	X(SENDER_XDP_WAKEUPS, "af_xdp_wakeups")                                            \
	X(SENDER_XDP_REFUSED, "af_xdp_refused") /* frames the device dropped */            \
	X(SENDER_LANE_SENT, "lane0_sent")                                                  \
	X(SENDER_LANE1_SENT, "lane1_sent")                                                 \
	X(SENDER_LANE2_SENT, "lane2_sent")                                                 \
	X(SENDER_LANE3_SENT, "lane3_sent")                                                 \
	X(SENDER_LANE4_SENT, "lane4_sent")                                                 \
	X(SENDER_WORKERS_SENT, "workers_sent") /* frames of the lanes of further workers */

enum sender_stat { SENDER_STATS(STATS_ENUM_ROW) SENDER_STAT_COUNT };
static const char *const sender_stat_names[] = {SENDER_STATS(STATS_NAME_ROW)};

/* A link that is down is tried again this often. */
#define SENDER_DOWN_RETRY_NS (100 * CLOCK_NS_PER_MS)
/* Longest sleep while idle: how soon a stop is noticed. */
#define SENDER_IDLE_NS (50 * CLOCK_NS_PER_MS)
#define SENDER_TICK_NS CLOCK_NS_PER_SEC
/* A stop message is looked for this often: a system call for each batch would cost more than
 * the pacing. */
#define SENDER_LOOK_NS (5 * CLOCK_NS_PER_MS)
/* A stop sends what is still in the rings, for at most this long. */
#define SENDER_DRAIN_NS (2 * CLOCK_NS_PER_SEC)

struct sender {
	struct tx_config config;
	struct cage cage;
	struct lane_plan plan;
	struct shm_map index, slots;
	struct stats_map stats_map;
	struct stats_writer stats;
	struct ring lane[LANE_WORKERS_MAX * LANE_COUNT]; /* by lane_ring() */
	unsigned turn[LANE_COUNT]; /* worker that goes next in its class */
	struct bell *bell;
	struct link_packet link;
	struct link_udp udp; /* framing udp */
	bool is_udp;
	struct link_xdp xdp; /* beside link, which it needs */
	bool is_xdp;
	enum link_udp_trains trains; /* as last told */
	uint32_t head_len;	     /* on the wire before what a slot holds: framing udp */
	struct pace pace;
	struct schedule schedule;
	uint32_t frame_max;
	uint64_t next_tick_ns;
	bool down;
};

static int sender_attach(struct sender *s, struct km_err *err)
{
	size_t ring_bytes;
	struct lane_bells *bells;

	tx_config_lane_plan(&s->config, &s->plan);
	ring_bytes = lane_ring_bytes(&s->plan);
	s->frame_max = tx_config_link_header_len(&s->config) + s->config.mtu;
	if (shm_map(&s->index, TX_FD_LANE_INDEX, lane_index_bytes(&s->plan),
		    SHM_MAP_WRITE | SHM_MAP_POPULATE, err) < 0 ||
	    shm_map(&s->slots, TX_FD_LANE_SLOTS, lane_slots_bytes(&s->plan),
		    SHM_MAP_READ | SHM_MAP_POPULATE, err) < 0)
		return km_err_prefix(err, "lanes");
	bells = lane_index_bells(s->index.p, &s->plan);
	for (unsigned i = 0; i < lane_rings(&s->plan); i++) {
		enum km_rc rc = ring_attach_split(
			&s->lane[i], lane_index_page(s->index.p, i), LANE_PAGE,
			(uint8_t *)s->slots.p + i * ring_bytes, ring_bytes, s->plan.stride,
			s->plan.slots, RING_CONSUMER);

		if (rc != KM_OK)
			return km_err_set(err, EX_SOFTWARE, "lane ring %u refused: %s", i,
					  km_rc_name(rc));
		ring_set_bells(&s->lane[i], &bells->worker[i / LANE_COUNT].bell,
			       &bells->sender.bell);
	}
	s->bell = &bells->sender.bell;
	return 0;
}

/* Framing udp on the open link. */
static void sender_open_udp(struct sender *s)
{
	s->is_udp = s->config.framing == TX_FRAMING_UDP;
	if (!s->is_udp)
		return;
	link_udp_open(&s->udp, &s->link, &s->config);
	s->head_len = link_udp_head_len(&s->udp);
	s->trains = s->config.segmentation ? LINK_UDP_UNTRIED : LINK_UDP_OFF;
}

/* Framing udp: say once what the kernel makes of trains. */
static void sender_tell_trains(struct sender *s)
{
	stats_set(&s->stats, SENDER_TRAINS, s->udp.train_count);
	stats_set(&s->stats, SENDER_TRAINS_ON, s->udp.trains == LINK_UDP_ON);
	stats_set(&s->stats, SENDER_PROBES, s->udp.probes);
	if (s->trains == s->udp.trains)
		return;
	s->trains = s->udp.trains;
	if (s->trains == LINK_UDP_ON)
		log_event(EVENT_LINK_TRAINS,
			  "the kernel takes trains of datagrams interface=%s",
			  s->config.interface);
	else
		log_event(EVENT_LINK_TRAINS,
			  "the kernel refuses trains of datagrams: one at a time from now "
			  "on interface=%s error=\"%s\"",
			  s->config.interface, strerror(s->udp.refused));
}

/* AF_XDP where it is asked for, or wins: without copying. */
static int sender_open_xdp(struct sender *s, struct km_err *err)
{
	const bool force = s->config.backend == TX_BACKEND_XDP;

	s->xdp.fd = -1;
	if (s->is_udp || s->config.backend == TX_BACKEND_PACKET)
		return 0;
	if (link_xdp_open(&s->xdp, &s->link, s->config.interface, s->frame_max, force,
			  err) < 0) {
		if (force)
			return -1;
		log_event_at(LOG_INFO, EVENT_LINK_BACKEND, "packet socket: %s", err->text);
		*err = (struct km_err)KM_ERR_INIT;
		return 0;
	}
	s->is_xdp = true;
	memcpy(s->xdp.frames.head, s->link.head, sizeof(s->link.head));
	s->xdp.frames.head_len = s->link.head_len;
	stats_set(&s->stats, SENDER_XDP, s->xdp.zero_copy ? 2 : 1);
	log_event(EVENT_LINK_BACKEND, "AF_XDP, %s interface=%s",
		  s->xdp.zero_copy ? "zero-copy" : "copying, as `backend` asks",
		  s->config.interface);
	return 0;
}

static int sender_set_up(struct sender *s, struct role_ctx *ctx, struct km_err *err)
{
	struct cores cores;
	char extra[160];

	if (tx_config_for_role(&s->config, TX_FD_CONFIG, ctx->argc, ctx->argv, err) < 0)
		return -1;
	if (stats_map_rw(&s->stats_map, TX_FD_STATS, err) < 0 ||
	    stats_claim(&s->stats_map, &s->stats, TX_STATS_SENDER, "sender",
			sender_stat_names, SENDER_STAT_COUNT, err) < 0)
		return -1;
	role_beat_in(ctx, stats_beat_cell(&s->stats_map, TX_STATS_SENDER));
	if (sender_attach(s, err) < 0)
		return -1;
	if (link_packet_open(&s->link, s->config.interface,
			     tx_config_send_buffer(&s->config), err) < 0)
		return -1;
	if (s->link.mtu < s->config.mtu)
		return km_err_set(err, EX_CONFIG,
				  "interface %s: MTU %u is below the configured %u: "
				  "`ip link set %s mtu %u` or lower `mtu`",
				  s->config.interface, s->link.mtu, s->config.mtu,
				  s->config.interface, s->config.mtu);
	sender_open_udp(s);
	if (!s->is_udp) {
		tx_config_link_header(&s->config, s->link.head);
		s->link.head_len = tx_config_link_header_len(&s->config);
	}
	if (sender_open_xdp(s, err) < 0)
		return -1;
	if (sandbox_drop_caps(0, &ctx->sandbox, err) < 0)
		return -1;
	/* Default slack makes every sleep 50 us late. */
	(void)prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	stats_set(&s->stats, SENDER_SNDBUF, s->link.sndbuf);
	pace_init(&s->pace, s->config.rate_bps, s->frame_max, PACE_BURST_FRAMES,
		  clock_mono_ns());
	schedule_init(&s->schedule, s->frame_max, s->config.guarantee_percent);
	snprintf(extra, sizeof(extra),
		 "link socket deaf (protocol 0, filter locked), send buffer %u%s%s%s",
		 s->link.sndbuf, s->is_udp ? ", framing udp" : "",
		 s->is_udp && !s->config.segmentation ? " without segmentation" : "",
		 s->is_xdp ? ", AF_XDP without RX ring" : "");
	tx_config_cores(&s->config, &cores);
	(void)cores_pin(&cores, TX_SLOT_SENDER);
	sender_cage(&s->cage, &s->config, s->link.fd, s->is_xdp ? s->xdp.fd : -1);
	if (role_cage(ctx, &s->cage, err) < 0 || role_ready(ctx, extra, err) < 0)
		return -1;
	if (s->is_udp)
		sender_tell_trains(s);
	return 0;
}

static enum km_rc sender_hand_over(struct sender *s, const struct iovec *frames, unsigned n,
				   int class, bool announce, unsigned *done)
{
	enum link_udp_how how = class == FRAME_CLASS_REALTIME ? LINK_UDP_SINGLE
				: announce		      ? LINK_UDP_PROBE
							      : LINK_UDP_TRAIN;
	enum km_rc rc;
	int error;

	if (s->is_xdp) {
		rc = link_xdp_send(&s->xdp, frames, n, done);
		stats_set(&s->stats, SENDER_XDP_WAKEUPS, s->xdp.wakeups);
		stats_set(&s->stats, SENDER_XDP_REFUSED, s->xdp.refused);
		return rc;
	}
	if (!s->is_udp)
		return link_packet_send(&s->link, frames, n, done);
	rc = link_udp_send(&s->udp, frames, n, how, done);
	error = errno;
	sender_tell_trains(s);
	errno = error;
	return rc;
}

static void sender_link_down(struct sender *s, bool down)
{
	if (s->down == down)
		return;
	s->down = down;
	if (down)
		log_event(EVENT_LINK_DOWN,
			  "interface is down: nothing is lost, tx waits interface=%s",
			  s->config.interface);
	else
		log_event(EVENT_LINK_UP, "interface is up again interface=%s",
			  s->config.interface);
}

/* Whose lane of the class is next: the workers that have frames take turns. */
static unsigned sender_worker(struct sender *s, int class)
{
	for (unsigned i = 0; i < s->plan.workers; i++) {
		const unsigned worker = (s->turn[class] + i) % s->plan.workers;

		if (ring_ready(&s->lane[lane_ring(worker, (unsigned)class)]) > 0) {
			s->turn[class] = worker + 1;
			return worker;
		}
	}
	return 0; /* a source that took frames back: found by what looks at the ring next */
}

/* Send one batch of one lane of the class. 0, or a sysexits code to leave with. */
static int sender_send(struct sender *s, int class, uint64_t allowance,
		       const bool waiting[LANE_COUNT])
{
	struct iovec frames[LINK_UDP_BATCH];
	const unsigned worker = sender_worker(s, class);
	struct ring *ring = &s->lane[lane_ring(worker, (unsigned)class)];
	uint64_t taken = 0;
	bool announce = false;
	unsigned done;
	enum km_rc rc;
	const struct lane_in_limits limits = {
		.least = s->link.head_len + WIRE_HEADER_LEN,
		.most = s->frame_max - s->head_len,
		.head_len = s->head_len,
		.batch = s->is_udp ? LINK_UDP_BATCH : LINK_PACKET_BATCH,
	};
	int n = lane_in_gather(ring, &s->plan, &limits, allowance, frames, &announce);

	if (n <= 0) {
		log_event(EVENT_RING_VIOLATION,
			  "impossible lane content from source lane=%u",
			  worker * WIRE_LANE_CLASSES + (unsigned)class);
		return EX_PROTOCOL;
	}
	rc = sender_hand_over(s, frames, (unsigned)n, class, announce, &done);
	for (unsigned i = 0; i < done; i++)
		/* done <= n. NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
		taken += s->head_len + frames[i].iov_len;
	pace_sent(&s->pace, taken);
	schedule_sent(&s->schedule, class, taken, waiting);
	stats_add(&s->stats, SENDER_FRAMES_SENT, done);
	stats_add(&s->stats, SENDER_BYTES_SENT, taken);
	stats_add(&s->stats,
		  worker == 0 ? SENDER_LANE_SENT + (uint32_t) class : SENDER_WORKERS_SENT,
		  done);
	stats_set(&s->stats, SENDER_ENOBUFS, s->link.enobufs);
	if (done < (unsigned)n && ring_cancel(ring, (uint32_t)n - done) != KM_OK)
		return EX_PROTOCOL;
	if (done > 0 && ring_release(ring, done) != KM_OK)
		return EX_PROTOCOL;
	sender_link_down(s, rc == KM_ERR_TIMEOUT);
	if (rc == KM_OK)
		return 0;
	stats_add(&s->stats, SENDER_LINK_ERRORS, 1);
	if (rc == KM_ERR_TIMEOUT) {
		clock_sleep_until(clock_mono_ns() + SENDER_DOWN_RETRY_NS);
		return 0;
	}
	log_event(EVENT_LINK_FAILED, "%s interface=%s error=\"%s\"",
		  rc == KM_ERR_LIMIT
			  ? "frame larger than the interface's MTU: raise the interface's "
			    "MTU or lower `mtu`"
			  : "interface is gone or refuses frames",
		  s->config.interface, strerror(errno));
	return rc == KM_ERR_LIMIT ? EX_CONFIG : EX_UNAVAILABLE;
}

/* Which classes have frames now. -1 when a ring is dead. */
static int sender_look(struct sender *s, bool waiting[LANE_COUNT])
{
	int any = 0;

	memset(waiting, 0, LANE_COUNT * sizeof(*waiting));
	for (unsigned i = 0; i < lane_rings(&s->plan); i++) {
		int64_t ready = ring_ready(&s->lane[i]);

		if (ready < 0) {
			log_event(EVENT_RING_VIOLATION,
				  "impossible indices from source worker=%u class=%u",
				  i / LANE_COUNT, i % LANE_COUNT);
			return -1;
		}
		waiting[i % LANE_COUNT] |= ready > 0;
		any |= ready > 0;
	}
	return any;
}

/* Sleep until a class has frames; returns as sender_look(). */
static int sender_idle(struct sender *s, bool waiting[LANE_COUNT])
{
	uint32_t ticket = bell_arm(s->bell);
	int any = sender_look(s, waiting);

	if (any != 0) {
		bell_disarm(s->bell);
		return any;
	}
	(void)bell_sleep(s->bell, ticket, SENDER_IDLE_NS);
	return sender_look(s, waiting);
}

static void sender_tick(struct sender *s, uint64_t now_ns)
{
	uint64_t heard = s->link.heard;

	if (now_ns < s->next_tick_ns)
		return;
	s->next_tick_ns = now_ns + SENDER_TICK_NS;
	link_packet_check_deaf(&s->link);
	if (s->is_xdp)
		s->link.heard += link_xdp_heard(&s->xdp);
	stats_set(&s->stats, SENDER_PACKET_STATISTICS, s->link.heard);
	if (s->link.heard != heard)
		log_event(EVENT_RETURN_SEEN,
			  "the link socket was given frames: this must not happen "
			  "interface=%s frames=%" PRIu64,
			  s->config.interface, s->link.heard);
}

static int sender_loop(struct sender *s, struct role_ctx *ctx)
{
	bool waiting[LANE_COUNT];
	uint64_t stop_ns = CLOCK_NEVER, look_ns = 0;

	for (;;) {
		uint64_t now_ns = clock_mono_ns(), until_ns, most, paced;
		int any, code, class;

		if (now_ns >= s->next_tick_ns || stop_ns != CLOCK_NEVER)
			sender_tick(s, now_ns);
		if (stop_ns == CLOCK_NEVER && now_ns >= look_ns) {
			look_ns = now_ns + SENDER_LOOK_NS;
			if (role_stop_requested(ctx))
				stop_ns = now_ns + SENDER_DRAIN_NS;
		}
		any = sender_look(s, waiting);
		if (any == 0 && stop_ns == CLOCK_NEVER) {
			any = sender_idle(s, waiting);
			pace_idle(&s->pace, clock_mono_ns());
		}
		if (any < 0)
			return EX_PROTOCOL;
		if (stop_ns != CLOCK_NEVER && (any == 0 || now_ns >= stop_ns))
			return 0;
		if (any == 0)
			continue;
		now_ns = clock_mono_ns();
		until_ns = pace_until_ns(&s->pace, now_ns);
		if (until_ns > 0) {
			/* A higher class may arrive meanwhile: look again after the sleep. */
			clock_wait_until(now_ns, until_ns);
			continue;
		}
		class = schedule_pick(&s->schedule, waiting, &most);
		paced = pace_allowance(&s->pace, now_ns);
		code = sender_send(s, class, most < paced ? most : paced, waiting);
		if (code != 0)
			return code;
	}
}

int sender_main(struct role_ctx *ctx)
{
	static struct sender sender;
	struct km_err err = KM_ERR_INIT;
	int code;

	sender.link.fd = -1;
	if (sender_set_up(&sender, ctx, &err) < 0) {
		if (err.code == 0)
			return 0; /* told to stop before work began */
		log_event(EVENT_DAEMON_FAILED, "%s", err.text);
		return err.code;
	}
	code = sender_loop(&sender, ctx);
	link_xdp_close(&sender.xdp);
	link_packet_close(&sender.link);
	return code;
}
