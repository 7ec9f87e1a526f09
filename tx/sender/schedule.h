// SPDX-License-Identifier: ISC
/*
 * Which lane sends next: strict by class, each class with a guaranteed share,
 * so that a runaway high class cannot silence a low one. Pure.
 *
 * While a lane waits it earns SCHEDULE_SHARE of every byte that others send; a
 * lane that has earned a whole frame goes first (the highest class of those),
 * else the highest waiting class goes.
 */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "lane.h"

#define SCHEDULE_SHARE_PERCENT 5u
/* Earnings beyond this are forgotten: a long wait buys no long burst. */
#define SCHEDULE_CREDIT_FRAMES 8u

struct schedule {
	uint64_t credit[LANE_COUNT]; /* in 1/100 bytes */
	uint64_t credit_max;
	uint64_t frame_cost; /* one largest frame, in 1/100 bytes */
};

void schedule_init(struct schedule *s, uint32_t frame_max);

/* The lane to serve, given which lanes have frames; -1 when none has. */
int schedule_pick(const struct schedule *s, const bool waiting[LANE_COUNT]);

/* LANE sent BYTES while WAITING lanes had frames too. */
void schedule_sent(struct schedule *s, int lane, uint64_t bytes,
		   const bool waiting[LANE_COUNT]);

#endif
