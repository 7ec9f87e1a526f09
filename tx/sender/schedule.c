// SPDX-License-Identifier: ISC
#include "schedule.h"

#include <string.h>

void schedule_init(struct schedule *s, uint32_t frame_max)
{
	memset(s, 0, sizeof(*s));
	s->frame_cost = (uint64_t)frame_max * 100;
	s->credit_max = s->frame_cost * SCHEDULE_CREDIT_FRAMES;
}

int schedule_pick(const struct schedule *s, const bool waiting[LANE_COUNT])
{
	int first = -1;

	for (int lane = 0; lane < (int)LANE_COUNT; lane++) {
		if (!waiting[lane])
			continue;
		if (s->credit[lane] >= s->frame_cost)
			return lane;
		if (first < 0)
			first = lane;
	}
	return first;
}

void schedule_sent(struct schedule *s, int lane, uint64_t bytes,
		   const bool waiting[LANE_COUNT])
{
	uint64_t cost = bytes * 100;

	s->credit[lane] -= s->credit[lane] < cost ? s->credit[lane] : cost;
	for (int other = 0; other < (int)LANE_COUNT; other++) {
		if (other == lane)
			continue;
		if (!waiting[other]) {
			s->credit[other] = 0; /* shares are for those who wait */
			continue;
		}
		s->credit[other] += bytes * SCHEDULE_SHARE_PERCENT;
		if (s->credit[other] > s->credit_max)
			s->credit[other] = s->credit_max;
	}
}
