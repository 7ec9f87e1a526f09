// SPDX-License-Identifier: ISC
#include "rx_supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "deliver.h"
#include "fleet.h"
#include "keys_roll.h"
#include "log.h"
#include "metrics.h"
#include "return_watch.h"
#include "rx_dial.h"
#include "rx_intake.h"
#include "rx_reload.h"
#include "rx_shared.h"
#include "rx_sockets.h"
#include "shm.h"
#include "stats.h"

enum {
	ROLE_KEEPER,
	ROLE_SCAN,
	ROLE_PUBLISH,
	ROLE_SINK,
	ROLE_CAPTURE,
	ROLE_DECODE,
	ROLE_STATE,
	ROLE_STREAM,
	ROLE_COUNT
};
#define BIT(role) (UINT32_C(1) << (role))

/* publish may have a large object to sync before it ends. */
#define STOP_NS (30 * CLOCK_NS_PER_SEC)

/* Replay: how often to look, and how long decode may still wait for windows to end. */
#define REPLAY_TICK_NS (50 * CLOCK_NS_PER_MS)
#define REPLAY_QUIET_NS (1500 * CLOCK_NS_PER_MS)
#define REPLAY_LIMIT_NS (6 * CLOCK_NS_PER_SEC)

#define SUPERVISOR_STATS(X)                                                                \
	X(STAT_PORT_SENT, "port_sent")	       /* frames since the daemon started: 0 */    \
	X(STAT_PORT_RECEIVED, "port_received") /* frames of the interface, ours or not */  \
	X(STAT_ROLE_RESTARTS, "role_restarts")                                             \
	X(STAT_ROLES_DOWN, "roles_down")                                                   \
	X(STAT_LINK_UP, "link_up")                                                         \
	X(STAT_LINK_CHANGES, "link_changes") /* the interface went away or came back */    \
	X(STAT_MTU, "mtu")                                                                 \
	X(STAT_PERMISSIVE, "permissive")   /* 1: sandbox = permissive */                   \
	X(STAT_INTAKE_PUMP, "intake_pump") /* 1: libpcap serves, not the ring */           \
	X(STAT_INTAKE_XDP, "intake_xdp")   /* 1: AF_XDP does */

enum supervisor_stat { SUPERVISOR_STATS(STATS_ENUM_ROW) SUPERVISOR_STAT_COUNT };
static const char *const supervisor_stat_names[] = {SUPERVISOR_STATS(STATS_NAME_ROW)};

struct rx_supervisor {
	const struct rx_config *config;
	const char *path, *bytes; /* of the file of config */
	size_t len;
	bool reload; /* the keeper that is spawned takes over from one at work */
	struct host_interface port;
	bool gone; /* the interface is not there now */
	uid_t uid;
	gid_t gid;
	uid_t scan_uid;
	gid_t scan_gid;
	int scan[2]; /* scan.h: publish's end, and role scan's; -1: no channel scans */
	struct rx_shared shared;
	struct rx_intake intake;
	struct rx_sockets sockets; /* of the sink */
	struct rx_dial dial;	   /* of stream's consumers */
	int fd_config, fd_stats, fd_pid;
	int fd_keys;		  /* the keeper's roll */
	int fd_sent, fd_received; /* counters of the port */
	struct return_watch sent; /* since sent_base */
	uint64_t sent_base;
	bool blind; /* the counter cannot be read */
	struct stats_map stats_map;
	struct stats_writer stats;
	char mtu_text[16];
	bool replay;
	uint64_t drained_ns; /* replay: when the last frame had been taken; 0 = not yet */
	bool decode_asked;
	struct sandbox_report sandbox;
	struct notify notify;
	struct metrics metrics;
	uint64_t caps; /* what we hold */
};

/* EXTRA: one more argument, or NULL. */
static int spawn_role(struct rx_supervisor *s, const char *name, const char *extra,
		      const struct role_fd *fds, size_t n_fds, struct role_child *child,
		      struct km_err *err)
{
	const char *const args[] = {"--mtu", s->mtu_text, extra};
	const struct role_spec spec = {
		.prog = "katamichi-rx",
		.name = name,
		.plan = {.uid = s->uid, .gid = s->gid},
		.fds = fds,
		.n_fds = n_fds,
		.args = args,
		.n_args = KM_COUNT(args) - !extra,
	};

	return role_spawn(&spec, child, err);
}

static int spawn_keeper(void *ctx, struct role_child *child, struct km_err *err)
{
	struct rx_supervisor *s = ctx;
	const char *extra = s->replay ? "--replay" : s->reload ? "--reload" : NULL;
	const struct role_fd fds[] = {
		{s->fd_config, RX_FD_CONFIG},
		{s->fd_stats, RX_FD_STATS},
		{s->shared.fd_ask, RX_FD_ASK},
		{s->fd_keys, RX_FD_KEYS},
	};

	return spawn_role(s, "keeper", extra, fds, KM_COUNT(fds), child, err);
}

/* Of a user of its own. Both ends stay ours: whoever of the two is started again finds the other
 * where it was. */
static int spawn_scan(void *ctx, struct role_child *child, struct km_err *err)
{
	struct rx_supervisor *s = ctx;
	const char *const args[] = {"--mtu", s->mtu_text};
	const struct role_fd fds[] = {
		{s->fd_config, RX_FD_CONFIG},
		{s->fd_stats, RX_FD_STATS},
		{s->scan[1], RX_FD_SCAN},
	};
	const struct role_spec spec = {
		.prog = "katamichi-rx",
		.name = "scan",
		.plan = {.uid = s->scan_uid, .gid = s->scan_gid},
		.fds = fds,
		.n_fds = KM_COUNT(fds),
		.args = args,
		.n_args = KM_COUNT(args),
	};

	if (!rx_config_scans(s->config))
		return 0; /* nothing to look at */
	return role_spawn(&spec, child, err);
}

static int spawn_publish(void *ctx, struct role_child *child, struct km_err *err)
{
	struct rx_supervisor *s = ctx;
	const struct role_fd fds[] = {
		{s->fd_config, RX_FD_CONFIG},
		{s->fd_stats, RX_FD_STATS},
		{s->shared.fd_deliver, RX_FD_DELIVER},
		{s->shared.fd_segment_ro, RX_FD_SEGMENT},
		{s->scan[0], RX_FD_SCAN}, /* last: may be missing */
	};

	return spawn_role(s, "publish", s->replay ? "--replay" : NULL, fds,
			  KM_COUNT(fds) - (s->scan[0] < 0), child, err);
}

static int spawn_sink(void *ctx, struct role_child *child, struct km_err *err)
{
	struct rx_supervisor *s = ctx;
	struct role_fd fds[3 + RX_LIVES_MAX] = {
		{s->fd_config, RX_FD_CONFIG},
		{s->fd_stats, RX_FD_STATS},
		{s->shared.fd_sink, RX_FD_SINK},
	};
	size_t n = 3;

	if (s->replay || s->config->lives == 0)
		return 0; /* nothing to send, or nothing that may be sent */
	rx_sockets_open(&s->sockets, s->config);
	for (unsigned i = 0; i < s->sockets.count; i++)
		if (s->sockets.sink[i] >= 0)
			fds[n++] = (struct role_fd){s->sockets.sink[i],
						    RX_FD_SINK_SOCKET + (int)i};
	return spawn_role(s, "sink", NULL, fds, n, child, err);
}

/* The role of KIND: where its messages come, where its consumers do, and FD under the number TARGET
 * (-1: none). */
static int spawn_kind(struct rx_supervisor *s, enum rx_kind kind, int fd, int target,
		      struct role_child *child, struct km_err *err)
{
	struct role_fd fds[3 + 2 * RX_LIVES_MAX] = {
		{s->fd_config, RX_FD_CONFIG},
		{s->fd_stats, RX_FD_STATS},
		{fd, target},
	};
	size_t n = fd < 0 ? 2 : 3;

	for (unsigned i = 0; i < s->sockets.count; i++) {
		if (s->config->live[i].kind != kind)
			continue;
		fds[n++] = (struct role_fd){s->sockets.feed[i], RX_FD_FEED + (int)i};
		if (s->sockets.listen[i] >= 0)
			fds[n++] = (struct role_fd){s->sockets.listen[i],
						    RX_FD_LISTEN + (int)i};
	}
	return spawn_role(s, rx_kind_name(kind), NULL, fds, n, child, err);
}

static int spawn_state(void *ctx, struct role_child *child, struct km_err *err)
{
	struct rx_supervisor *s = ctx;

	if (s->replay || rx_config_count(s->config, RX_KIND_STATE) == 0)
		return 0;
	return spawn_kind(s, RX_KIND_STATE, -1, -1, child, err);
}

static int spawn_stream(void *ctx, struct role_child *child, struct km_err *err)
{
	struct rx_supervisor *s = ctx;

	if (s->replay || rx_config_count(s->config, RX_KIND_STREAM) == 0)
		return 0;
	if (rx_dial_renew(&s->dial, err) != 0)
		return -1;
	return spawn_kind(s, RX_KIND_STREAM, s->dial.pair[1], RX_FD_DIAL, child, err);
}

static int spawn_capture(void *ctx, struct role_child *child, struct km_err *err)
{
	struct rx_supervisor *s = ctx;

	if (s->intake.pump)
		return rx_intake_spawn_pump(&s->intake, child, err);
	/* ring form: capture comes and goes whenever decode needs a socket */
	return 0;
}

static int spawn_decode(void *ctx, struct role_child *child, struct km_err *err)
{
	struct rx_supervisor *s = ctx;
	struct rx_intake_sockets sockets = RX_INTAKE_SOCKETS_INIT;
	int rc;

	if (!s->intake.pump && rx_intake_take_sockets(&s->intake, &sockets, err) != 0)
		return -1;
	stats_set(&s->stats, STAT_INTAKE_XDP, s->intake.xdp);
	const char *const args[] = {"--mtu", s->mtu_text, "--intake",
				    rx_intake_name(&s->intake), "--replay"};
	struct role_fd fds[11] = {
		{s->fd_config, RX_FD_CONFIG},
		{s->fd_stats, RX_FD_STATS},
		{s->intake.pump ? s->intake.fd_pump : sockets.ring, RX_FD_INTAKE},
		{s->shared.fd_ask, RX_FD_ASK},
		{s->shared.fd_deliver, RX_FD_DELIVER},
		{s->shared.fd_segment, RX_FD_SEGMENT},
	};
	struct role_spec spec = {
		.prog = "katamichi-rx",
		.name = "decode",
		.plan = {.uid = s->uid, .gid = s->gid},
		.fds = fds,
		.n_fds = 6,
		.args = args,
		.n_args = s->replay ? 5 : 4,
	};

	/* these may be missing */
	if (s->shared.fd_sink >= 0)
		fds[spec.n_fds++] = (struct role_fd){s->shared.fd_sink, RX_FD_SINK};
	if (s->fd_sent >= 0)
		fds[spec.n_fds++] = (struct role_fd){s->fd_sent, RX_FD_PORT_TX};
	if (sockets.realtime >= 0)
		fds[spec.n_fds++] = (struct role_fd){sockets.realtime, INTAKE_FD_REALTIME};
	if (sockets.chunks >= 0)
		fds[spec.n_fds++] = (struct role_fd){sockets.chunks, INTAKE_FD_CHUNKS};
	if (sockets.foreign >= 0)
		fds[spec.n_fds++] = (struct role_fd){sockets.foreign, INTAKE_FD_FOREIGN};
	rc = role_spawn(&spec, child, err);
	rx_intake_sockets_close(&sockets);
	return rc;
}

/* Once the intake is chosen: what AF_XDP would have taken goes where it does not serve. */
static int keep_rights(struct rx_supervisor *s, struct km_err *err)
{
	const uint64_t caps = rx_intake_caps(&s->intake);

	if (caps == s->caps)
		return 0;
	s->caps = caps;
	return fleet_give_up_more(caps, &s->sandbox, err);
}

/*
 * Whoever died alone finds its rings as they are and goes on. Only when everything starts
 * (the first time, or because what is shared may be damaged) do they begin empty. Whether
 * the kernel gives a ring is tried here, once, so that capture and decode agree.
 */
static int prepare(void *ctx, uint32_t mask, struct km_err *err)
{
	struct rx_supervisor *s = ctx;

	if (mask == BIT(ROLE_COUNT) - 1) {
		if (rx_shared_format(&s->shared, err) != 0 ||
		    rx_intake_choose(&s->intake, err) != 0)
			return -1;
		stats_set(&s->stats, STAT_INTAKE_PUMP, s->intake.pump);
		return keep_rights(s, err);
	}
	return 0;
}

static void open_counters(struct rx_supervisor *s)
{
	km_close(&s->fd_sent);
	km_close(&s->fd_received);
	if (s->replay)
		return;
	s->fd_sent = host_open_counter(s->config->interface, "tx_packets");
	s->fd_received = host_open_counter(s->config->interface, "rx_packets");
	s->sent = (struct return_watch){0};
	if (!host_read_counter(s->fd_sent, &s->sent_base))
		s->sent_base = 0;
}

static void tell_blind(struct rx_supervisor *s)
{
	if (!s->blind && !s->gone)
		log_event(
			EVENT_RETURN_UNWATCHED,
			"interface %s: its counter of frames sent cannot be read, so that "
			"nobody sees what this host sends by it: mount sysfs on /sys and "
			"start again",
			s->config->interface);
	s->blind = true;
}

/* The interface may be taken away and made again under us: another index, other counters. */
static void watch_link(struct rx_supervisor *s, struct fleet *fleet)
{
	const uint32_t mask = s->intake.pump ? BIT(ROLE_CAPTURE) : BIT(ROLE_DECODE);
	struct host_interface now;
	int rc = host_find_interface(s->config->interface, &now, NULL);

	stats_set(&s->stats, STAT_LINK_UP, rc == 0 && now.up);
	if (rc != 0) {
		if (!s->gone) {
			s->gone = true;
			fleet->held |= mask;
			stats_add(&s->stats, STAT_LINK_CHANGES, 1);
			log_event(EVENT_LINK_GONE,
				  "interface %s has disappeared; nothing comes until it is "
				  "back",
				  s->config->interface);
		}
		return;
	}
	if (!s->gone && now.index == s->port.index)
		return;
	fleet->held &= ~mask;
	s->gone = false;
	s->port = now;
	open_counters(s);
	stats_add(&s->stats, STAT_LINK_CHANGES, 1);
	log_event(EVENT_LINK_BACK, "interface %s is there (again) index=%u mtu=%" PRIu32,
		  s->config->interface, now.index, now.mtu);
	fleet_restart(fleet, mask, "new interface: it is captured afresh");
}

/* Nothing may ever leave by the diode port. */
static void watch_return(struct rx_supervisor *s)
{
	uint64_t sent;

	if (!host_read_counter(s->fd_sent, &sent)) {
		tell_blind(s);
		return;
	}
	s->blind = false;
	sent -= s->sent_base;
	stats_set(&s->stats, STAT_PORT_SENT, sent);
	switch (return_watch_note(&s->sent, sent, clock_mono_ns())) {
	case RETURN_BEGINS:
		log_event(EVENT_RETURN_SEEN,
			  "interface %s sent frames: something on this host uses the diode "
			  "port; load the egress rule, and see `katamichi-rx oneway-check` "
			  "frames=%" PRIu64,
			  s->config->interface, sent);
		break;
	case RETURN_ENDS:
		log_event(EVENT_RETURN_ENDED,
			  "interface %s has sent nothing for a minute frames=%" PRIu64,
			  s->config->interface, sent);
		break;
	case RETURN_SAME:
		break;
	}
}

static int tick(void *ctx, struct fleet *fleet)
{
	struct rx_supervisor *s = ctx;
	uint64_t received;

	watch_link(s, fleet);
	watch_return(s);
	if (rx_sockets_watch(&s->sockets, s->config))
		fleet_restart(fleet, BIT(ROLE_SINK), "a consumer can be reached now");
	if (host_read_counter(s->fd_received, &received))
		stats_set(&s->stats, STAT_PORT_RECEIVED, received);
	stats_set(&s->stats, STAT_ROLE_RESTARTS, fleet->restarts);
	stats_set(&s->stats, STAT_ROLES_DOWN, (uint64_t)__builtin_popcount(fleet->down));
	metrics_tick(&s->metrics, &s->stats_map, clock_mono_ns());
	return 0;
}

/*
 * The file has been read to its end, decode has taken every frame and closed its windows (or
 * had its time), publish has released every message: then everything ends in order.
 */
static int tick_replay(void *ctx, struct fleet *fleet)
{
	struct rx_supervisor *s = ctx;
	uint64_t now_ns = clock_mono_ns(), open = 0, scanning = 0;
	bool waited;

	if (fleet->child[ROLE_CAPTURE].pid != 0 || !rx_intake_drained(&s->intake))
		return 0;
	if (s->drained_ns == 0)
		s->drained_ns = now_ns;
	(void)stats_find(&s->stats_map, "decode", "windows_open", &open);
	(void)stats_find(&s->stats_map, "publish", "scan_waiting", &scanning);
	waited = now_ns - s->drained_ns >= (open == 0 ? REPLAY_QUIET_NS : REPLAY_LIMIT_NS);
	if (fleet->child[ROLE_DECODE].pid != 0) {
		if (waited)
			role_ask_stop(&fleet->child[ROLE_DECODE]);
		return 0;
	}
	/* what stands at the door has its answer within scan_timeout */
	return rx_shared_delivered(&s->shared) && scanning == 0 ? 1 : 0;
}

/*
 * Other keys: a keeper that has them takes the old one's place at the rings with decode, which ends
 * the sessions of those who are trusted no more. publish reads keys only when it starts; what
 * decode has for it waits meanwhile.
 */
static int take_keys(struct rx_supervisor *s, struct fleet *fleet, struct km_err *err)
{
	const int before = s->fd_config;
	char *bytes;
	int fresh, rc;
	size_t len;

	if (rx_reload_config(s->path, s->bytes, s->len, &bytes, &len, err) != 0)
		return -1;
	fresh = host_seal_bytes("rx-config", bytes, len, err);
	free(bytes);
	if (fresh < 0)
		return -1;
	s->fd_config = fresh;
	s->reload = true;
	rc = fleet_replace(fleet, ROLE_KEEPER, err);
	s->fd_config = before;
	s->reload = false;
	/* under the old number, which others know too */
	if (rc == 0 && dup3(fresh, before, O_CLOEXEC) < 0)
		rc = km_err_set_errno(err, EX_OSERR, "the new configuration");
	(void)close(fresh);
	if (rc == 0)
		fleet_restart(fleet, BIT(ROLE_PUBLISH),
			      "other keys: publish reads them afresh");
	return rc;
}

/* Role stream wants ways to its consumers. */
static void answer(void *ctx, struct fleet *fleet)
{
	struct rx_supervisor *s = ctx;

	if (rx_dial_answer(&s->dial, s->config) != 0) {
		rx_dial_close(&s->dial);
		fleet_restart(fleet, BIT(ROLE_STREAM),
			      "stream asked for what is not its own");
	}
}

static void reload(void *ctx, struct fleet *fleet)
{
	struct km_err err = KM_ERR_INIT;

	if (take_keys(ctx, fleet, &err) != 0 && err.code != 0)
		log_event(EVENT_RELOAD_REFUSED, "%s; the keys in force stay", err.text);
}

static int make_dirs(struct rx_supervisor *s, struct km_err *err)
{
	const struct rx_config *c = s->config;
	char path[RX_PATH_LEN + 16];

	if (host_make_dir(c->run_dir, 0755, 0, 0, err) != 0 ||
	    host_make_dir(c->state_dir, 0700, s->uid, s->gid, err) != 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/keeper", c->state_dir);
	if (host_make_dir(path, 0700, s->uid, s->gid, err) != 0)
		return -1;
	for (unsigned i = 0; i < c->channels; i++)
		if (host_make_dir(c->channel[i].root, c->channel[i].dir_mode, s->uid,
				  s->gid, err) != 0)
			return km_err_prefix(err, "channel %s", c->channel[i].name);
	for (unsigned i = 0; i < c->lives; i++) {
		const char *slash = strrchr(c->live[i].file, '/');

		if (!slash || slash == c->live[i].file)
			continue;
		(void)snprintf(path, sizeof(path), "%.*s", (int)(slash - c->live[i].file),
			       c->live[i].file);
		if (host_make_dir(path, 0755, s->uid, s->gid, err) != 0)
			return km_err_prefix(err, "channel %s", c->live[i].name);
	}
	return 0;
}

static int make_stats(struct rx_supervisor *s, struct km_err *err)
{
	char path[RX_PATH_LEN + 16];

	(void)snprintf(path, sizeof(path), "%s/stats", s->config->run_dir);
	s->fd_stats = stats_create(path, RX_STATS_ROLES, err);
	if (s->fd_stats < 0 || stats_map_rw(&s->stats_map, s->fd_stats, err) != 0 ||
	    stats_claim(&s->stats_map, &s->stats, RX_STATS_SUPERVISOR, "supervisor",
			supervisor_stat_names, SUPERVISOR_STAT_COUNT, err) != 0)
		return -1;
	stats_set(&s->stats, STAT_MTU, s->config->mtu);
	stats_set(&s->stats, STAT_PERMISSIVE, s->config->permissive);
	return 0;
}

/* The roles' user, and that of role scan where it is another one. */
static int find_users(struct rx_supervisor *s, struct km_err *err)
{
	const struct rx_config *c = s->config;

	if (c->user[0] != '\0' && role_find_user(c->user, &s->uid, &s->gid, err) != 0)
		return -1;
	s->scan_uid = s->uid;
	s->scan_gid = s->gid;
	if (c->scan_user[0] == '\0')
		return 0;
	return role_find_user(c->scan_user, &s->scan_uid, &s->scan_gid, err);
}

static int set_up(struct rx_supervisor *s, const void *bytes, size_t len, int replay_fd,
		  struct km_err *err)
{
	if (!s->replay)
		s->metrics = (struct metrics){s->config->metrics, "katamichi_rx", 0, false};
	if (!s->replay && notify_open(&s->notify, err) != 0)
		return -1;
	if (find_users(s, err) != 0 || make_dirs(s, err) != 0)
		return -1;
	if (rx_config_scans(s->config) && ipc_pair(s->scan, err) != 0)
		return -1;
	if (!s->replay &&
	    (rx_sockets_make(&s->sockets, s->config, s->uid, s->gid, err) != 0 ||
	     rx_dial_prepare(s->config, s->uid, s->gid, err) != 0))
		return -1;
	s->fd_pid = host_lock_pid(s->config->run_dir, err);
	if (s->fd_pid < 0)
		return -1;
	s->fd_config = host_seal_bytes("rx-config", bytes, len, err);
	s->fd_keys = shm_create("rx-keys", KEYS_ROLL_BYTES, err);
	if (s->fd_config < 0 || s->fd_keys < 0 || make_stats(s, err) != 0 ||
	    rx_shared_make(&s->shared, s->config, err) != 0)
		return -1;
	rx_intake_init(&s->intake, s->config, replay_fd, s->mtu_text, s->fd_config,
		       s->fd_stats, s->uid, s->gid);
	open_counters(s);
	s->caps = rx_intake_caps(&s->intake);
	return fleet_give_up_rights(s->caps, s->config->permissive, &s->sandbox, err);
}

static void tear_down(struct rx_supervisor *s)
{
	notify_close(&s->notify);
	rx_shared_free(&s->shared);
	rx_intake_free(&s->intake);
	rx_sockets_close(&s->sockets, s->config);
	rx_dial_close(&s->dial);
	km_close(&s->scan[0]);
	km_close(&s->scan[1]);
	stats_unmap(&s->stats_map);
	km_close(&s->fd_config);
	km_close(&s->fd_keys);
	km_close(&s->fd_stats);
	km_close(&s->fd_sent);
	km_close(&s->fd_received);
	km_close(&s->fd_pid);
}

static void say_start(const struct rx_supervisor *s)
{
	const struct rx_config *config = s->config;
	struct cores cores;
	char placed[128];

	log_event(EVENT_DAEMON_START,
		  "katamichi-rx %s interface=%s mtu=%" PRIu32 " channels=%u%s",
		  config->name, s->replay ? "(file)" : config->interface, config->mtu,
		  config->channels + config->lives, s->replay ? " replay=yes" : "");
	rx_config_cores(config, &cores);
	log_event(EVENT_CORES_PLACED, "%s", cores_describe(&cores, placed, sizeof(placed)));
}

static const struct fleet_role roles[ROLE_COUNT] = {
	[ROLE_KEEPER] = {"keeper", 0, spawn_keeper, RX_STATS_KEEPER},
	[ROLE_SCAN] = {"scan", 0, spawn_scan, RX_STATS_SCAN},
	[ROLE_PUBLISH] = {"publish", 0, spawn_publish, RX_STATS_PUBLISH},
	[ROLE_SINK] = {"sink", 0, spawn_sink, RX_STATS_SINK},
	[ROLE_CAPTURE] = {"capture", 0, spawn_capture, RX_STATS_CAPTURE},
	[ROLE_DECODE] = {"decode", 0, spawn_decode, RX_STATS_DECODE},
	[ROLE_STATE] = {"state", 0, spawn_state, RX_STATS_STATE},
	[ROLE_STREAM] = {"stream", 0, spawn_stream, RX_STATS_STREAM},
};
static const uint8_t stop_order[ROLE_COUNT] = {ROLE_CAPTURE, ROLE_DECODE, ROLE_SINK,
					       ROLE_STATE,   ROLE_STREAM, ROLE_PUBLISH,
					       ROLE_SCAN,    ROLE_KEEPER};

int rx_supervisor_run(const struct rx_config *config, const char *path, const char *bytes,
		      size_t len, const struct host_interface *port, int replay_fd)
{
	struct rx_supervisor s = {
		.config = config,
		.path = path,
		.bytes = bytes,
		.len = len,
		.fd_config = -1,
		.fd_stats = -1,
		.fd_pid = -1,
		.fd_keys = -1,
		.fd_sent = -1,
		.fd_received = -1,
		.scan = {-1, -1},
		.replay = replay_fd >= 0,
		.shared = RX_SHARED_INIT,
		.intake = RX_INTAKE_INIT,
		.dial = RX_DIAL_INIT,
		.notify = NOTIFY_INIT,
	};
	const struct fleet_plan plan = {
		.roles = roles,
		.n = ROLE_COUNT,
		.stop_order = stop_order,
		.stop_ns = STOP_NS,
		.once = s.replay,
		.tick_ns = s.replay ? REPLAY_TICK_NS : CLOCK_NS_PER_SEC,
		.prepare = prepare,
		.tick = s.replay ? tick_replay : tick,
		.reload = s.replay ? NULL : reload,
		.ask = s.dial.pair,
		.answer = answer,
		.ctx = &s,
		.beats = s.replay ? NULL : &s.stats_map,
		.notify = s.replay ? NULL : &s.notify,
	};
	struct km_err err = KM_ERR_INIT;
	struct fleet fleet;
	int code;

	if (port)
		s.port = *port;
	(void)snprintf(s.mtu_text, sizeof(s.mtu_text), "%" PRIu32, config->mtu);
	say_start(&s);
	if (set_up(&s, bytes, len, replay_fd, &err) == 0) {
		code = fleet_run(&fleet, &plan);
	} else {
		log_event(EVENT_DAEMON_FAILED, "%s", err.text);
		code = err.code ? err.code : EX_OSERR;
	}
	metrics_end(&s.metrics);
	tear_down(&s);
	return code;
}
