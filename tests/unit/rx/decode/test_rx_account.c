// SPDX-License-Identifier: ISC
/* account.c against a naive model that remembers every number for ever. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "rig.h"

#define NUMBERS 400000u

struct model {
	uint8_t seen[NUMBERS];
	uint8_t lost[NUMBERS]; /* as said by the account */
	uint64_t said, last_said, calls;
	bool any;
};

static void said(void *ctx, uint64_t first, uint64_t last)
{
	struct model *m = ctx;

	cr_assert(first <= last);
	cr_assert(!m->any || first > m->last_said, "ranges rise and do not overlap");
	m->any = true;
	m->last_said = last;
	m->calls++;
	for (uint64_t n = first; n <= last; n++) {
		if (n < NUMBERS)
			m->lost[n]++;
		m->said++;
	}
}

static struct account *fresh(uint64_t base, struct model *m)
{
	struct account *a = malloc(sizeof(*a));

	memset(m, 0, sizeof(*m));
	account_start(a, base, said, m);
	return a;
}

static struct model model;

Test(account, in_order_loses_nothing)
{
	struct account *a = fresh(0, &model);

	for (uint64_t n = 0; n < 200000; n++) {
		cr_assert_eq(account_judge(a, n), ACCOUNT_FRESH);
		cr_assert_not(account_take(a, n));
		cr_assert_eq(account_judge(a, n), ACCOUNT_DUPLICATE);
	}
	cr_assert(account_check(a));
	cr_assert_eq(a->taken, 200000);
	cr_assert_eq(a->pending + a->lost, 0);
	cr_assert_eq(account_judge(a, 200000 - ACCOUNT_WINDOW - 1), ACCOUNT_OLD);
	cr_assert_eq(account_judge(a, 200000 - ACCOUNT_WINDOW), ACCOUNT_DUPLICATE);
	free(a);
}

Test(account, ranges_are_frame_exact_and_merged)
{
	struct account *a = fresh(0, &model);

	for (uint64_t n = 0; n < 150000; n++)
		if (n != 7 && (n < 100 || n > 1099) && n != 1101)
			(void)account_take(a, n);
	account_tick(a, 1);
	cr_assert_eq(model.calls, 3);
	cr_assert_eq(model.said, 1002);
	for (uint64_t n = 0; n < 150000; n++)
		cr_assert_eq(model.lost[n], n == 7 || (n >= 100 && n <= 1099) || n == 1101);
	cr_assert(account_check(a));
	free(a);
}

Test(account, tail_is_known_from_a_heartbeat)
{
	struct account *a = fresh(0, &model);

	for (uint64_t n = 0; n < 10; n++)
		(void)account_take(a, n);
	account_heard(a, 15, 1000);
	cr_assert_eq(a->pending, 5);
	account_tick(a, 1000 + ACCOUNT_SETTLE_NS - 1);
	cr_assert_eq(a->lost, 0);
	(void)account_take(a, 12);
	account_tick(a, 1000 + ACCOUNT_SETTLE_NS);
	cr_assert_eq(a->lost, 4);
	cr_assert_eq(a->pending, 0);
	cr_assert(model.lost[10] && model.lost[11] && !model.lost[12] && model.lost[14]);
	cr_assert_eq(model.calls, 2);
	/* it comes after all: late, counted, and lost stays lost */
	cr_assert_eq(account_judge(a, 13), ACCOUNT_FRESH);
	cr_assert(account_take(a, 13));
	cr_assert_eq(a->late, 1);
	cr_assert_eq(a->lost, 4);
	cr_assert_eq(account_judge(a, 13), ACCOUNT_DUPLICATE);
	cr_assert(account_check(a));
	free(a);
}

Test(account, heartbeats_that_follow_each_other_all_settle)
{
	struct account *a = fresh(0, &model);
	uint64_t now_ns = 1;

	for (uint64_t i = 1; i <= 20; i++) {
		account_heard(a, i * 10, now_ns);
		account_tick(a, now_ns);
		cr_assert(account_check(a));
		now_ns += ACCOUNT_SETTLE_NS / 2;
	}
	/* each settles between 1 and 2 s after it was heard */
	cr_assert_geq(a->lost, 150);
	account_tick(a, now_ns + ACCOUNT_SETTLE_NS);
	account_tick(a, now_ns + 2 * ACCOUNT_SETTLE_NS);
	cr_assert_eq(a->lost, 200);
	cr_assert_eq(model.said, 200);
	free(a);
}

Test(account, jump_beyond_the_window)
{
	struct account *a = fresh(0, &model);

	(void)account_take(a, 3);
	(void)account_take(a, UINT64_C(5000000));
	cr_assert(account_check(a));
	cr_assert_eq(a->next, 5000001);
	cr_assert_eq(a->taken, 2);
	cr_assert_eq(a->pending, ACCOUNT_WINDOW - 1);
	account_end(a);
	cr_assert_eq(model.said, 5000001 - 2);
	cr_assert_eq(model.lost[3], 0);
	cr_assert_eq(model.calls, 2);
	cr_assert(account_check(a));
	free(a);
}

Test(account, floor_is_not_counted)
{
	struct account *a = fresh(1000, &model);

	cr_assert_eq(account_judge(a, 999), ACCOUNT_OLD);
	(void)account_take(a, 1002);
	account_end(a);
	cr_assert_eq(a->lost, 2);
	cr_assert(model.lost[1000] && model.lost[1001] && !model.lost[999]);
	cr_assert(account_check(a));
	free(a);
}

/* Random order, loss, copies and heartbeats. What the model holds true: a number is taken
 * at most once, everything below the window is taken or lost, and the sum holds at every
 * step. */
static void torture(uint64_t seed, uint64_t count, unsigned loss_ppm, unsigned reorder)
{
	struct account *a = fresh(0, &model);
	uint64_t state = seed, now_ns = 1, taken = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t n = i + (reorder ? rig_random(&state) % reorder : 0);
		enum account_verdict v;

		now_ns += 1000;
		if (rig_random(&state) % 1000000 < loss_ppm || n >= NUMBERS)
			continue;
		if (rig_random(&state) % 5000 == 0)
			account_heard(a, i, now_ns);
		if (rig_random(&state) % 1000 == 0)
			account_tick(a, now_ns);
		v = account_judge(a, n);
		if (n + ACCOUNT_WINDOW < a->next)
			cr_assert_eq(v, ACCOUNT_OLD);
		else
			cr_assert_eq(v, model.seen[n] ? ACCOUNT_DUPLICATE : ACCOUNT_FRESH);
		if (v == ACCOUNT_DUPLICATE)
			account_duplicate(a);
		if (v != ACCOUNT_FRESH)
			continue;
		model.seen[n] = 1;
		if (!account_take(a, n))
			taken++;
		cr_assert_eq(a->next - a->base, a->taken + a->pending + a->lost);
		if (i % 997 == 0)
			cr_assert(account_check(a));
	}
	account_end(a);
	cr_assert(account_check(a));
	cr_assert_eq(a->taken, taken);
	cr_assert_eq(a->pending, 0);
	cr_assert_eq(a->lost, model.said);
	for (uint64_t n = 0; n < a->next; n++) {
		cr_assert_leq(model.lost[n], 1);
		/* seen and lost at once only if it came late */
		cr_assert(model.seen[n] || model.lost[n]);
	}
	uint64_t both = 0;

	for (uint64_t n = 0; n < a->next; n++)
		both += model.seen[n] && model.lost[n];
	cr_assert_eq(both, a->late);
	free(a);
}

Test(account, random_against_the_model)
{
	uint64_t seed = rig_seed();

	torture(seed, 300000, 10000, 0);
	torture(seed + 1, 300000, 10000, 50);
	torture(seed + 2, 300000, 300000, 1000);
	torture(seed + 3, 200000, 100000, 70000);
	torture(seed + 4, 200000, 900000, 66000);
}
