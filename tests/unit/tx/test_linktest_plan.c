// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <string.h>

#include "linktest_plan.h"

static const struct linktest_wish usual = {.burst = 65536,
					   .mtu = 9000,
					   .speed_bps = UINT64_C(10000000000),
					   .rate_bps = 1000000000};

static struct linktest_plan make(const struct linktest_wish *wish)
{
	struct linktest_plan plan;
	struct km_err err = KM_ERR_INIT;

	cr_assert_eq(linktest_plan_make(&plan, wish, &err), 0, "%s", err.text);
	cr_assert_eq(linktest_plan_check(&plan), KM_OK);
	return plan;
}

Test(linktest_plan, defaults)
{
	struct linktest_plan plan = make(&usual);

	cr_assert(plan.sizes == 3 && plan.size[0] == 512 && plan.size[1] == 1500 &&
		  plan.size[2] == 9000);
	cr_assert_eq(plan.rates, 12);
	cr_assert(plan.rate_kbps[0] == 500000 && plan.rate_kbps[11] == 10000000);
	cr_assert(plan.burst_first == 64 && plan.bursts == 11);
	cr_assert(plan.step_ms == 1000 && plan.pause_ms == 200);
	/* 36 steps of a second with their pauses, and the bursts */
	cr_assert_geq(linktest_plan_ms(&plan), 36 * 1190);
	cr_assert_leq(linktest_plan_ms(&plan), 36 * 1200 + 11 * 5200);
}

Test(linktest_plan, quick_and_small)
{
	struct linktest_wish wish = usual;
	struct linktest_plan plan;

	wish.quick = true;
	wish.mtu = 1500;
	wish.speed_bps = 0; /* then the configured rate is the highest */
	plan = make(&wish);
	cr_assert(plan.sizes == 2 && plan.size[1] == 1500);
	cr_assert(plan.rates == 4 && plan.rate_kbps[3] == 1000000);
	cr_assert_eq(plan.step_ms, 250);
	wish.seconds = 3;
	wish.max_rate_mbps = 200;
	wish.burst = 0;
	plan = make(&wish);
	cr_assert(plan.step_ms == 3000 && plan.rate_kbps[3] == 200000 && plan.bursts == 0);
}

Test(linktest_plan, lists)
{
	struct linktest_wish wish = usual;
	struct linktest_plan plan;

	wish.sizes = "9000,256,1500,256";
	wish.rates = "900,1,50";
	wish.burst = 10;
	plan = make(&wish);
	cr_assert(plan.sizes == 3 && plan.size[0] == 256 && plan.size[2] == 9000);
	cr_assert(plan.rates == 3 && plan.rate_kbps[0] == 1000 &&
		  plan.rate_kbps[2] == 900000);
	cr_assert(plan.burst_first == 10 && plan.bursts == 1);
}

/* A slow link: no burst that the receiver would not sit out. */
Test(linktest_plan, bursts_take_no_longer_than_a_receiver_waits)
{
	struct linktest_wish wish = usual;
	struct linktest_step steps[LINKTEST_STEPS_MAX];
	struct linktest_plan plan;
	unsigned n;

	wish.max_rate_mbps = 10;
	plan = make(&wish);
	n = linktest_steps(&plan, steps);
	cr_assert_lt(plan.bursts, 11);
	cr_assert_lt(steps[n - 1].away_ms, LINKTEST_AWAY_MS_MAX);
}

Test(linktest_plan, refusals)
{
	static const struct {
		const char *sizes, *rates, *word;
	} bad[] = {
		{"", NULL, "--sizes"},
		{"12x", NULL, "'12x'"},
		{"255", NULL, "256"},
		{"9001", NULL, "9000"},
		{"500,,600", NULL, "''"},
		{"256,257,258,259,260,261,262,263,264", NULL, "more than 8"},
		{"99999999999999999999999999", NULL, "--sizes"},
		{NULL, "0", "--rates"},
		{NULL, "4294968", "--rates"},
		{NULL, "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "more than 16"},
	};

	for (size_t i = 0; i < KM_COUNT(bad); i++) {
		struct linktest_wish wish = usual;
		struct km_err err = KM_ERR_INIT;
		struct linktest_plan plan;

		wish.sizes = bad[i].sizes;
		wish.rates = bad[i].rates;
		cr_assert_eq(linktest_plan_make(&plan, &wish, &err), -1, "%zu", i);
		cr_assert_eq(err.code, EX_USAGE);
		cr_assert_not_null(strstr(err.text, bad[i].word), "%s", err.text);
	}
}
