// SPDX-License-Identifier: ISC
/*
 * The wall between tx source and tx sender: lanes of sealed frames. Layout
 * only. A lane is one ring of base/ring.h with split mappings: the page of
 * indices both sides map read-write, the slots (a second memfd, all lanes one
 * after the other) the sender maps read-only.
 *
 * A slot begins with its descriptor and holds one whole link frame: Ethernet
 * header, clear header, ciphertext, tag. With framing udp it holds the frame from the
 * clear header on, because there the sender writes one set of headers for a train of
 * frames. It is final when it is submitted; it may be reused when the sender has
 * released it, which means that the kernel
 * took the frame (or, with more than one link, that every link took or skipped it).
 * Frames of a lane leave in the order of the ring. The sender never looks into
 * a frame; what it needs stands in the descriptor, which it reads once. The Ethernet
 * header that leaves is the sender's own, not that of the slot.
 */
#ifndef LANE_H
#define LANE_H

#include <stddef.h>
#include <stdint.h>

#include "ring.h"
#include "wire_limits.h"

/* Lanes of a worker, one for each class, and workers: lane = worker x 8 + class on the wire.
 * Worker 0 is the source's own loop, the only one with frames of control and realtime. */
#define LANE_COUNT 5u
#define LANE_WORKERS_MAX (WIRE_LANES_MAX / WIRE_LANE_CLASSES)

/* All numbers are fixed at start by the supervisor from the configuration and
 * handed to both sides in this form (they never trust one from shared memory). */
struct lane_plan {
	uint32_t slots; /* power of two, per lane */
	uint32_t
		stride; /* bytes of a slot: an odd number of cache lines >= descriptor + frame */
	uint32_t workers; /* 1..LANE_WORKERS_MAX */
};

struct lane_desc {
	uint32_t
		length; /* bytes of the frame behind this, <= stride - sizeof(struct lane_desc) */
	uint32_t flags; /* enum lane_flags */
};

enum lane_flags {
	LANE_ANNOUNCE = 1u << 0, /* no lane sequence: not counted as accepted */
};

/* Link frames of a class may hold at most this much time of the configured rate, over the
 * lanes of all workers (DESIGN section 4): sizes lane_plan.slots. */
#define LANE_HOLD_REALTIME_NS 2000000ull
#define LANE_HOLD_BULK_NS 20000000ull
#define LANE_SLOTS_MIN 64u
#define LANE_SLOTS_MAX 16384u

/* Index memfd: one page of 4,096 bytes per ring, worker by worker, then one with the bells:
 * the sender's, and one for each worker, on which its rings sleep and wake. */
#define LANE_PAGE 4096u
struct lane_bell {
	_Alignas(64) struct bell bell;
};
struct lane_bells {
	struct lane_bell sender;
	struct lane_bell worker[LANE_WORKERS_MAX];
};

static inline unsigned lane_rings(const struct lane_plan *plan)
{
	return plan->workers * LANE_COUNT;
}
/* Place of a lane's ring in both memfds. */
static inline unsigned lane_ring(unsigned worker, unsigned class)
{
	return worker * LANE_COUNT + class;
}
static inline size_t lane_index_bytes(const struct lane_plan *plan)
{
	return (lane_rings(plan) + 1u) * (size_t)LANE_PAGE;
}
static inline void *lane_index_page(void *index, unsigned ring)
{
	return (uint8_t *)index + (size_t)ring * LANE_PAGE;
}
static inline struct lane_bells *lane_index_bells(void *index, const struct lane_plan *plan)
{
	return (struct lane_bells *)((uint8_t *)index +
				     lane_rings(plan) * (size_t)LANE_PAGE);
}
static inline size_t lane_ring_bytes(const struct lane_plan *plan)
{
	return (size_t)plan->slots * plan->stride;
}
/* Of the memfd with the slots of all rings. */
static inline size_t lane_slots_bytes(const struct lane_plan *plan)
{
	return lane_rings(plan) * lane_ring_bytes(plan);
}

/* Descriptors a role finds open, beside its control socket. */
enum lane_fd {
	TX_FD_CONFIG = 4, /* sealed copy of the configuration file */
	TX_FD_STATS = 5,
	TX_FD_LANE_INDEX = 6,
	TX_FD_LANE_SLOTS = 7, /* read-only for the sender */
	TX_FD_SIGN = 8,	      /* seqpacket between source and signer */
	TX_FD_KEYS = 9,	      /* signer: the roll of keys, keys_roll.h */
	TX_FD_PORT_RX = 10,   /* source: the interface's rx_packets, or absent */
	TX_FD_LIVE =
		16, /* source: where messages of each live channel come, one after the other */
	TX_FD_LISTEN = 32, /* a role of a kind: where producers of live channel i come */
	TX_FD_FEED = 48,   /* and where its messages go */
};
enum lane_stats_block {
	TX_STATS_SUPERVISOR = 0,
	TX_STATS_SOURCE = 1,
	TX_STATS_SIGNER = 2,
	TX_STATS_SENDER = 3,
	TX_STATS_LIVE = 4, /* the source's too: what each live channel counts */
	TX_STATS_STATE = 5,
	TX_STATS_STREAM = 6,
	TX_STATS_ROLES = 7,
};

#endif
