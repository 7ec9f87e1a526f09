// SPDX-License-Identifier: ISC
/*
 * framing = udp: frames of a lane as UDP datagrams on the same deaf socket as ever
 * (link_packet.h). A slot holds the frame alone; the Ethernet, IPv4 and UDP headers are
 * written here, gathered by the kernel with the frames where they lie.
 *
 * Frames of one size, and a shorter last one, form a train: one set of headers, one message,
 * which the kernel or the NIC cuts into datagrams (PACKET_VNET_HDR with the virtio header of
 * UDP segmentation, Linux 6.2). Whether the kernel takes trains shows when the first one is
 * handed over; if not, nothing of it was sent, and from then on each datagram is a message of
 * its own. The first announce of a process is sent twice, as a train of two, so that this is
 * known at once; receivers take the same announce any number of times.
 *
 * A frame counts as accepted when the kernel took its train. Where the device can cut by
 * itself, or has a queue discipline, a train is taken or refused whole.
 */
#ifndef LINK_UDP_H
#define LINK_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "carrier.h"
#include "km_err.h"
#include "link_packet.h"
#include "tx_config.h"

/* Frames that one call may take: a few trains at MTU 1,500. */
#define LINK_UDP_BATCH 128u
/* Segments of one train: UDP_MAX_SEGMENTS of kernels before 6.9. */
#define LINK_UDP_TRAIN_MAX 64u
/* struct virtio_net_hdr, kept here because its UDP segmentation is newer than the kernel
 * headers of Debian 12. */
#define LINK_UDP_VNET_LEN 10u
#define LINK_UDP_HEAD_MAX (LINK_UDP_VNET_LEN + WIRE_ETHER_VLAN_LEN + WIRE_CARRIER_UDP)

/* What may be made of the frames of one call. */
enum link_udp_how {
	LINK_UDP_TRAIN,	 /* trains, where the kernel takes them */
	LINK_UDP_SINGLE, /* a datagram each: realtime, which a receiver takes one by one */
	LINK_UDP_PROBE,	 /* trains; frames[0] is an announce, and may be sent twice */
};

enum link_udp_trains {
	LINK_UDP_OFF,	  /* one datagram per message: not wanted, or refused */
	LINK_UDP_UNTRIED, /* the first train will tell */
	LINK_UDP_ON,
};

struct link_udp {
	struct link_packet *link; /* borrowed */
	struct carrier_udp path;
	uint8_t ether[WIRE_ETHER_VLAN_LEN];
	uint32_t ether_len;
	bool vnet; /* the socket expects a virtio header before each message */
	enum link_udp_trains trains;
	int refused;	      /* errno with which the kernel refused trains, or 0 */
	uint64_t train_count; /* trains of at least two frames that were accepted */
	uint64_t probes;      /* second copies of an announce */
};

/* LINK is open and stays the caller's. Never fails: what the kernel lacks is done without. */
void link_udp_open(struct link_udp *udp, struct link_packet *link,
		   const struct tx_config *config);

/* Bytes in front of each datagram's frame on the wire. */
uint32_t link_udp_head_len(const struct link_udp *udp);

/*
 * Hand N <= LINK_UDP_BATCH frames of one lane to the kernel, in order; results as
 * link_packet_send().
 */
KM_MUST_CHECK enum km_rc link_udp_send(struct link_udp *udp, const struct iovec *frames,
				       unsigned n, enum link_udp_how how, unsigned *done);

#endif
