// SPDX-License-Identifier: ISC
/*
 * The four rings of an AF_XDP socket, mapped: what sender and decode share with the kernel.
 * Whoever opens the socket is elsewhere (daemon/xsk_open.h); the rings can be mapped by any
 * process that holds it. Nothing here makes a system call but xsk_ring_map() and _unmap().
 *
 * A ring has two free-running indices. We own one of them: the producer's of TX and FILL, the
 * consumer's of RX and COMPLETION; HEAD is our private value of it, shown to the kernel by
 * xsk_ring_show(). Single-threaded. Verbs as in libxdp's xsk.h (reserve, submit, peek,
 * release), which cannot be used here: it maps rings only in the process that opens them.
 * Source: Documentation/networking/af_xdp.rst of Linux.
 */
#ifndef XSK_RING_H
#define XSK_RING_H

#include <linux/if_xdp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "km_err.h"

/* Newer than the headers of Debian 12 (Linux 6.6): frames of several buffers. */
#define XSK_BIND_USE_SG (1u << 4) /* flag of bind() */
#define XSK_DESC_CONTINUED                                                                 \
	(1u << 0) /* option of a descriptor: the frame goes on in the next */
/* Linux 6.18: descriptors that one wake-up in copy mode may take; else 32. */
#define XSK_OPT_TX_BUDGET 9
/* In front of a received frame in its chunk. */
#define XSK_HEADROOM 256u
/* Buffers of one frame at most: MAX_SKB_FRAGS + 1. */
#define XSK_FRAME_BUFFERS_MAX 18u

enum xsk_ring_kind { XSK_RING_RX, XSK_RING_TX, XSK_RING_FILL, XSK_RING_COMPLETION };

struct xsk_ring {
	uint32_t *producer, *consumer, *flags;
	void *desc; /* struct xdp_desc of RX and TX, else uint64_t addresses */
	uint32_t size, mask;
	uint32_t head; /* of the index that is ours */
	uint32_t *ours;
	const uint32_t *theirs;
	void *map;
	size_t map_len;
};

/* Map the ring KIND of SIZE entries (a power of two) of the socket FD. -1 with the reason. */
KM_MUST_CHECK int xsk_ring_map(struct xsk_ring *r, int fd, enum xsk_ring_kind kind,
			       uint32_t size, struct km_err *err);
/* Safe on a zeroed ring. */
void xsk_ring_unmap(struct xsk_ring *r);

static inline bool xsk_ring_produces(enum xsk_ring_kind kind)
{
	return kind == XSK_RING_TX || kind == XSK_RING_FILL;
}

/*
 * Entries between the two indices: where we consume, those that are there to be read; where we
 * produce, those that the kernel has not taken yet. More than SIZE is impossible: the caller
 * judges.
 */
static inline uint32_t xsk_ring_there(const struct xsk_ring *r)
{
	return __atomic_load_n(r->theirs, __ATOMIC_ACQUIRE) - r->head;
}
static inline uint32_t xsk_ring_pending(const struct xsk_ring *r)
{
	return r->head - __atomic_load_n(r->theirs, __ATOMIC_ACQUIRE);
}

/* The kernel may see everything before HEAD: written entries, or room for new ones. */
static inline void xsk_ring_show(struct xsk_ring *r)
{
	__atomic_store_n(r->ours, r->head, __ATOMIC_RELEASE);
}

/* The kernel sleeps: poll() (or, to send, sendto()) wakes it. */
static inline bool xsk_ring_asleep(const struct xsk_ring *r)
{
	return (__atomic_load_n(r->flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP) != 0;
}

static inline struct xdp_desc *xsk_ring_desc(const struct xsk_ring *r, uint32_t at)
{
	return (struct xdp_desc *)r->desc + (at & r->mask);
}
static inline uint64_t *xsk_ring_addr(const struct xsk_ring *r, uint32_t at)
{
	return (uint64_t *)r->desc + (at & r->mask);
}

#endif
