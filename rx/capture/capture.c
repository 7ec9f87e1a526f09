// SPDX-License-Identifier: ISC
#include "capture.h"

#include <stdio.h>
#include <string.h>

#include "capture_cage.h"
#include "clock.h"
#include "deliver.h"
#include "intake.h"
#include "ipc.h"
#include "link_match.h"
#include "link_packet_ring.h"
#include "link_pcap.h"
#include "link_xdp_port.h"
#include "log.h"
#include "ring.h"
#include "rx_config.h"
#include "shm.h"
#include "stats.h"

#define CAPTURE_STATS(X)                                                                   \
	X(CAPTURE_FRAMES, "frames_pumped")                                                 \
	X(CAPTURE_DROPS, "kernel_drops")                                                   \
	X(CAPTURE_RING_BYTES, "ring_bytes")                                                \
	X(CAPTURE_REALTIME_BYTES, "realtime_ring_bytes")                                   \
	X(CAPTURE_XDP, "af_xdp") /* 1: copies, 2: zero-copy */

enum capture_stat { CAPTURE_STATS(STATS_ENUM_ROW) CAPTURE_STAT_COUNT };
static const char *const capture_stat_names[] = {CAPTURE_STATS(STATS_NAME_ROW)};

struct capture {
	struct rx_config config;
	struct cage cage;
	struct intake_plan plan;
	struct link_match match;
	struct stats_map stats_map;
	struct stats_writer stats;
	bool pump, replay;
	bool xdp, ring; /* what may be tried, in this order; both: auto */
};

static void capture_arguments(struct capture *c, const struct role_ctx *ctx)
{
	const char *intake = "ring";

	for (int i = 0; i < ctx->argc; i++) {
		if (strcmp(ctx->argv[i], "--replay") == 0)
			c->replay = c->pump = true;
		else if (strcmp(ctx->argv[i], "--intake") == 0 && i + 1 < ctx->argc)
			intake = ctx->argv[i + 1];
	}
	c->pump |= strcmp(intake, "pump") == 0;
	c->xdp = strcmp(intake, "xdp") == 0 || strcmp(intake, "auto") == 0;
	c->ring = strcmp(intake, "xdp") != 0;
}

/* MTU smaller than configured: frames would be cut or never come; say it before they don't. */
static int capture_check_mtu(const struct capture *c, uint32_t mtu, struct km_err *err)
{
	if (mtu >= c->config.mtu)
		return 0;
	return km_err_set(err, EX_CONFIG,
			  "interface %s: MTU %u is below the configured %u: "
			  "`ip link set %s mtu %u` or lower `mtu`",
			  c->config.interface, mtu, c->config.mtu, c->config.interface,
			  c->config.mtu);
}

/* What role.ready says of the rings. */
static void capture_describe(const struct capture *c, const struct link_packet_rings *rings,
			     char *text, size_t len)
{
	char second[96] = "realtime_ring = 0";

	if (rings->realtime >= 0)
		snprintf(second, sizeof(second), "realtime ring %u x %u bytes",
			 c->plan.slots, c->plan.slot_bytes);
	else if (rings->refused != 0)
		snprintf(second, sizeof(second),
			 "realtime ring REFUSED (%s): realtime waits for `retire`",
			 strerror(rings->refused));
	snprintf(text, len, "receive ring %u x %u bytes; %s; filters locked",
		 c->plan.blocks, c->plan.block_bytes, second);
}

/* The port is open: gives up what opened it, and waits for the word to go on. */
static int capture_close(struct capture *c, struct role_ctx *ctx, const char *extra,
			 struct km_err *err)
{
	if (sandbox_drop_caps(0, &ctx->sandbox, err) != 0)
		return -1;
	capture_cage(&c->cage, &c->config, c->pump);
	if (role_cage(ctx, &c->cage, err) != 0)
		return -1;
	return role_ready(ctx, extra, err);
}

static int capture_hand_over(struct role_ctx *ctx, const struct link_packet_rings *rings,
			     struct km_err *err)
{
	const int fds[] = {rings->ring, rings->realtime};
	bool both = rings->realtime >= 0;

	if (ipc_send(ctx->control, both ? INTAKE_MSG_SOCKETS : INTAKE_MSG_SOCKET, NULL, 0,
		     fds, both ? 2 : 1, clock_mono_ns() + CLOCK_NS_PER_SEC) != KM_OK)
		return km_err_set(err, EX_OSERR, "the socket could not be handed over");
	return 0;
}

static int capture_ring(struct capture *c, struct role_ctx *ctx, struct km_err *err)
{
	struct link_packet_rings rings;
	char extra[256];
	bool refused;
	int rc;

	if (link_packet_rings_open(&rings, c->config.interface, &c->match, &c->plan,
				   &refused, err) < 0) {
		if (refused)
			err->code = INTAKE_EXIT_REFUSED;
		return -1;
	}
	stats_set(&c->stats, CAPTURE_RING_BYTES,
		  (uint64_t)c->plan.block_bytes * c->plan.blocks);
	if (rings.realtime >= 0)
		stats_set(&c->stats, CAPTURE_REALTIME_BYTES,
			  (uint64_t)c->plan.slot_bytes * c->plan.slots);
	capture_describe(c, &rings, extra, sizeof(extra));
	rc = capture_check_mtu(c, rings.mtu, err);
	if (rc == 0)
		rc = capture_close(c, ctx, extra, err);
	if (rc == 0)
		rc = capture_hand_over(ctx, &rings, err);
	link_packet_rings_close(&rings);
	return rc;
}

static int capture_hand_over_xdp(struct role_ctx *ctx, const struct link_xdp_port *port,
				 struct km_err *err)
{
	const int fds[INTAKE_XDP_FDS] = {port->socket, port->memory, port->program.foreign,
					 port->program.link, port->keeper};

	if (ipc_send(ctx->control, INTAKE_MSG_XDP, NULL, 0, fds, INTAKE_XDP_FDS,
		     clock_mono_ns() + CLOCK_NS_PER_SEC) != KM_OK)
		return km_err_set(err, EX_OSERR, "the socket could not be handed over");
	return 0;
}

/* The open port, closed here in any case: who gets it has its own descriptors. */
static int capture_xdp(struct capture *c, struct role_ctx *ctx, struct link_xdp_port *port,
		       struct km_err *err)
{
	char extra[256];
	int rc;

	stats_set(&c->stats, CAPTURE_RING_BYTES,
		  (uint64_t)c->plan.chunk_bytes * c->plan.chunks);
	stats_set(&c->stats, CAPTURE_XDP, port->zero_copy ? 2 : 1);
	snprintf(extra, sizeof(extra),
		 "AF_XDP, %s, %u x %u bytes; no TX ring; all other frames are dropped",
		 port->zero_copy ? "zero-copy" : "copying, as `capture` asks",
		 c->plan.chunks, c->plan.chunk_bytes);
	rc = capture_check_mtu(c, port->mtu, err);
	if (rc == 0)
		rc = capture_close(c, ctx, extra, err);
	if (rc == 0)
		rc = capture_hand_over_xdp(ctx, port, err);
	link_xdp_port_close(port);
	return rc;
}

/* Auto: AF_XDP only where it wins, that is without copying. */
static int capture_kernel(struct capture *c, struct role_ctx *ctx, struct km_err *err)
{
	struct link_xdp_port port;

	if (!c->xdp)
		return capture_ring(c, ctx, err);
	if (link_xdp_port_open(&port, c->config.interface, &c->match, &c->plan,
			       c->config.vlan != 0, !c->ring, err) == 0)
		return capture_xdp(c, ctx, &port, err);
	if (!c->ring)
		return -1;
	log_event_at(LOG_INFO, EVENT_LINK_BACKEND, "packet ring: %s", err->text);
	*err = (struct km_err)KM_ERR_INIT;
	return capture_ring(c, ctx, err);
}

static int capture_pump_loop(struct capture *c, struct role_ctx *ctx,
			     struct link_pcap *link, struct ring *ring, struct km_err *err)
{
	for (;;) {
		enum link_pcap_result result = link_pcap_pump(link, ring, err);

		stats_set(&c->stats, CAPTURE_FRAMES, link_pcap_frames(link));
		stats_set(&c->stats, CAPTURE_DROPS, link_pcap_drops(link));
		if (result == LINK_PCAP_ERROR)
			return -1;
		if (result == LINK_PCAP_END || role_stop_requested(ctx))
			return 0;
	}
}

static int capture_pump(struct capture *c, struct role_ctx *ctx, struct km_err *err)
{
	struct shm_map map = {0};
	struct ring ring;
	struct link_pcap *link;
	int rc;

	if (shm_map(&map, RX_FD_INTAKE, intake_pump_bytes(&c->plan), SHM_MAP_WRITE, err) <
	    0)
		return km_err_prefix(err, "pump ring");
	if (ring_attach(&ring, map.p, map.len, intake_pump_slot(&c->plan),
			intake_pump_slots(&c->plan), RING_PRODUCER) != KM_OK)
		return km_err_set(err, EX_SOFTWARE, "pump ring: cannot be attached");
	link = c->replay ? link_pcap_open_file(INTAKE_FD_REPLAY, &c->plan, err)
			 : link_pcap_open(c->config.interface, &c->match, &c->plan,
					  c->config.ring_bytes, err);
	if (link == NULL)
		return -1;
	rc = capture_close(c, ctx, c->replay ? "recorded file" : "libpcap", err);
	if (rc == 0)
		rc = capture_pump_loop(c, ctx, link, &ring, err);
	link_pcap_close(link);
	shm_unmap(&map);
	return rc;
}

int capture_main(struct role_ctx *ctx)
{
	static struct capture capture;
	struct km_err err = KM_ERR_INIT;
	int rc;

	capture_arguments(&capture, ctx);
	rc = rx_config_for_role(&capture.config, RX_FD_CONFIG, ctx->argc, ctx->argv, &err);
	if (rc == 0)
		rc = stats_map_rw(&capture.stats_map, RX_FD_STATS, &err);
	if (rc == 0)
		rc = stats_claim(&capture.stats_map, &capture.stats, RX_STATS_CAPTURE,
				 "capture", capture_stat_names, CAPTURE_STAT_COUNT, &err);
	if (rc == 0) {
		role_beat_in(ctx, stats_beat_cell(&capture.stats_map, RX_STATS_CAPTURE));
		rx_config_intake_plan(&capture.config, &capture.plan);
		link_match_init(&capture.match, &capture.config);
		rc = capture.pump ? capture_pump(&capture, ctx, &err)
				  : capture_kernel(&capture, ctx, &err);
	}
	if (rc == 0 || err.code == 0)
		return 0;
	/* The supervisor may go on with libpcap: no failure of the daemon yet. */
	log_event(err.code == INTAKE_EXIT_REFUSED ? EVENT_INTAKE_REFUSED
						  : EVENT_DAEMON_FAILED,
		  "%s", err.text);
	return err.code;
}
