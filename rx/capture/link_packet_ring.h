// SPDX-License-Identifier: ISC
/*
 * The diode port by AF_PACKET with a TPACKET_V3 ring. Brought up without an
 * unfiltered moment: protocol 0, ring, filter, lock, own frames ignored,
 * promiscuous on this socket only, and only then bound to the EtherType. No
 * address is taken, no multicast group joined, nothing is ever sent.
 */
#ifndef LINK_PACKET_RING_H
#define LINK_PACKET_RING_H

#include <stdint.h>

#include "intake.h"
#include "km_err.h"

/*
 * Returns the socket. On -1, *REFUSED tells whether it was the ring that the
 * kernel refused (libpcap may still work) and not the interface or a privilege.
 */
KM_MUST_CHECK int link_packet_ring_open(const char *interface, uint16_t ethertype,
					const struct intake_plan *plan, uint32_t *mtu,
					bool *refused, struct km_err *err);

#endif
