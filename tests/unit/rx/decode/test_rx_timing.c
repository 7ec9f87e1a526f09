// SPDX-License-Identifier: ISC
/* timing.c with clocks of its own: an offset that is found and followed, steps that are seen, and
 * delays that are told beyond the fastest. */
#include <criterion/criterion.h>
#include <string.h>

#include "timing.h"

#define MS UINT64_C(1000000)
#define S (1000 * MS)
/* Where the wall clocks of both stand; ours is 2 h behind tx's */
#define TX_WALL (UINT64_C(1790000000) * S)
#define BEHIND (7200 * S)

static struct timing_clock clock_;
static struct timing_delays delays;

/* Came at the moment AT (monotonic), having been on the way for DELAY. */
static bool note(uint64_t at, uint64_t delay)
{
	return timing_clock_note(&clock_, TX_WALL + at - delay, TX_WALL - BEHIND + at, at);
}

static uint64_t delay_of(uint64_t at, uint64_t delay)
{
	return timing_clock_delay(&clock_, TX_WALL + at, TX_WALL - BEHIND + at + delay);
}

Test(timing, delays_are_beyond_the_fastest)
{
	cr_assert_eq(timing_clock_offset(&clock_), 0);
	cr_assert_not(note(1 * S, 5 * MS));
	cr_assert_not(note(2 * S, 2 * MS));
	cr_assert_not(note(3 * S, 9 * MS));
	cr_assert_eq(timing_clock_offset(&clock_), -(int64_t)BEHIND + 2 * (int64_t)MS);
	cr_assert_eq(delay_of(4 * S, 9 * MS), 7 * MS);
	cr_assert_eq(delay_of(4 * S, 1 * MS), 0, "faster than the fastest is no delay");
}

/* 50 ppm apart: within two spans the estimate has followed. */
Test(timing, a_drifting_clock_is_followed)
{
	for (uint64_t at = 0; at < 600 * S; at += S / 2)
		cr_assert_not(timing_clock_note(&clock_, TX_WALL + at,
						TX_WALL + at + at / 20000 + 2 * MS, at));
	/* 600 s by 50 ppm are 30 ms; what is left is the drift of two spans at most */
	cr_assert_lt(timing_clock_delay(&clock_, TX_WALL + 600 * S,
					TX_WALL + 600 * S + 30 * MS + 2 * MS),
		     7 * MS);
	cr_assert_eq(clock_.steps, 0);
}

Test(timing, a_step_is_seen_either_way)
{
	uint64_t at = 0;
	bool seen = false;

	for (; at < 20 * S; at += S / 2)
		cr_assert_not(note(at, 2 * MS));
	/* tx's clock is set back by a second: everything seems to take a second longer */
	for (; at < 40 * S && !seen; at += S / 2)
		seen = note(at, 1002 * MS);
	cr_assert(seen);
	cr_assert_eq(clock_.step_ns, (int64_t)(1000 * MS));
	cr_assert_leq(at, 20 * S + 2 * TIMING_STEP_SPAN_NS + S);
	cr_assert_eq(delay_of(at, 1002 * MS), 0);
	/* and forward again: at once */
	cr_assert(note(at, 2 * MS));
	cr_assert_eq(clock_.step_ns, -(int64_t)(1000 * MS));
	cr_assert_eq(clock_.steps, 2);
}

/* A link that is full for a while makes everything late, but not everything equally: as long as
 * one in five seconds comes through, no clock has stepped. */
Test(timing, a_queue_is_no_step)
{
	unsigned i = 0;

	for (uint64_t at = 0; at < 120 * S; at += S / 10, i++)
		cr_assert_not(note(at, i % 40 == 0 ? 3 * MS : 900 * MS));
	cr_assert_eq(clock_.steps, 0);
	cr_assert_geq(delay_of(120 * S, 900 * MS), 890 * MS);
}

Test(timing, spans_end_whether_anything_comes_or_not)
{
	for (uint64_t at = 0; at < 30 * S; at += S)
		timing_delays_note(&delays, 8 * MS, TX_WALL + at, at);
	cr_assert_eq(timing_delays_most(&delays), 8000);
	cr_assert_geq(timing_delays_quantile(&delays, 500), 7500);
	timing_delays_tick(&delays, 61 * S);
	cr_assert_eq(timing_delays_most(&delays), 8000, "the span before still counts");
	timing_delays_tick(&delays, 122 * S);
	cr_assert_eq(timing_delays_most(&delays), 0);
	cr_assert_eq(timing_delays_quantile(&delays, 999), 0);
	cr_assert_eq(delays.last_rx_ns, TX_WALL + 29 * S);
	/* a long silence at once */
	timing_delays_note(&delays, 5 * MS, TX_WALL + 130 * S, 130 * S);
	timing_delays_tick(&delays, 130 * S + 3 * TIMING_SPAN_NS);
	cr_assert_eq(timing_delays_most(&delays), 0);
}
