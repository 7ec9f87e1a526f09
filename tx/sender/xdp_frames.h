// SPDX-License-Identifier: ISC
/*
 * Frames on their way through an AF_XDP socket: chunks of memory shared with the kernel, the
 * TX ring that gives them to it, the completion ring that brings them back. Pure but for that
 * memory: no system call (link_xdp.h makes them).
 *
 * A chunk is free or out. It goes out when a descriptor names it and is free again when its
 * completion comes, in whatever order; until then it is not touched. A completion for a chunk
 * that is not out, or for none, is impossible and counted: it frees nothing.
 */
#ifndef XDP_FRAMES_H
#define XDP_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "wire_limits.h"
#include "xsk_ring.h"

struct xdp_frames {
	struct xsk_ring tx, completion; /* set by whoever opened them, before init */
	uint8_t *umem;			/* chunks * chunk bytes, borrowed */
	uint32_t chunk, chunks;
	uint32_t *free; /* numbers of free chunks, a stack */
	uint32_t n_free;
	uint8_t *out;	     /* for each chunk: the kernel has it */
	uint64_t violations; /* completions that cannot be */
	/* What every frame begins with, as in link_packet.h; set after init. */
	uint8_t head[WIRE_ETHER_VLAN_LEN];
	uint32_t head_len;
};

/* Bytes of the private memory that xdp_frames_init() wants, aligned to 8. */
size_t xdp_frames_bytes(uint32_t chunks);
/* All chunks free. CHUNK is a power of two; MEMORY has xdp_frames_bytes(), zeroed, and stays the
 * caller's, as UMEM does. */
void xdp_frames_init(struct xdp_frames *f, uint8_t *umem, uint32_t chunk, uint32_t chunks,
		     void *memory);

/* Copy one frame into free chunks and write its descriptors; nothing of it is seen by the kernel
 * before xdp_frames_submit(). False when chunks or room in the ring do not suffice now. */
KM_MUST_CHECK bool xdp_frames_put(struct xdp_frames *f, const struct iovec *frame);
void xdp_frames_submit(struct xdp_frames *f);

/* Descriptors submitted that the kernel has not taken yet. */
uint32_t xdp_frames_waiting(const struct xdp_frames *f);

/* Take back what is completed; the number of chunks. */
unsigned xdp_frames_reap(struct xdp_frames *f);

#endif
