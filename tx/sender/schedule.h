// SPDX-License-Identifier: ISC
/*
 * Which class sends next ("lane" here: the lanes of a class, of all workers): strict by class,
 * each class with a guaranteed share, so that a runaway high class cannot silence a low one.
 * Pure; one thread.
 *
 * While a lane waits it earns its share of every byte that leaves, and pays for its own. A
 * lane that has earned a whole frame goes before a higher one (the highest of those first),
 * with no more than it has earned; else the highest waiting class goes. So a class that
 * always waits sends at least its share of all bytes, of those that the link really takes,
 * and beyond that no frame goes before a waiting one of a higher class.
 */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "lane.h"

/* Earnings beyond this are forgotten: a long wait buys no long burst. More than the largest
 * share of one batch of another lane (a train of 64 frames) and of those of all between. */
#define SCHEDULE_CREDIT_FRAMES 32u
/* One lane's largest share: the shares of all together are not more than there is. */
#define SCHEDULE_SHARE_MAX (100u / LANE_COUNT)

struct schedule {
	uint64_t credit[LANE_COUNT]; /* in 1/100 bytes */
	uint64_t credit_max;
	uint64_t frame_cost;	/* one largest frame, in 1/100 bytes */
	uint64_t share_percent; /* of each lane */
};

/* FRAME_MAX in bytes; SHARE_PERCENT 0..SCHEDULE_SHARE_MAX, 0: strict by class alone. */
void schedule_init(struct schedule *s, uint32_t frame_max, uint32_t share_percent);

/*
 * The lane to serve, given which lanes have frames; -1 when none has. *MOST: bytes that it
 * may send before the next pick, UINT64_MAX where no higher lane waits.
 */
int schedule_pick(const struct schedule *s, const bool waiting[LANE_COUNT], uint64_t *most);

/* LANE sent BYTES while WAITING lanes had frames too. */
void schedule_sent(struct schedule *s, int lane, uint64_t bytes,
		   const bool waiting[LANE_COUNT]);

#endif
