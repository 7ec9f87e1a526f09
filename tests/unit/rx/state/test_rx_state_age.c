// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>

#include "rx_state_age.h"

#define S UINT64_C(1000000000)
#define MS UINT64_C(1000000)
/* tx's clock is half an hour behind ours, messages take 3 ms and more. */
#define TX(real_ns) ((real_ns)-1800 * S)
#define REAL (1000000 * S)

static struct rx_state_age a;

/* A message sent SENT after the start arrives DELAY later. */
static void message(uint64_t sent, uint64_t delay)
{
	rx_state_age_note(&a, TX(REAL + sent), sent + delay);
}

Test(rx_state_age, what_is_above_the_least_difference_is_age)
{
	rx_state_age_init(&a, REAL, 0);
	cr_assert_eq(rx_state_age_of(&a, TX(REAL), S), 0, "nobody knows");
	message(S, 10 * MS);
	cr_assert_eq(rx_state_age_of(&a, TX(REAL + S), S + 10 * MS), 0);
	message(2 * S, 3 * MS);
	cr_assert_eq(rx_state_age_of(&a, TX(REAL + 2 * S), 2 * S + 3 * MS), 0);
	message(3 * S, 53 * MS);
	cr_assert_eq(rx_state_age_of(&a, TX(REAL + 3 * S), 3 * S + 53 * MS), 50 * MS);
	/* said again: happened a minute before it was sent */
	cr_assert_eq(rx_state_age_of(&a, TX(REAL + 3 * S - 60 * S), 3 * S + 53 * MS),
		     60 * S + 50 * MS);
}

Test(rx_state_age, never_negative)
{
	rx_state_age_init(&a, REAL, 0);
	message(S, 3 * MS);
	cr_assert_eq(rx_state_age_of(&a, TX(REAL + 5 * S), S + 3 * MS), 0);
}

Test(rx_state_age, a_clock_that_is_set_forward_counts_at_once)
{
	rx_state_age_init(&a, REAL, 0);
	message(S, 3 * MS);
	rx_state_age_note(&a, TX(REAL + 3602 * S), 2 * S + 3 * MS);
	cr_assert_eq(rx_state_age_of(&a, TX(REAL + 3602 * S), 2 * S + 3 * MS), 0);
	cr_assert_eq(rx_state_age_of(&a, TX(REAL + 3601 * S), 2 * S + 3 * MS), S);
}

Test(rx_state_age, a_clock_that_is_set_back_begins_anew)
{
	rx_state_age_init(&a, REAL, 0);
	message(5000 * S, 3 * MS);
	rx_state_age_note(&a, TX(REAL + 1401 * S), 5001 * S + 3 * MS);
	cr_assert_eq(rx_state_age_of(&a, TX(REAL + 1401 * S), 5001 * S + 3 * MS), 0);
	/* a little back is no step: two processors, or a clock that is slewed */
	rx_state_age_note(&a, TX(REAL + 1400 * S + 500 * MS), 5001 * S + 4 * MS);
	cr_assert_eq(rx_state_age_of(&a, TX(REAL + 1400 * S + 500 * MS), 5001 * S + 4 * MS),
		     501 * MS);
}

/* Set back while nothing came: wrong for the span, and right again after it. */
Test(rx_state_age, the_least_of_long_ago_is_forgotten)
{
	uint64_t now = 5000 * S;

	rx_state_age_init(&a, REAL, 0);
	message(0, 3 * MS);
	rx_state_age_note(&a, TX(REAL + 4900 * S), now);
	cr_assert_eq(rx_state_age_of(&a, TX(REAL + 4900 * S), now), 0,
		     "the first was two spans ago");
	rx_state_age_init(&a, REAL, 0);
	message(0, 3 * MS);
	for (now = S; now < 600 * S; now += S)
		rx_state_age_note(&a, TX(REAL + now - S / 2), now);
	cr_assert_eq(rx_state_age_of(&a, TX(REAL + now - S / 2), now), 497 * MS);
	for (; now < 602 * S; now += S)
		rx_state_age_note(&a, TX(REAL + now - S / 2), now);
	cr_assert_eq(rx_state_age_of(&a, TX(REAL + now - S / 2), now), 0);
}

Test(rx_state_age, alarms_ring_once_each_and_are_lifted_by_something_young)
{
	enum rx_state_alarm alarm = RX_STATE_FRESH;

	alarm = rx_state_alarm_next(alarm, 30 * S, 30 * S);
	cr_assert_eq(alarm, RX_STATE_FRESH);
	alarm = rx_state_alarm_next(alarm, 30 * S + 1, 30 * S);
	cr_assert_eq(alarm, RX_STATE_STALE);
	alarm = rx_state_alarm_next(alarm, 29 * S, 30 * S);
	cr_assert_eq(alarm, RX_STATE_STALE, "at the edge it does not change to and fro");
	alarm = rx_state_alarm_next(alarm, 15 * S, 30 * S);
	cr_assert_eq(alarm, RX_STATE_STALE);
	alarm = rx_state_alarm_next(alarm, 90 * S, 30 * S);
	cr_assert_eq(alarm, RX_STATE_STALE);
	alarm = rx_state_alarm_next(alarm, 91 * S, 30 * S);
	cr_assert_eq(alarm, RX_STATE_DEAD);
	alarm = rx_state_alarm_next(alarm, 40 * S, 30 * S);
	cr_assert_eq(alarm, RX_STATE_DEAD);
	alarm = rx_state_alarm_next(alarm, 15 * S - 1, 30 * S);
	cr_assert_eq(alarm, RX_STATE_FRESH);
}
