// SPDX-License-Identifier: ISC
/*
 * How frames get from the port to decode, as the supervisor arranges it: the kernel's rings or
 * an AF_XDP socket, which capture opens, locks, hands over and leaves; or the pump, a capture that stays
 * and copies from libpcap. Which one is chosen once, when everything starts.
 */
#ifndef RX_INTAKE_H
#define RX_INTAKE_H

#include <sys/types.h>

#include "intake.h"
#include "role.h"
#include "rx_config.h"
#include "shm.h"

/* Of the ring and xdp forms: what decode gets. */
struct rx_intake_sockets {
	int ring;
	int realtime; /* -1: the ring takes every class */
	int chunks, foreign; /* xdp; else -1 */
};

#define RX_INTAKE_SOCKETS_INIT                                                             \
	{                                                                                  \
		.ring = -1, .realtime = -1, .chunks = -1, .foreign = -1                    \
	}

/* What capture needs to open the port by AF_XDP, beside CAP_NET_RAW: load a program, put it on
 * the interface, pin memory. */
#define RX_INTAKE_XDP_CAPS                                                                 \
	(SANDBOX_CAP(CAP_BPF) | SANDBOX_CAP(CAP_NET_ADMIN) | SANDBOX_CAP(CAP_IPC_LOCK))

struct rx_intake {
	const struct rx_config *config;
	struct intake_plan plan;
	bool pump, xdp; /* the form in use; neither: the ring */
	bool settled;	/* it was chosen before, and stays */
	int fd_pump;
	int replay_fd;	    /* borrowed; -1 = the interface */
	struct shm_map map; /* the pump's ring */
	/* xdp: the program's link and the promiscuous membership, ours as long as the port is */
	int hold[2];
	/* ring form: taken by rx_intake_choose, not yet handed to decode */
	struct rx_intake_sockets sockets;
	int fd_config, fd_stats; /* borrowed */
	const char *mtu_text;	 /* borrowed */
	uid_t uid;
	gid_t gid;
};

#define RX_INTAKE_INIT                                                                     \
	{                                                                                  \
		.fd_pump = -1, .replay_fd = -1, .hold = {-1, -1},                          \
		.sockets = RX_INTAKE_SOCKETS_INIT                                          \
	}

void rx_intake_init(struct rx_intake *intake, const struct rx_config *config, int replay_fd,
		    const char *mtu_text, int fd_config, int fd_stats, uid_t uid,
		    gid_t gid);

/*
 * Decides the form and makes ready what it needs: with capture = auto AF_XDP if that is
 * zero-copy here, the ring, or the pump when the kernel refuses the ring (said in the log).
 */
KM_MUST_CHECK int rx_intake_choose(struct rx_intake *intake, struct km_err *err);

/* The capabilities that opening the port may take, beside CAP_NET_RAW: none once it is settled
 * that AF_XDP does not serve. */
uint64_t rx_intake_caps(const struct rx_intake *intake);

/* "ring", "xdp" or "pump": what decode is told. */
const char *rx_intake_name(const struct rx_intake *intake);

/* Ring and xdp: the locked and bound sockets, by a capture that lives for this only. */
KM_MUST_CHECK int rx_intake_take_sockets(struct rx_intake *intake,
					 struct rx_intake_sockets *sockets,
					 struct km_err *err);
void rx_intake_sockets_close(struct rx_intake_sockets *sockets);

/* Pump form: starts the capture that stays. */
KM_MUST_CHECK int rx_intake_spawn_pump(struct rx_intake *intake, struct role_child *child,
				       struct km_err *err);

/* Pump form: decode has taken every frame that capture has put in. */
bool rx_intake_drained(const struct rx_intake *intake);

void rx_intake_free(struct rx_intake *intake);

#endif
