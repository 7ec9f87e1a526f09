// SPDX-License-Identifier: ISC
/*
 * Is a link frame ours, and where in it do our frames stand? By EtherType, VLAN tag and, with
 * framing udp, addresses and ports. Everything here is unauthenticated. Pure.
 */
#ifndef LINK_JUDGE_H
#define LINK_JUDGE_H

#include <stdint.h>

#include "carrier.h"
#include "feed.h"

/*
 * OURS: WALK goes over the frames. FOREIGN: another EtherType, VLAN, address or port. BAD: ours
 * by its addresses, but no datagram of our sender. VLAN 0: untagged. PATH: NULL where
 * frames stand behind the Ethernet header; else ETHERTYPE is that of IPv4.
 */
KM_MUST_CHECK enum carrier_verdict link_judge(uint16_t ethertype, uint16_t vlan,
					      const struct carrier_udp *path,
					      const struct feed_frame *frame,
					      struct carrier_walk *walk);

#endif
