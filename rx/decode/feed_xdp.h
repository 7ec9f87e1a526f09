// SPDX-License-Identifier: ISC
/*
 * The AF_XDP form of feed.h: chunks of shared memory that the kernel fills, described by the RX
 * ring and given back by the fill ring. Only feed.h includes this.
 *
 * A frame of one buffer is read where it lies; one of several is copied into a bounce slot, of
 * which one peek has FEED_XDP_BOUNCES. The kernel is trusted; its descriptors are checked
 * nevertheless: within the memory, within a chunk, and each chunk once. One that fails costs the
 * frame it is part of, counted in feed.bad, and its chunk when that is not known to be ours.
 */
#ifndef FEED_XDP_H
#define FEED_XDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xsk_ring.h"

#define FEED_XDP_BOUNCES 32u
/* Frames of one peek, and their buffers: what release gives back. */
#define FEED_XDP_PEEK_BUFFERS 256u

struct feed_xdp {
	struct xsk_ring rx, fill;
	const uint8_t *umem; /* read-only */
	size_t umem_len;
	uint32_t chunk, chunks;
	uint8_t *here;	    /* for each chunk: we have it, not the kernel */
	uint8_t *bounce;    /* FEED_XDP_BOUNCES * frame_max */
	size_t private_len; /* of the mapping that begins at here */
	uint32_t held;	    /* buffers of the frames peeked, to be given back */
	uint32_t hold[FEED_XDP_PEEK_BUFFERS]; /* their chunks */
	const uint64_t *foreign;	      /* the program's count */
	uint64_t foreign_seen;
	uint64_t drops_seen, starved_seen, invalid_seen; /* as last read */
	uint64_t starved; /* the kernel found no free chunk */
	uint64_t invalid; /* it refused an address that we gave back */
};

#endif
