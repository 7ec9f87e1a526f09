// SPDX-License-Identifier: ISC
/* Strict by class, with a guaranteed share for every class that waits. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "schedule.h"

#define FRAME 9014u
#define SHARE 5u
#define BATCH 64u /* frames that a lane sends at once if it may */

/* N picks, each sending what it may up to a batch; bytes of each lane. */
static void run(const bool waiting[LANE_COUNT], unsigned n, uint32_t share,
		uint64_t sent[LANE_COUNT])
{
	struct schedule s;

	schedule_init(&s, FRAME, share);
	memset(sent, 0, sizeof(uint64_t) * LANE_COUNT);
	for (unsigned i = 0; i < n; i++) {
		uint64_t most, bytes;
		int lane = schedule_pick(&s, waiting, &most);

		cr_assert(lane >= 0 && waiting[lane]);
		bytes = most / FRAME < BATCH ? most / FRAME * FRAME : BATCH * FRAME;
		cr_assert(bytes > 0);
		sent[lane] += bytes;
		schedule_sent(&s, lane, bytes, waiting);
	}
}

static double part(const uint64_t sent[LANE_COUNT], unsigned lane)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < LANE_COUNT; i++)
		all += sent[i];
	return (double)sent[lane] / (double)all * 100;
}

Test(schedule, nothing_waits)
{
	struct schedule s;
	const bool waiting[LANE_COUNT] = {false};
	uint64_t most;

	schedule_init(&s, FRAME, SHARE);
	cr_assert(eq(int, schedule_pick(&s, waiting, &most), -1));
}

Test(schedule, a_lone_lane_gets_everything)
{
	for (unsigned lane = 0; lane < LANE_COUNT; lane++) {
		bool waiting[LANE_COUNT] = {false};
		uint64_t sent[LANE_COUNT];

		waiting[lane] = true;
		run(waiting, 100, SHARE, sent);
		cr_assert(eq(u64, sent[lane], 100ull * BATCH * FRAME));
	}
}

/* A flood of realtime: bulk keeps just what is guaranteed, whatever that is set to. */
Test(schedule, bulk_keeps_its_share_under_a_flood_of_realtime)
{
	const bool waiting[LANE_COUNT] = {[1] = true, [3] = true};
	uint64_t sent[LANE_COUNT];

	for (uint32_t share = 1; share <= SCHEDULE_SHARE_MAX; share++) {
		run(waiting, 20000, share, sent);
		cr_assert(part(sent, 3) > share * 0.99 && part(sent, 3) < share * 1.01,
			  "%.2f %% of bulk, %u guaranteed", part(sent, 3), share);
	}
}

Test(schedule, every_class_keeps_its_share_beside_a_runaway)
{
	const bool waiting[LANE_COUNT] = {true, true, true, true, true};
	uint64_t sent[LANE_COUNT];

	for (uint32_t share = 1; share <= SCHEDULE_SHARE_MAX; share++) {
		run(waiting, 50000, share, sent);
		for (unsigned lane = 1; lane < LANE_COUNT; lane++)
			cr_assert(part(sent, lane) > share * 0.98 &&
					  part(sent, lane) < share * 1.02,
				  "lane %u: %.2f %%, %u guaranteed", lane, part(sent, lane),
				  share);
	}
}

Test(schedule, no_share_is_strict_alone)
{
	const bool waiting[LANE_COUNT] = {[1] = true, [2] = true, [4] = true};
	uint64_t sent[LANE_COUNT];

	run(waiting, 10000, 0, sent);
	cr_assert(eq(u64, sent[2] + sent[4], 0));
}

/* What goes before a waiting higher class is what was earned, frame by frame. */
Test(schedule, beyond_its_share_nothing_goes_before_a_higher_class)
{
	struct schedule s;
	const bool waiting[LANE_COUNT] = {[1] = true, [3] = true};
	uint64_t others = 0, own = 0;

	schedule_init(&s, FRAME, SHARE);
	for (unsigned i = 0; i < 10000; i++) {
		uint64_t most;
		int lane = schedule_pick(&s, waiting, &most);
		uint64_t bytes = most < BATCH * FRAME ? most : BATCH * FRAME;

		if (lane == 3) {
			own += bytes;
			cr_assert(most <= (uint64_t)SCHEDULE_CREDIT_FRAMES * FRAME);
		} else {
			others += bytes;
			cr_assert(eq(u64, most, UINT64_MAX));
		}
		schedule_sent(&s, lane, bytes, waiting);
		cr_assert(own * 100 <= (others + own) * SHARE,
			  "%lu bytes before a waiting higher class that sent %lu",
			  (unsigned long)own, (unsigned long)others);
	}
	cr_assert(own > 0);
}

Test(schedule, waiting_long_buys_no_long_burst)
{
	struct schedule s;
	bool waiting[LANE_COUNT] = {[1] = true, [3] = true};
	unsigned run_length = 0;
	uint64_t most;

	schedule_init(&s, FRAME, SHARE);
	/* Lane 3 is shut out for long, as if each pick went to lane 1. */
	for (unsigned i = 0; i < 100000; i++)
		schedule_sent(&s, 1, FRAME, waiting);
	while (schedule_pick(&s, waiting, &most) == 3) {
		schedule_sent(&s, 3, FRAME, waiting);
		run_length++;
	}
	/* what it sends earns too */
	cr_assert(run_length >= SCHEDULE_CREDIT_FRAMES &&
		  run_length <= SCHEDULE_CREDIT_FRAMES * 100 / (100 - SHARE));
}

Test(schedule, credit_ends_with_the_wait)
{
	struct schedule s;
	bool both[LANE_COUNT] = {[1] = true, [3] = true}, one[LANE_COUNT] = {[1] = true};
	uint64_t most;

	schedule_init(&s, FRAME, SHARE);
	for (unsigned i = 0; i < 1000; i++)
		schedule_sent(&s, 1, FRAME, both);
	cr_assert(eq(int, schedule_pick(&s, both, &most), 3));
	schedule_sent(&s, 1, FRAME, one); /* lane 3 has nothing: it forgets */
	cr_assert(eq(int, schedule_pick(&s, both, &most), 1));
}
