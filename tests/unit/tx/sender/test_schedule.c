// SPDX-License-Identifier: ISC
/* Strict by class, with a guaranteed share for every class that waits. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "schedule.h"

#define FRAME 9014u

static void run(const bool waiting[LANE_COUNT], unsigned frames, unsigned sent[LANE_COUNT])
{
	struct schedule s;

	schedule_init(&s, FRAME);
	memset(sent, 0, sizeof(unsigned) * LANE_COUNT);
	for (unsigned i = 0; i < frames; i++) {
		int lane = schedule_pick(&s, waiting);

		cr_assert(lane >= 0 && waiting[lane]);
		sent[lane]++;
		schedule_sent(&s, lane, FRAME, waiting);
	}
}

Test(schedule, nothing_waits)
{
	struct schedule s;
	const bool waiting[LANE_COUNT] = {false};

	schedule_init(&s, FRAME);
	cr_assert(eq(int, schedule_pick(&s, waiting), -1));
}

Test(schedule, a_lone_lane_gets_everything)
{
	for (unsigned lane = 0; lane < LANE_COUNT; lane++) {
		bool waiting[LANE_COUNT] = {false};
		unsigned sent[LANE_COUNT];

		waiting[lane] = true;
		run(waiting, 100, sent);
		cr_assert(eq(uint, sent[lane], 100));
	}
}

Test(schedule, every_class_keeps_its_share_beside_a_runaway)
{
	const bool waiting[LANE_COUNT] = {true, true, true, true, true};
	unsigned sent[LANE_COUNT];

	run(waiting, 10000, sent);
	for (unsigned lane = 1; lane < LANE_COUNT; lane++) {
		cr_assert(sent[lane] >= 400, "lane %u starves: %u of 10000", lane,
			  sent[lane]);
		cr_assert(sent[lane] <= 600, "lane %u takes more than its share: %u", lane,
			  sent[lane]);
	}
	cr_assert(sent[0] >= 7600);
}

Test(schedule, waiting_long_buys_no_long_burst)
{
	struct schedule s;
	bool waiting[LANE_COUNT] = {[1] = true, [3] = true};
	unsigned run_length = 0;

	schedule_init(&s, FRAME);
	/* Lane 3 is shut out for long, as if each pick went to lane 1. */
	for (unsigned i = 0; i < 100000; i++)
		schedule_sent(&s, 1, FRAME, waiting);
	while (schedule_pick(&s, waiting) == 3) {
		schedule_sent(&s, 3, FRAME, waiting);
		run_length++;
	}
	cr_assert(eq(uint, run_length, SCHEDULE_CREDIT_FRAMES));
}

Test(schedule, credit_ends_with_the_wait)
{
	struct schedule s;
	bool both[LANE_COUNT] = {[1] = true, [3] = true}, one[LANE_COUNT] = {[1] = true};

	schedule_init(&s, FRAME);
	for (unsigned i = 0; i < 1000; i++)
		schedule_sent(&s, 1, FRAME, both);
	schedule_sent(&s, 1, FRAME, one); /* lane 3 has nothing: it forgets */
	cr_assert(eq(int, schedule_pick(&s, both), 1));
}
