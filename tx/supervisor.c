// SPDX-License-Identifier: ISC
#include "tx_supervisor.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "fleet.h"
#include "keys_roll.h"
#include "lane.h"
#include "log.h"
#include "metrics.h"
#include "return_watch.h"
#include "shm.h"
#include "stats.h"
#include "tx_groups.h"
#include "tx_reload.h"
#include "tx_sockets.h"

enum { ROLE_SIGNER, ROLE_SENDER, ROLE_SOURCE, ROLE_STATE, ROLE_STREAM, ROLE_COUNT };
#define BIT(role) (UINT32_C(1) << (role))

/* The source finishes its windows and says farewell before it ends: it may take 10 s. */
#define STOP_NS (15 * CLOCK_NS_PER_SEC)

#define SUPERVISOR_STATS(X)                                                                \
	X(STAT_PORT_RECEIVED, "port_received") /* frames since the daemon started: 0 */    \
	X(STAT_PORT_SENT, "port_sent")	       /* frames of the interface, ours or not */  \
	X(STAT_ROLE_RESTARTS, "role_restarts")                                             \
	X(STAT_ROLES_DOWN, "roles_down")                                                   \
	X(STAT_LINK_UP, "link_up")                                                         \
	X(STAT_LINK_CHANGES, "link_changes") /* the interface went away or came back */    \
	X(STAT_MTU, "mtu")                                                                 \
	X(STAT_PERMISSIVE, "permissive") /* 1: sandbox = permissive */                     \
	X(STAT_RATE_BPS, "rate_bps")

enum supervisor_stat { SUPERVISOR_STATS(STATS_ENUM_ROW) SUPERVISOR_STAT_COUNT };
static const char *const supervisor_stat_names[] = {SUPERVISOR_STATS(STATS_NAME_ROW)};

struct tx_supervisor {
	const struct tx_config *config;
	const char *path, *bytes; /* of the file of config */
	size_t len;
	bool reload; /* the signer that is spawned takes over from one at work */
	struct host_interface port;
	bool gone; /* the interface is not there now */
	uid_t uid;
	gid_t gid;
	struct lane_plan lanes;
	struct shm_map index;
	int fd_config, fd_stats, fd_index, fd_slots, fd_slots_ro, fd_pid, fd_keys;
	int fd_received, fd_sent;  /* counters of the port */
	int sign[2];		   /* source's end, signer's end */
	struct tx_sockets sockets; /* of live channels; they outlive a role */
	struct tx_groups groups;
	struct return_watch received; /* since received_base */
	uint64_t received_base;
	bool blind; /* the counter cannot be read */
	struct stats_map stats_map;
	struct stats_writer stats;
	struct sandbox_report sandbox;
	struct notify notify;
	struct metrics metrics;
	char mtu_text[16], workers_text[16];
};

static int spawn_role(struct tx_supervisor *s, const char *name, uint64_t keep_caps,
		      const struct role_fd *fds, size_t n_fds, struct role_child *child,
		      struct km_err *err)
{
	const char *const args[] = {"--mtu", s->mtu_text, "--workers", s->workers_text,
				    "--reload"};
	const struct role_spec spec = {
		.prog = "katamichi-tx",
		.name = name,
		.plan = {.uid = s->uid, .gid = s->gid, .keep_caps = keep_caps},
		.fds = fds,
		.n_fds = n_fds,
		.args = args,
		.n_args = KM_COUNT(args) - !s->reload,
	};

	return role_spawn(&spec, child, err);
}

static int spawn_signer(void *ctx, struct role_child *child, struct km_err *err)
{
	struct tx_supervisor *s = ctx;
	const struct role_fd fds[] = {
		{s->fd_config, TX_FD_CONFIG},
		{s->fd_stats, TX_FD_STATS},
		{s->sign[1], TX_FD_SIGN},
		{s->fd_keys, TX_FD_KEYS},
	};

	return spawn_role(s, "signer", 0, fds, KM_COUNT(fds), child, err);
}

static int spawn_sender(void *ctx, struct role_child *child, struct km_err *err)
{
	struct tx_supervisor *s = ctx;
	const struct role_fd fds[] = {
		{s->fd_config, TX_FD_CONFIG},
		{s->fd_stats, TX_FD_STATS},
		{s->fd_index, TX_FD_LANE_INDEX},
		{s->fd_slots_ro, TX_FD_LANE_SLOTS},
	};

	return spawn_role(s, "sender", SANDBOX_CAP(CAP_NET_RAW), fds, KM_COUNT(fds), child,
			  err);
}

static int spawn_source(void *ctx, struct role_child *child, struct km_err *err)
{
	struct tx_supervisor *s = ctx;
	struct role_fd fds[6 + TX_LIVES_MAX] = {
		{s->fd_config, TX_FD_CONFIG},	 {s->fd_stats, TX_FD_STATS},
		{s->fd_index, TX_FD_LANE_INDEX}, {s->fd_slots, TX_FD_LANE_SLOTS},
		{s->sign[0], TX_FD_SIGN},
	};
	size_t n = 5;

	if (s->fd_received >= 0)
		fds[n++] = (struct role_fd){s->fd_received, TX_FD_PORT_RX};
	for (unsigned i = 0; i < s->sockets.count; i++)
		fds[n++] = (struct role_fd){s->sockets.source[i], TX_FD_LIVE + (int)i};
	return spawn_role(s, "source", 0, fds, n, child, err);
}

/* The role of a kind: where its producers come, and where its messages go. */
static int spawn_kind(struct tx_supervisor *s, enum tx_kind kind, struct role_child *child,
		      struct km_err *err)
{
	struct role_fd fds[2 + 2 * TX_LIVES_MAX] = {
		{s->fd_config, TX_FD_CONFIG},
		{s->fd_stats, TX_FD_STATS},
	};
	size_t n = 2;

	if (tx_config_count(s->config, kind) == 0)
		return 0;
	for (unsigned i = 0; i < s->sockets.count; i++) {
		if (s->config->live[i].kind != kind)
			continue;
		fds[n++] = (struct role_fd){s->sockets.feed[i], TX_FD_FEED + (int)i};
		fds[n++] = (struct role_fd){s->sockets.listen[i], TX_FD_LISTEN + (int)i};
	}
	return spawn_role(s, tx_kind_name(kind), 0, fds, n, child, err);
}

static int spawn_state(void *ctx, struct role_child *child, struct km_err *err)
{
	return spawn_kind(ctx, TX_KIND_STATE, child, err);
}

static int spawn_stream(void *ctx, struct role_child *child, struct km_err *err)
{
	return spawn_kind(ctx, TX_KIND_STREAM, child, err);
}

/*
 * A dead sender alone goes on with the rings as they are: what it had not released leaves
 * again. A new source has a new session, and frames of the old one that had not left must
 * not follow it: the rings begin empty, and the signer's socket afresh, so that no answer to
 * the old source reaches the new one.
 */
static int prepare(void *ctx, uint32_t mask, struct km_err *err)
{
	struct tx_supervisor *s = ctx;

	if (!(mask & BIT(ROLE_SOURCE)))
		return 0;
	memset(s->index.p, 0, s->index.len);
	for (unsigned i = 0; i < lane_rings(&s->lanes); i++)
		if (ring_format(lane_index_page(s->index.p, i), LANE_PAGE, s->lanes.stride,
				s->lanes.slots) != KM_OK)
			return km_err_set(err, EX_SOFTWARE,
					  "lane ring %u: %u slots of %u bytes", i,
					  s->lanes.slots, s->lanes.stride);
	km_close(&s->sign[0]);
	km_close(&s->sign[1]);
	return ipc_pair(s->sign, err);
}

static void open_counters(struct tx_supervisor *s)
{
	km_close(&s->fd_received);
	km_close(&s->fd_sent);
	s->fd_received = host_open_counter(s->config->interface, "rx_packets");
	s->fd_sent = host_open_counter(s->config->interface, "tx_packets");
	s->received = (struct return_watch){0};
	if (!host_read_counter(s->fd_received, &s->received_base))
		s->received_base = 0;
	/* the heartbeat counts these too */
	if (s->received_base > 0)
		log_event(
			EVENT_RETURN_SEEN,
			"interface %s had received frames before this start: look whether "
			"the link is one-way, with `katamichi-tx oneway-check` "
			"frames=%" PRIu64,
			s->config->interface, s->received_base);
}

static void tell_blind(struct tx_supervisor *s)
{
	if (!s->blind && !s->gone)
		log_event(EVENT_RETURN_UNWATCHED,
			  "interface %s: its counter of frames received cannot be read, so "
			  "that a return path would not be seen: mount sysfs on /sys and "
			  "start again",
			  s->config->interface);
	s->blind = true;
}

/* The interface may be taken away and made again under us: another index, other counters. */
static void watch_link(struct tx_supervisor *s, struct fleet *fleet)
{
	struct host_interface now;
	int rc = host_find_interface(s->config->interface, &now, NULL);

	stats_set(&s->stats, STAT_LINK_UP, rc == 0 && now.up);
	if (rc != 0) {
		if (!s->gone) {
			s->gone = true;
			fleet->held |= BIT(ROLE_SENDER);
			stats_add(&s->stats, STAT_LINK_CHANGES, 1);
			log_event(EVENT_LINK_GONE,
				  "interface %s has disappeared; frames wait until it is "
				  "back",
				  s->config->interface);
		}
		return;
	}
	if (!s->gone && now.index == s->port.index)
		return;
	fleet->held &= ~BIT(ROLE_SENDER);
	s->gone = false;
	s->port = now;
	open_counters(s);
	tx_sockets_shun(&s->sockets, s->config, now.index);
	stats_add(&s->stats, STAT_LINK_CHANGES, 1);
	log_event(EVENT_LINK_BACK, "interface %s is there (again) index=%u mtu=%" PRIu32,
		  s->config->interface, now.index, now.mtu);
	fleet_restart(fleet, BIT(ROLE_SENDER), "new interface: the sender opens it");
}

/* Nothing may ever come in by the diode port. */
static void watch_return(struct tx_supervisor *s)
{
	uint64_t received;

	if (!host_read_counter(s->fd_received, &received)) {
		tell_blind(s);
		return;
	}
	s->blind = false;
	received -= s->received_base;
	stats_set(&s->stats, STAT_PORT_RECEIVED, received);
	switch (return_watch_note(&s->received, received, clock_mono_ns())) {
	case RETURN_BEGINS:
		log_event(
			EVENT_RETURN_SEEN,
			"interface %s received frames: the link is not one-way; take the "
			"way back out of the cabling, and see `katamichi-tx oneway-check` "
			"frames=%" PRIu64,
			s->config->interface, received);
		break;
	case RETURN_ENDS:
		log_event(EVENT_RETURN_ENDED,
			  "interface %s has received nothing for a minute frames=%" PRIu64,
			  s->config->interface, received);
		break;
	case RETURN_SAME:
		break;
	}
}

static int tick(void *ctx, struct fleet *fleet)
{
	struct tx_supervisor *s = ctx;
	uint64_t sent;

	watch_link(s, fleet);
	watch_return(s);
	tx_groups_keep(&s->groups, &s->sockets, s->config);
	if (host_read_counter(s->fd_sent, &sent))
		stats_set(&s->stats, STAT_PORT_SENT, sent);
	stats_set(&s->stats, STAT_ROLE_RESTARTS, fleet->restarts);
	stats_set(&s->stats, STAT_ROLES_DOWN, (uint64_t)__builtin_popcount(fleet->down));
	metrics_tick(&s->metrics, &s->stats_map, clock_mono_ns());
	return 0;
}

/*
 * Other keys, without a pause: a signer that has them takes the old one's end of the socket with
 * the source, which begins a new session. What the source asks in between waits in the socket.
 */
static int take_keys(struct tx_supervisor *s, struct fleet *fleet, struct km_err *err)
{
	const int before = s->fd_config;
	char *bytes;
	int fresh, rc;
	size_t len;

	if (tx_reload_config(s->path, s->bytes, s->len, &bytes, &len, err) != 0)
		return -1;
	fresh = host_seal_bytes("tx-config", bytes, len, err);
	free(bytes);
	if (fresh < 0)
		return -1;
	s->fd_config = fresh;
	s->reload = true;
	rc = fleet_replace(fleet, ROLE_SIGNER, err);
	s->fd_config = before;
	s->reload = false;
	/* under the old number, which others know too */
	if (rc == 0 && dup3(fresh, before, O_CLOEXEC) < 0)
		rc = km_err_set_errno(err, EX_OSERR, "the new configuration");
	(void)close(fresh);
	if (rc == 0)
		role_ask_renew(&fleet->child[ROLE_SOURCE]);
	return rc;
}

static void reload(void *ctx, struct fleet *fleet)
{
	struct km_err err = KM_ERR_INIT;

	if (take_keys(ctx, fleet, &err) != 0 && err.code != 0)
		log_event(EVENT_RELOAD_REFUSED, "%s; the keys in force stay", err.text);
}

static int make_dirs(struct tx_supervisor *s, struct km_err *err)
{
	const struct tx_config *c = s->config;
	char path[TX_PATH_LEN + 16];

	if (host_make_dir(c->run_dir, 0755, 0, 0, err) != 0 ||
	    host_make_dir(c->state_dir, 0700, s->uid, s->gid, err) != 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/signer", c->state_dir);
	if (host_make_dir(path, 0700, s->uid, s->gid, err) != 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/requests", c->state_dir);
	if (host_make_dir(path, 0700, s->uid, s->gid, err) != 0)
		return -1;
	for (unsigned i = 0; i < c->channels; i++)
		if (host_make_dir(c->channel[i].spool, 0755, s->uid, s->gid, err) != 0)
			return km_err_prefix(err, "channel %s", c->channel[i].name);
	return 0;
}

static int make_memory(struct tx_supervisor *s, struct km_err *err)
{
	tx_config_lane_plan(s->config, &s->lanes);
	s->fd_index = shm_create("tx-lane-index", lane_index_bytes(&s->lanes), err);
	if (s->fd_index < 0 || shm_map(&s->index, s->fd_index, lane_index_bytes(&s->lanes),
				       SHM_MAP_WRITE, err) != 0)
		return -1;
	s->fd_slots = shm_create("tx-lane-slots", lane_slots_bytes(&s->lanes), err);
	if (s->fd_slots < 0)
		return -1;
	s->fd_slots_ro = shm_reopen_ro(s->fd_slots, err);
	if (s->fd_slots_ro < 0)
		return -1;
	s->fd_keys = shm_create("tx-keys", KEYS_ROLL_BYTES, err);
	return s->fd_keys < 0 ? -1 : 0;
}

static int make_stats(struct tx_supervisor *s, struct km_err *err)
{
	char path[TX_PATH_LEN + 16];

	(void)snprintf(path, sizeof(path), "%s/stats", s->config->run_dir);
	s->fd_stats = stats_create(path, TX_STATS_ROLES, err);
	if (s->fd_stats < 0 || stats_map_rw(&s->stats_map, s->fd_stats, err) != 0 ||
	    stats_claim(&s->stats_map, &s->stats, TX_STATS_SUPERVISOR, "supervisor",
			supervisor_stat_names, SUPERVISOR_STAT_COUNT, err) != 0)
		return -1;
	/* roles of another uid get it by descriptor; only its path is ours alone */
	stats_set(&s->stats, STAT_MTU, s->config->mtu);
	stats_set(&s->stats, STAT_PERMISSIVE, s->config->permissive);
	stats_set(&s->stats, STAT_RATE_BPS, s->config->rate_bps);
	return 0;
}

static int set_up(struct tx_supervisor *s, const void *bytes, size_t len,
		  struct km_err *err)
{
	s->metrics = (struct metrics){s->config->metrics, "katamichi_tx", 0, false};
	if (notify_open(&s->notify, err) != 0)
		return -1;
	if (s->config->user[0] != '\0' &&
	    role_find_user(s->config->user, &s->uid, &s->gid, err) != 0)
		return -1;
	if (make_dirs(s, err) != 0)
		return -1;
	s->fd_pid = host_lock_pid(s->config->run_dir, err);
	if (s->fd_pid < 0)
		return -1;
	s->fd_config = host_seal_bytes("tx-config", bytes, len, err);
	if (s->fd_config < 0 || make_stats(s, err) != 0 || make_memory(s, err) != 0)
		return -1;
	open_counters(s);
	if (tx_sockets_open(&s->sockets, s->config, s->port.index, s->uid, s->gid, err) !=
	    0)
		return -1;
	tx_groups_keep(&s->groups, &s->sockets, s->config);
	return fleet_give_up_rights(0, s->config->permissive, &s->sandbox, err);
}

static void tear_down(struct tx_supervisor *s)
{
	int *const fds[] = {&s->fd_config, &s->fd_stats,    &s->fd_index, &s->fd_slots,
			    &s->fd_pid,	   &s->fd_slots_ro, &s->sign[0],  &s->sign[1],
			    &s->fd_sent,   &s->fd_received, &s->fd_keys};

	notify_close(&s->notify);
	tx_sockets_close(&s->sockets, s->config);
	shm_unmap(&s->index);
	stats_unmap(&s->stats_map);
	for (size_t i = 0; i < KM_COUNT(fds); i++)
		km_close(fds[i]);
}

static void say_start(const struct tx_supervisor *s)
{
	const struct tx_config *config = s->config;
	struct cores cores;
	char placed[128];

	log_event(EVENT_DAEMON_START,
		  "katamichi-tx %s interface=%s mtu=%" PRIu32 " rate_bps=%" PRIu64
		  " channels=%u",
		  config->name, config->interface, config->mtu, config->rate_bps,
		  config->channels + config->lives);
	tx_config_cores(config, &cores);
	log_event(EVENT_CORES_PLACED, "%s", cores_describe(&cores, placed, sizeof(placed)));
}

int tx_supervisor_run(const struct tx_config *config, const char *path, const char *bytes,
		      size_t len, const struct host_interface *port)
{
	static const struct fleet_role roles[ROLE_COUNT] = {
		[ROLE_SIGNER] = {"signer", BIT(ROLE_SENDER) | BIT(ROLE_SOURCE),
				 spawn_signer, TX_STATS_SIGNER},
		[ROLE_SENDER] = {"sender", 0, spawn_sender, TX_STATS_SENDER},
		[ROLE_SOURCE] = {"source", BIT(ROLE_SENDER) | BIT(ROLE_SIGNER),
				 spawn_source, TX_STATS_SOURCE},
		[ROLE_STATE] = {"state", 0, spawn_state, TX_STATS_STATE},
		[ROLE_STREAM] = {"stream", 0, spawn_stream, TX_STATS_STREAM},
	};
	static const uint8_t stop_order[ROLE_COUNT] = {ROLE_STATE, ROLE_STREAM, ROLE_SOURCE,
						       ROLE_SENDER, ROLE_SIGNER};
	struct tx_supervisor s = {
		.config = config,
		.path = path,
		.bytes = bytes,
		.len = len,
		.port = *port,
		.fd_config = -1,
		.fd_stats = -1,
		.fd_index = -1,
		.fd_slots = -1,
		.fd_slots_ro = -1,
		.fd_pid = -1,
		.fd_keys = -1,
		.fd_received = -1,
		.fd_sent = -1,
		.sign = {-1, -1},
		.notify = NOTIFY_INIT,
	};
	const struct fleet_plan plan = {
		.roles = roles,
		.n = ROLE_COUNT,
		.stop_order = stop_order,
		.stop_ns = STOP_NS,
		.tick_ns = CLOCK_NS_PER_SEC,
		.prepare = prepare,
		.tick = tick,
		.reload = reload,
		.ctx = &s,
		.beats = &s.stats_map,
		.notify = &s.notify,
	};
	struct km_err err = KM_ERR_INIT;
	struct fleet fleet;
	int code;

	(void)snprintf(s.mtu_text, sizeof(s.mtu_text), "%" PRIu32, config->mtu);
	(void)snprintf(s.workers_text, sizeof(s.workers_text), "%u", config->workers);
	say_start(&s);
	if (set_up(&s, bytes, len, &err) == 0) {
		code = fleet_run(&fleet, &plan);
	} else {
		log_event(EVENT_DAEMON_FAILED, "%s", err.text);
		code = err.code ? err.code : EX_OSERR;
	}
	metrics_end(&s.metrics);
	tear_down(&s);
	return code;
}
