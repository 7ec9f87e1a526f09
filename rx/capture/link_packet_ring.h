// SPDX-License-Identifier: ISC
/*
 * The diode port by AF_PACKET: a TPACKET_V3 ring, whose blocks are handed over full or by
 * time, and beside it a TPACKET_V2 ring for what must not wait for that. Each is brought
 * up without an unfiltered moment: protocol 0, ring, filter, lock, own frames ignored,
 * promiscuous on this socket only, and only then bound. No address is taken, no multicast
 * group joined, nothing is ever sent.
 *
 * They are bound to all protocols, the EtherType being the filter's: towards a socket of
 * one protocol the kernel first throws away the VLAN tag that it has taken off, and decode
 * could not judge it.
 */
#ifndef LINK_PACKET_RING_H
#define LINK_PACKET_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "intake.h"
#include "km_err.h"
#include "link_match.h"

struct link_packet_rings {
	int ring;     /* TPACKET_V3 */
	int realtime; /* TPACKET_V2; -1: RING takes every class */
	int refused;  /* errno of a realtime ring that was planned and refused, else 0 */
	uint32_t mtu; /* of the interface */
};

#define LINK_PACKET_RINGS_INIT                                                             \
	{                                                                                  \
		.ring = -1, .realtime = -1                                                 \
	}

/*
 * Opens both as the plan says, the realtime ring first; where the kernel refuses that one,
 * the other takes every class. Returns 0, the sockets being the caller's. On -1 there are
 * none, and *REFUSED tells whether it was the TPACKET_V3 ring that the kernel refused
 * (libpcap may still work) and not the interface or a privilege.
 */
KM_MUST_CHECK int link_packet_rings_open(struct link_packet_rings *rings,
					 const char *interface,
					 const struct link_match *match,
					 const struct intake_plan *plan, bool *refused,
					 struct km_err *err);

void link_packet_rings_close(struct link_packet_rings *rings);

#endif
