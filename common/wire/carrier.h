// SPDX-License-Identifier: ISC
/*
 * What may stand between the Ethernet header and our frames: IPv4 and UDP with static
 * addresses, written and read by ourselves (docs/wire.md, "UDP"). Not an IP stack: no
 * options, no fragments, no ARP, no ICMP, nothing is ever answered.
 *
 * A datagram on the wire holds one frame. A sender hands a whole train of them to the kernel
 * at once, which cuts it into datagrams, and a receiving kernel may join some again, or never
 * have cut them. Such a train is made of pieces of one size, the last may be shorter, and the
 * size is that of its first frame: kernels segment and join no other way (docs/adr/0013). So
 * the walk below cuts where the kernel would, without asking it. Everything read here is
 * unauthenticated.
 *
 * Pure; never allocates. Any thread.
 */
#ifndef CARRIER_H
#define CARRIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "km_err.h"
#include "wire_limits.h"

struct carrier_end {
	uint8_t ip[4]; /* in the order in which it is written */
	uint16_t port;
};

struct carrier_udp {
	struct carrier_end from; /* reading: port 0 means that any sender is ours */
	struct carrier_end to;
};

/* ---- writing ------------------------------------------------------------------------- */

/* The WIRE_CARRIER_UDP bytes in front of LEN <= WIRE_CARRIER_PAYLOAD_MAX bytes of frames.
 * CHECKSUM stands in the UDP header as it is given. */
void carrier_udp_write(uint8_t *out, const struct carrier_udp *path, size_t len,
		       uint16_t checksum);

/* The UDP checksum over the LEN bytes at P, never 0. */
uint16_t carrier_udp_checksum(const struct carrier_udp *path, const uint8_t *p, size_t len);

/* What has to stand in its place when the kernel or the NIC completes the checksum: the sum
 * of the pseudo header, not complemented. */
uint16_t carrier_udp_partial(const struct carrier_udp *path, size_t len);

/* ---- reading ------------------------------------------------------------------------- */

enum carrier_verdict {
	CARRIER_OURS,
	CARRIER_FOREIGN, /* another protocol, address or port */
	CARRIER_BAD,	 /* ours by its addresses, but nothing that our sender writes */
};

/*
 * Judge the LEN bytes at P, which begin with the IP header and may end with padding of the
 * Ethernet frame. OURS: *PAYLOAD and *PAYLOAD_LEN are the bytes behind the UDP header. BAD is
 * a fragment, a header with options or a wrong checksum, a length that is not that of the
 * bytes at hand. TTL, DSCP, identification and the UDP checksum are not looked at: devices
 * on the way may change them, and every frame is authenticated by itself.
 */
KM_MUST_CHECK enum carrier_verdict carrier_udp_read(const struct carrier_udp *path,
						    const uint8_t *p, size_t len,
						    const uint8_t **payload,
						    size_t *payload_len);

/* The frames of one payload, one after another. */
struct carrier_walk {
	const uint8_t *p; /* borrowed */
	size_t left;
	bool many;    /* more frames may follow; else what follows one is padding */
	size_t piece; /* 0 before the first frame, then its size: that of all but the last */
};

/* One step: the next frame at *FRAME with its length in *FRAME_LEN and its header, KM_OK; or
 * why this piece is none, as frame_header_decode() says it. A refused piece costs itself
 * alone, but for the first: without its size, what is left is one refused frame. Go on while
 * walk->left > 0. */
KM_MUST_CHECK enum km_rc carrier_next(struct carrier_walk *walk,
				      struct frame_header *header, const uint8_t **frame,
				      size_t *frame_len);

#endif
