// SPDX-License-Identifier: ISC
/*
 * Pacing: when the next bytes may leave. Two token buckets (the pair of RFC 2698, for
 * shaping), each kept as one absolute deadline:
 *
 *   rate   what was sent moves its deadline by its time at the configured rate. While frames
 *          wait, being late is made good: the average holds, and nothing drifts.
 *   peak   the same at the rate and an 8th, with at most one burst in hand: what was missed
 *          is made good at that pace, and a stall is never answered by a flood.
 *
 * What may be overshot, F being the largest frame: in every span of T seconds at most
 *
 *   burst + F + T * rate * 9/8      burst = min(BURST_FRAMES * F, PACE_LAG at the rate)
 *   PACE_LAG at the rate + F + T * rate
 *
 * so within 1 s at most 0.5 % and one frame. Being late by up to PACE_LAG now and then, or by
 * half a burst always, costs no rate; of a longer stall the rest is forgotten, and so is idle
 * time beyond a burst.
 *
 * Bytes are those from the Ethernet header to the end of the frame, for each frame (a train
 * counts the headers of all its frames); preamble, FCS and gap are not counted.
 *
 * Pure arithmetic on times that the caller reads; the caller waits. One thread.
 */
#ifndef PACE_H
#define PACE_H

#include <stdint.h>

/* How much lateness is made good. */
#define PACE_LAG_NS UINT64_C(5000000)
/* Above the rate by an 8th to make it good: a rate must lie so much below what loses. */
#define PACE_CATCH_UP 8u
/* Where a frame takes less than this, the next go together: a wake-up and a system call for
 * each would cost more than the sending. Never more than half a burst, the other half is for
 * the lateness of the wake-up. */
#define PACE_TOGETHER_NS UINT64_C(50000)

/* Frames of the largest size that may follow each other without a gap: a whole train (research:
 * batches of 32 to 64 lose nothing; more overruns small NIC queues). */
#define PACE_BURST_FRAMES 64u

struct pace_bucket {
	uint64_t bps;
	uint64_t due_ns; /* monotonic time from which the next byte may go */
	uint64_t carry;	 /* remainder of the division, in bit-ns: no drift at any rate */
};

struct pace {
	struct pace_bucket rate, peak;
	uint32_t frame_max;   /* bytes */
	uint64_t burst_ns;    /* of the peak: how far its deadline may lie in the past */
	uint64_t together_ns; /* how long after the deadline frames leave, then all due */
	uint64_t told_ns;     /* what pace_until_ns() said last; 0: nothing to wait for */
	uint64_t late_ns; /* how late one is woken: a moving mean, at most together_ns */
	uint64_t unpaced_bytes; /* allowance where nothing is paced */
};

/*
 * RATE_BPS: bits/s, up to 400 Gbit/s; 0: unpaced. FRAME_MAX: bytes of the largest frame, up to
 * 64 KiB and headers. BURST_FRAMES: such frames that may follow each other without a gap, up
 * to 128; PACE_BURST_FRAMES.
 */
void pace_init(struct pace *p, uint64_t rate_bps, uint32_t frame_max, uint32_t burst_frames,
	       uint64_t now_ns);

/* Nothing waited to be sent until now. */
void pace_idle(struct pace *p, uint64_t now_ns);

/* Something waits: 0 when it may go now, else the time to sleep until, which is not now. */
uint64_t pace_until_ns(struct pace *p, uint64_t now_ns);

/* How many bytes may go now, at least a largest frame; after pace_until_ns() has said 0. */
uint64_t pace_allowance(const struct pace *p, uint64_t now_ns);

/* BYTES were handed to the kernel. */
void pace_sent(struct pace *p, uint64_t bytes);

#endif
