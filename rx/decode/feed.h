// SPDX-License-Identifier: ISC
/*
 * Where frames come from: peek a batch, use it, release it. Four back ends behind the same
 * verbs (rx/wall/intake.h says their shapes):
 *
 * ring	the mapped TPACKET_V3 ring of the socket that capture handed over. Frames are read
 *	where the kernel put them. The kernel is trusted; its offsets are checked
 *	nevertheless.
 * slots	the mapped TPACKET_V2 ring beside it: frame by frame, for what must not wait until a
 *	block is full. The same trust.
 * xdp	the memory and rings of an AF_XDP socket: frame by frame, the same trust; feed_xdp.h.
 * pump	a shared ring that capture fills. Capture is not trusted: each frame is copied to
 *	private memory first, so that nothing changes between the check and the use.
 *
 * Frames are not looked at here. After set-up: poll, futex, getsockopt, nothing else.
 */
#ifndef FEED_H
#define FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "feed_xdp.h"
#include "intake.h"
#include "km_err.h"
#include "ring.h"

struct feed_frame {
	const uint8_t *p; /* Ethernet header first; valid until feed_release() */
	uint32_t len;
	uint32_t wire_len; /* larger than len: cut short */
	int vlan;	   /* id of a tag that the kernel took off, -1 = none */
};

struct feed {
	uint32_t form; /* enum intake_form; 0: not there, nothing ever comes */
	bool ended;    /* pump: the recorded file is at its end */
	uint64_t bad;  /* impossible offsets or lengths */
	/* ring; slots: each slot is a block */
	int sock;
	uint8_t *map;
	uint32_t block_bytes, blocks;
	uint32_t block; /* the one we read */
	uint32_t left; /* ring: frames of it not yet peeked; slots: peeked, from block on */
	uint32_t offset; /* of the next one */
	bool held;	 /* the block is ours */
	/* pump */
	struct ring ring;
	uint8_t *bounce; /* frame_max bytes, the caller's */
	uint32_t frame_max;
	uint32_t peeked;
	uint32_t drops_seen;
	uint64_t drops_new;
	struct feed_xdp xdp;
};

/* What capture has handed over, kept by the caller for as long as the feed. */
struct feed_xdp_fds {
	int sock, umem, foreign;
};

/* Map the ring of SOCK (kept by the caller for as long as the feed). -1 with the
 * reason. */
KM_MUST_CHECK int feed_ring_open(struct feed *f, int sock, const struct intake_plan *plan,
				 struct km_err *err);

/* The same for the realtime ring of SOCK. */
KM_MUST_CHECK int feed_slots_open(struct feed *f, int sock, const struct intake_plan *plan,
				  struct km_err *err);

/* Map what FDS are. -1 with the reason. */
KM_MUST_CHECK int feed_xdp_open(struct feed *f, const struct feed_xdp_fds *fds,
				const struct intake_plan *plan, struct km_err *err);

/* Attach as the consumer of the pump ring in MEM. BOUNCE has plan->frame_max bytes. */
KM_MUST_CHECK enum km_rc feed_pump_open(struct feed *f, void *mem, size_t len,
					const struct intake_plan *plan, uint8_t *bounce);

/* Up to MAX frames; 0 when there are none now. One peek, then one release. */
unsigned feed_peek(struct feed *f, struct feed_frame *frames, unsigned max);
void feed_release(struct feed *f);

/* Sleep until F or REALTIME (may be form 0) may have frames, at most TIMEOUT_MS. */
void feed_wait(const struct feed *realtime, struct feed *f, int timeout_ms);

/* Slots: look without sleeping, until there is a frame or NS have passed. */
void feed_slots_spin(const struct feed *f, uint64_t ns);

/* Frames dropped for us before we could see them, since the last call. Once a second. */
uint64_t feed_drops(struct feed *f);

/* Xdp: frames of others that the program has dropped, since the last call. Once a second. */
uint64_t feed_xdp_foreign(struct feed *f);

/* The back ends, for feed.c. */
unsigned feed_ring_peek(struct feed *f, struct feed_frame *frames, unsigned max);
void feed_ring_release(struct feed *f);
bool feed_ring_ready(const struct feed *f);
uint64_t feed_ring_drops(struct feed *f);
unsigned feed_slots_peek(struct feed *f, struct feed_frame *frames, unsigned max);
void feed_slots_release(struct feed *f);
bool feed_slots_ready(const struct feed *f);
uint64_t feed_slots_drops(struct feed *f);
unsigned feed_xdp_peek(struct feed *f, struct feed_frame *frames, unsigned max);
void feed_xdp_release(struct feed *f);
bool feed_xdp_ready(const struct feed *f);
uint64_t feed_xdp_drops(struct feed *f);
unsigned feed_pump_peek(struct feed *f, struct feed_frame *frame);
void feed_pump_release(struct feed *f);
void feed_pump_wait(struct feed *f, int timeout_ms);

#endif
