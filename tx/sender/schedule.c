// SPDX-License-Identifier: ISC
#include "schedule.h"

#include <string.h>

void schedule_init(struct schedule *s, uint32_t frame_max, uint32_t share_percent)
{
	memset(s, 0, sizeof(*s));
	s->frame_cost = (uint64_t)frame_max * 100;
	s->credit_max = s->frame_cost * SCHEDULE_CREDIT_FRAMES;
	s->share_percent = share_percent;
}

int schedule_pick(const struct schedule *s, const bool waiting[LANE_COUNT], uint64_t *most)
{
	int first = -1;

	*most = UINT64_MAX;
	for (int lane = 0; lane < (int)LANE_COUNT; lane++) {
		if (!waiting[lane])
			continue;
		/* no credit lets the first go before those behind it: they would starve */
		if (first < 0)
			first = lane;
		else if (s->credit[lane] >= s->frame_cost) {
			*most = s->credit[lane] / 100;
			return lane;
		}
	}
	return first;
}

void schedule_sent(struct schedule *s, int lane, uint64_t bytes,
		   const bool waiting[LANE_COUNT])
{
	for (int i = 0; i < (int)LANE_COUNT; i++) {
		uint64_t cost = i == lane ? bytes * 100 : 0;

		if (!waiting[i]) {
			s->credit[i] = 0; /* shares are for those who wait */
			continue;
		}
		s->credit[i] += bytes * s->share_percent;
		s->credit[i] -= s->credit[i] < cost ? s->credit[i] : cost;
		if (s->credit[i] > s->credit_max)
			s->credit[i] = s->credit_max;
	}
}
