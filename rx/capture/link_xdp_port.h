// SPDX-License-Identifier: ISC
/*
 * The diode port by AF_XDP: a socket on queue 0 that has memory, an RX and a fill ring, and a
 * program in the driver that gives it our frames and drops all others. There is no TX ring, and
 * none can be added: the kernel refuses to send by it. All free chunks are in the fill ring
 * before the program is on the port, so that the first frame has a place.
 *
 * Nothing else of this host hears the port any more, tcpdump included.
 *
 * What is supported: one receive queue. One process opens all frames, in their order; further
 * queues would have to be joined again. Where the NIC has more, it is refused with the line to
 * type.
 */
#ifndef LINK_XDP_PORT_H
#define LINK_XDP_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "intake.h"
#include "km_err.h"
#include "link_match.h"
#include "xdp_program.h"

struct link_xdp_port {
	int socket;
	int memory; /* memfd of the chunks, read-only */
	struct xdp_program program;
	int keeper; /* a deaf packet socket, whose membership keeps the port promiscuous */
	uint32_t mtu;
	bool zero_copy;
};

#define LINK_XDP_PORT_INIT                                                                 \
	{                                                                                  \
		.socket = -1, .memory = -1, .program = XDP_PROGRAM_INIT, .keeper = -1      \
	}

/*
 * TAGGED: frames have a VLAN tag, which the NIC must leave in them. FORCE: the kernel may copy;
 * else zero-copy or nothing. -1 with the reason, and nothing is open or changed. Needs
 * CAP_NET_RAW, CAP_BPF, CAP_NET_ADMIN, and for memory beyond RLIMIT_MEMLOCK CAP_IPC_LOCK.
 */
KM_MUST_CHECK int link_xdp_port_open(struct link_xdp_port *port, const char *interface,
				     const struct link_match *match,
				     const struct intake_plan *plan, bool tagged,
				     bool force, struct km_err *err);
void link_xdp_port_close(struct link_xdp_port *port);

#endif
