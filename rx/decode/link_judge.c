// SPDX-License-Identifier: ISC
#include "link_judge.h"

#include "cursor.h"

#define ETHERTYPE_VLAN 0x8100u
#define VLAN_ID_MASK 0x0fffu

/* Where the bytes behind the Ethernet header begin, or 0: not ours. */
static size_t ether_judge(uint16_t ethertype, uint16_t vlan_wanted,
			  const struct feed_frame *frame)
{
	struct rd rd;
	uint16_t type;
	int vlan = frame->vlan;

	rd_init(&rd, frame->p, frame->len);
	rd_skip(&rd, WIRE_ETHER_LEN - 2);
	type = rd_u16(&rd);
	if (type == ETHERTYPE_VLAN && vlan < 0) {
		vlan = rd_u16(&rd) & VLAN_ID_MASK;
		type = rd_u16(&rd);
	}
	if (rd.bad || type != ethertype)
		return 0;
	/* id 0 in a tag means priority only, no network */
	if ((vlan > 0 ? vlan : 0) != vlan_wanted)
		return 0;
	return rd.used;
}

enum carrier_verdict link_judge(uint16_t ethertype, uint16_t vlan,
				const struct carrier_udp *path,
				const struct feed_frame *frame, struct carrier_walk *walk)
{
	size_t skip = ether_judge(ethertype, vlan, frame);

	if (skip == 0)
		return CARRIER_FOREIGN;
	*walk = (struct carrier_walk){
		.p = frame->p + skip, .left = frame->len - skip, .many = path != NULL};
	if (!path)
		return CARRIER_OURS;
	/* a frame that the ring has cut is shorter than its IP header says */
	return carrier_udp_read(path, walk->p, walk->left, &walk->p, &walk->left);
}
