// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>

#include "return_watch.h"

#define SECOND UINT64_C(1000000000)

Test(return_watch, silence_says_nothing)
{
	struct return_watch w = {.last = 7};

	for (uint64_t s = 0; s < 200; s++)
		cr_assert_eq(return_watch_note(&w, 7, s * SECOND), RETURN_SAME);
}

Test(return_watch, a_flood_is_one_line)
{
	struct return_watch w = {.last = 7};

	cr_assert_eq(return_watch_note(&w, 8, 10 * SECOND), RETURN_BEGINS);
	for (uint64_t s = 11; s < 500; s++)
		cr_assert_eq(return_watch_note(&w, s, s * SECOND), RETURN_SAME);
}

Test(return_watch, drops_far_apart_are_one_bout_until_a_minute_is_quiet)
{
	struct return_watch w = {0};
	uint64_t s = 5, count = 1;

	cr_assert_eq(return_watch_note(&w, count, s * SECOND), RETURN_BEGINS);
	/* one frame every 59 s */
	for (unsigned i = 0; i < 10; i++) {
		s += 59;
		cr_assert_eq(return_watch_note(&w, count, s * SECOND), RETURN_SAME);
		cr_assert_eq(return_watch_note(&w, ++count, s * SECOND), RETURN_SAME);
	}
	cr_assert_eq(return_watch_note(&w, count, (s + 59) * SECOND), RETURN_SAME);
	cr_assert_eq(return_watch_note(&w, count, (s + 60) * SECOND), RETURN_ENDS);
	cr_assert_eq(return_watch_note(&w, count, (s + 61) * SECOND), RETURN_SAME);
	cr_assert_eq(return_watch_note(&w, count + 1, (s + 62) * SECOND), RETURN_BEGINS);
}

Test(return_watch, another_counter_is_no_news)
{
	struct return_watch w = {.last = 1000};

	cr_assert_eq(return_watch_note(&w, 3, 10 * SECOND), RETURN_SAME);
	cr_assert_eq(return_watch_note(&w, 4, 11 * SECOND), RETURN_BEGINS);
}
