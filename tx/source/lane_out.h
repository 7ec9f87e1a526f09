// SPDX-License-Identifier: ISC
/*
 * lane_out: the last step of the source: a plain symbol becomes a sealed link frame in a
 * slot of its lane's ring. Keys, lane sequences and the Ethernet header live here. Sealing
 * is the copy: the ciphertext is written straight into the slot, and the slot is final when
 * it is submitted. Not a scheduler, and it never waits: no room is KM_ERR_FULL, and the
 * caller comes back; so a sealed frame is always sent and nothing is ever dropped here.
 * One thread of the source role, which is that of its worker (lanes.h: all workers).
 */
#ifndef LANE_OUT_H
#define LANE_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "km_err.h"
#include "lane.h"
#include "ring.h"
#include "seal.h"

/* Its worker writes all of it; the loop reads the counts of a lane that it has lent. */
struct lane_out_lane {
	struct ring ring;
	struct seal *seal;    /* NULL before the first session */
	_Atomic uint64_t seq; /* next lane sequence */
	_Atomic uint64_t
		submitted; /* frames ever given to the ring, unpublished ones included */
	_Atomic uint64_t released; /* of these, those the sender has finished */
	_Atomic uint64_t
		accepted;	/* released frames of this session, announces not counted */
	_Atomic uint64_t bytes; /* of link frames ever submitted */
	uint8_t *counted;	/* per slot: 1 if its frame counts as accepted */
	uint32_t pending;	/* final, but not yet shown to the sender */
};

/* Frames of a bulk class become visible to the sender in groups, so that a sender faster than
 * the source is woken once a group; lane_out_flush() shows the rest. */
#define LANE_OUT_GROUP 32u

struct lane_out {
	struct lane_plan plan;
	unsigned worker;
	struct lane_out_lane lane[LANE_COUNT];
	struct bell *bell; /* the worker's: rung when slots become free */
	uint8_t ether[WIRE_ETHER_VLAN_LEN];
	uint32_t ether_len;
	uint32_t tag; /* of the session */
	bool keyed;
	_Atomic bool dead; /* a ring broke its rules: the pair has to end */
};

/* The shared memory of all rings, as lane.h lays it out; stays mapped by the caller. */
struct lane_out_memory {
	void *index; /* formatted by the supervisor */
	size_t index_len;
	void *slots;
	size_t slots_len;
};

/*
 * Attach to the rings of a worker. ether: the
 * ether_len (14 or 18; 0 with framing udp) bytes that begin every slot's frame. -1 with err
 * when the memory does not fit the plan.
 */
KM_MUST_CHECK int lane_out_open(struct lane_out *out, const struct lane_plan *plan,
				unsigned worker, const struct lane_out_memory *memory,
				const uint8_t *ether, uint32_t ether_len,
				struct km_err *err);

/* Wipes keys, frees; the mappings stay the caller's. */
void lane_out_close(struct lane_out *out);

/*
 * A new session: derive the keys of all lanes, sequences from 0. Frames of the session
 * before that are still in the rings leave, but no longer count as accepted.
 */
KM_MUST_CHECK int lane_out_key(struct lane_out *out, const uint8_t secret[SEAL_SECRET_LEN],
			       const uint8_t transcript[SEAL_TRANSCRIPT_LEN],
			       struct km_err *err);

/* lane, here and below: the class. Frames that fit into its ring now. */
uint32_t lane_out_room(struct lane_out *out, unsigned lane);

/*
 * Seal one symbol of len bytes into lane (= class). The caller has filled type, channel,
 * code, window, index, depth, M, k, m, stream and symbol_size; the rest is filled here.
 * KM_ERR_FULL: no room. KM_ERR_STATE: no session, or the ring is dead. KM_ERR_LIMIT: the
 * lane's sequence space is used up. KM_ERR_RANGE: longer than a slot.
 */
KM_MUST_CHECK enum km_rc lane_out_seal(struct lane_out *out, unsigned lane,
				       struct frame_header *header, const uint8_t *plain,
				       size_t len);

/* Put an announce on the control lane: not sealed, no sequence. Errors as above. */
KM_MUST_CHECK enum km_rc lane_out_announce(struct lane_out *out, const uint8_t *bytes,
					   size_t len);

/* Show the sender what is still held back: before every rest, and before waiting for it. */
void lane_out_flush(struct lane_out *out);

/* Flush, and read how far the sender has come, on all lanes. */
void lane_out_refresh(struct lane_out *out);

/* True when the sender has released everything that was submitted (as of refresh). */
bool lane_out_drained(const struct lane_out *out);

/* Flush, and sleep until the sender frees a slot of any lane, at most timeout_ns. */
void lane_out_sleep(struct lane_out *out, uint64_t timeout_ns);

#endif
