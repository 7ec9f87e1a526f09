// SPDX-License-Identifier: ISC
#include "rx_intake.h"

#include <string.h>
#include <sys/wait.h>

#include "clock.h"
#include "deliver.h"
#include "ipc.h"
#include "log.h"
#include "supervise.h"

/* Opening a port and mapping its ring; a kernel short of memory takes its time. */
#define CAPTURE_READY_NS (30 * CLOCK_NS_PER_SEC)
#define CAPTURE_END_NS (2 * CLOCK_NS_PER_SEC)

void rx_intake_init(struct rx_intake *intake, const struct rx_config *config, int replay_fd,
		    const char *mtu_text, int fd_config, int fd_stats, uid_t uid, gid_t gid)
{
	intake->config = config;
	intake->replay_fd = replay_fd;
	intake->mtu_text = mtu_text;
	intake->fd_config = fd_config;
	intake->fd_stats = fd_stats;
	intake->uid = uid;
	intake->gid = gid;
	rx_config_intake_plan(config, &intake->plan);
}

uint64_t rx_intake_caps(const struct rx_intake *in)
{
	if (in->replay_fd >= 0 || (in->settled && !in->xdp))
		return 0;
	return in->config->capture == RX_CAPTURE_AUTO ||
			       in->config->capture == RX_CAPTURE_XDP
		       ? RX_INTAKE_XDP_CAPS
		       : 0;
}

const char *rx_intake_name(const struct rx_intake *in)
{
	return in->pump ? "pump" : in->xdp ? "xdp" : "ring";
}

/* What capture is to try. */
static const char *capture_intake(const struct rx_intake *in, bool pump)
{
	if (pump)
		return "pump";
	if (in->settled && !in->xdp)
		return "ring";
	return in->config->capture == RX_CAPTURE_XDP	? "xdp"
	       : in->config->capture == RX_CAPTURE_AUTO ? "auto"
							: "ring";
}

static int spawn_capture(struct rx_intake *in, bool pump, struct role_child *child,
			 struct km_err *err)
{
	const char *const args[] = {"--mtu", in->mtu_text, "--intake",
				    capture_intake(in, pump), "--replay"};
	struct role_fd fds[4] = {
		{in->fd_config, RX_FD_CONFIG},
		{in->fd_stats, RX_FD_STATS},
	};
	struct role_spec spec = {
		.prog = "katamichi-rx",
		.name = "capture",
		.plan = {.uid = in->uid,
			 .gid = in->gid,
			 .keep_caps = SANDBOX_CAP(CAP_NET_RAW) |
				      (pump ? 0 : rx_intake_caps(in))},
		.fds = fds,
		.n_fds = 2,
		.args = args,
		.n_args = 4,
	};

	if (pump)
		fds[spec.n_fds++] = (struct role_fd){in->fd_pump, RX_FD_INTAKE};
	if (in->replay_fd >= 0) {
		fds[spec.n_fds++] = (struct role_fd){in->replay_fd, INTAKE_FD_REPLAY};
		spec.n_args = 5;
		spec.plan.keep_caps = 0;
	}
	return role_spawn(&spec, child, err);
}

int rx_intake_spawn_pump(struct rx_intake *in, struct role_child *child, struct km_err *err)
{
	return spawn_capture(in, true, child, err);
}

/* Whether capture ended because the kernel refused the ring; it stays to be reaped. */
static bool was_refused(const struct role_child *child)
{
	siginfo_t info = {0};

	return child->pid != 0 &&
	       waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == child->pid && info.si_code == CLD_EXITED &&
	       info.si_status == INTAKE_EXIT_REFUSED;
}

/* What the message holds; the form in use follows from it. */
static void take_descriptors(struct rx_intake *in, struct ipc_msg *msg,
			     struct rx_intake_sockets *to)
{
	in->xdp = msg->type == INTAKE_MSG_XDP;
	to->ring = ipc_msg_take(msg, 0);
	if (!in->xdp) {
		to->realtime = ipc_msg_take(msg, 1);
		return;
	}
	to->chunks = ipc_msg_take(msg, 1);
	to->foreign = ipc_msg_take(msg, 2);
	in->hold[0] = ipc_msg_take(msg, 3);
	in->hold[1] = ipc_msg_take(msg, 4);
}

static int receive_sockets(struct rx_intake *in, struct role_child *child,
			   struct rx_intake_sockets *to, struct km_err *err)
{
	static const struct ipc_type rows[] = {
		{.type = INTAKE_MSG_SOCKET, .size = 0, .n_fds = 1, .name = "socket"},
		{.type = INTAKE_MSG_SOCKETS, .size = 0, .n_fds = 2, .name = "sockets"},
		{.type = INTAKE_MSG_XDP, .n_fds = INTAKE_XDP_FDS, .name = "xdp"},
	};
	static const struct ipc_table table = {rows, KM_COUNT(rows)};
	struct role_child *list[] = {child};
	struct ipc_msg msg;
	enum km_rc rc;

	if (role_go(child, err) != 0)
		return -1;
	rc = ipc_recv(child->control, &table, &msg,
		      clock_add(clock_mono_ns(), CAPTURE_READY_NS));
	if (rc != KM_OK)
		return km_err_set(err, EX_SOFTWARE, "capture: no socket from it: %s",
				  km_rc_name(rc));
	take_descriptors(in, &msg, to);
	/* its work is done: what happens now is a stop in order */
	(void)supervise_stop(list, 1, CAPTURE_END_NS);
	return 0;
}

/* *refused: the kernel has no ring for us; then -1 without a message. */
static int take_sockets(struct rx_intake *in, struct rx_intake_sockets *to, bool *refused,
			struct km_err *err)
{
	struct role_child child = ROLE_CHILD_INIT;
	int rc = -1;

	*refused = false;
	/* an old program would be in the way of the new one */
	km_close(&in->hold[0]);
	km_close(&in->hold[1]);
	if (spawn_capture(in, false, &child, err) != 0)
		return -1;
	if (role_await_ready(&child, CAPTURE_READY_NS, err) == 0)
		rc = receive_sockets(in, &child, to, err);
	else
		*refused = was_refused(&child);
	role_kill(&child);
	return rc;
}

void rx_intake_sockets_close(struct rx_intake_sockets *sockets)
{
	km_close(&sockets->ring);
	km_close(&sockets->realtime);
	km_close(&sockets->chunks);
	km_close(&sockets->foreign);
}

int rx_intake_take_sockets(struct rx_intake *in, struct rx_intake_sockets *to,
			   struct km_err *err)
{
	bool refused;

	if (in->sockets.ring < 0)
		return take_sockets(in, to, &refused, err);
	*to = in->sockets;
	in->sockets = (struct rx_intake_sockets)RX_INTAKE_SOCKETS_INIT;
	return 0;
}

static int make_pump(struct rx_intake *in, struct km_err *err)
{
	size_t len = intake_pump_bytes(&in->plan);

	in->pump = in->settled = true;
	if (in->fd_pump < 0)
		in->fd_pump = shm_create("rx-pump", len, err);
	if (in->fd_pump < 0)
		return -1;
	if (!in->map.p && shm_map(&in->map, in->fd_pump, len, SHM_MAP_WRITE, err) != 0)
		return -1;
	memset(in->map.p, 0, RING_SLOTS_OFFSET);
	if (ring_format(in->map.p, len, intake_pump_slot(&in->plan),
			intake_pump_slots(&in->plan)) != KM_OK)
		return km_err_set(err, EX_SOFTWARE, "pump ring: slots of %u bytes",
				  intake_pump_slot(&in->plan));
	return 0;
}

int rx_intake_choose(struct rx_intake *in, struct km_err *err)
{
	bool refused;

	rx_intake_sockets_close(&in->sockets);
	if (in->replay_fd >= 0 || in->config->capture == RX_CAPTURE_PCAP || in->pump)
		return make_pump(in, err);
	if (take_sockets(in, &in->sockets, &refused, err) == 0) {
		in->settled = true;
		return 0;
	}
	if (!refused)
		return -1;
	if (in->config->capture != RX_CAPTURE_AUTO)
		return km_err_set(err, EX_OSERR,
				  "the kernel refuses the receive ring, and "
				  "`capture` asks for no other way");
	log_event(EVENT_INTAKE_PUMP, "the kernel refuses the receive ring: libpcap serves");
	return make_pump(in, err);
}

bool rx_intake_drained(const struct rx_intake *in)
{
	struct ring ring;

	/* a fresh look each time: an attached handle would go by its own index */
	return ring_attach(&ring, in->map.p, in->map.len, intake_pump_slot(&in->plan),
			   intake_pump_slots(&in->plan), RING_CONSUMER) != KM_OK ||
	       ring_ready(&ring) <= 0;
}

void rx_intake_free(struct rx_intake *in)
{
	shm_unmap(&in->map);
	km_close(&in->fd_pump);
	rx_intake_sockets_close(&in->sockets);
	km_close(&in->hold[0]);
	km_close(&in->hold[1]);
}
