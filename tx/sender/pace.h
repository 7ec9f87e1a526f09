// SPDX-License-Identifier: ISC
/*
 * Pacing: a token bucket kept as one absolute deadline. What was sent moves the
 * deadline by its time at the configured rate; being late is made good, up to
 * `burst_ns`, so the average is met and a stall is never answered by a flood.
 * Pure arithmetic on times that the caller reads; the caller sleeps.
 */
#ifndef PACE_H
#define PACE_H

#include <stdint.h>

/* Frames of the largest size that may follow each other without a gap
 * (research: batches of 32 to 64 lose nothing; more overruns small NIC queues). */
#define PACE_BURST_FRAMES 32u

struct pace {
	uint64_t rate_bps; /* bits/s */
	uint64_t burst_ns; /* how far the deadline may lie in the past */
	uint64_t due_ns;   /* monotonic time at which the next frame may go */
	uint64_t carry;	   /* remainder of the division, in bit-ns: no drift at any rate */
};

void pace_init(struct pace *p, uint64_t rate_bps, uint32_t frame_max, uint64_t now_ns);

/* Nanoseconds until the next frame may go; 0 = now. */
uint64_t pace_wait_ns(struct pace *p, uint64_t now_ns);

/* BYTES were handed to the kernel. */
void pace_sent(struct pace *p, uint64_t bytes);

/* How many bytes may go now before the bucket is empty, at least one frame. */
uint64_t pace_allowance(const struct pace *p, uint64_t now_ns, uint32_t frame_max);

#endif
