// SPDX-License-Identifier: ISC
/* The account of a link test: order, disorder, losses, late starts, and lies. */
#include <criterion/criterion.h>
#include <string.h>

#include "seeded.h"
#include "tally.h"

static struct linktest_heard page;
static struct tally tally;
static uint64_t now_ns;

static const struct linktest_plan plan = {
	.sizes = 1,
	.rates = 3,
	.bursts = 1,
	.step_ms = 100,
	.pause_ms = 20,
	.burst_first = 50,
	.size = {512},
	/* 100 ms are 23, 190 and 1,900 frames */
	.rate_kbps = {1000, 8000, 80000},
};
#define RUN 0x01020304u

static struct linktest_step step[LINKTEST_STEPS_MAX];
static unsigned steps;
static uint64_t total;

static void begin(void)
{
	memset(&page, 0, sizeof(page));
	now_ns = 1000000000;
	cr_assert_eq(tally_init(&tally, &page), KM_OK);
	steps = linktest_steps(&plan, step);
	total = linktest_frames(step, steps);
}

static void end(void)
{
	tally_free(&tally);
}

TestSuite(tally, .init = begin, .fini = end);

static uint32_t put(const struct linktest_plan *p, const struct linktest_frame *f)
{
	uint8_t frame[WIRE_HEADER_LEN + WIRE_LINKTEST_BODY], bytes[LINKTEST_PLAN_LEN];
	struct frame_header h;

	linktest_plan_encode(bytes, p);
	linktest_encode(frame, f, bytes, WIRE_LINKTEST_BODY);
	cr_assert_eq(frame_header_decode(&h, frame, sizeof(frame)), KM_OK);
	return tally_take(&tally, &h, frame, now_ns);
}

static uint32_t load(uint32_t s, uint32_t at)
{
	const struct linktest_frame f = {
		.run = RUN, .step = s, .seq = step[s].first + at, .kind = LINKTEST_LOAD};

	return put(&plan, &f);
}

static void say(enum linktest_kind kind, uint32_t s, uint64_t sent, uint8_t flags)
{
	const struct linktest_frame f = {.run = RUN,
					 .step = s,
					 .seq = total + 1,
					 .kind = (uint8_t)kind,
					 .sent = sent,
					 .flags = flags};

	(void)put(&plan, &f);
}

/* All frames of a step but those from FIRST to LAST. */
static void load_but(uint32_t s, uint32_t first, uint32_t last)
{
	for (uint32_t i = 0; i < step[s].frames; i++)
		if (i < first || i > last)
			(void)load(s, i);
}

Test(tally, whole_run)
{
	say(LINKTEST_HELLO, 0, 0, 0);
	for (uint32_t s = 0; s < steps; s++) {
		load_but(s, 1, 0);
		say(LINKTEST_END, s, step[s].frames, 0);
	}
	say(LINKTEST_OVER, steps, 0, 0);
	tally_end(&tally);
	cr_assert_eq(page.state, LINKTEST_HEARD_OVER);
	cr_assert_eq(page.first_whole, 0);
	cr_assert_eq(page.over_steps, steps);
	for (uint32_t s = 0; s < steps; s++) {
		const struct linktest_heard_step *got = &page.step[s];

		cr_assert(got->taken == step[s].frames && got->top == step[s].frames &&
			  got->lost == 0 && got->ranges == 0 && got->end && got->settled);
	}
	cr_assert_eq(page.seen, total + steps + 2);
	cr_assert_eq(page.malformed + page.impossible + page.other_run, 0);
}

Test(tally, losses_are_named)
{
	const struct linktest_heard_step *got = &page.step[2];

	say(LINKTEST_HELLO, 0, 0, 0);
	for (uint32_t i = 0; i < step[2].frames; i++)
		if (i != 0 && (i < 60 || i > 199) && i != 1500)
			(void)load(2, i);
	say(LINKTEST_END, 2, step[2].frames, 0);
	tally_end(&tally);
	cr_assert_eq(got->ranges, 3);
	cr_assert_eq(got->lost, 142);
	cr_assert_eq(got->longest, 140);
	cr_assert(got->range[0].first == 0 && got->range[0].last == 0);
	cr_assert(got->range[1].first == 60 && got->range[1].last == 199);
	cr_assert(got->range[2].first == 1500 && got->range[2].last == 1500);
	cr_assert_eq(page.reached, 2);
}

/* Any order within two neighbouring steps, and copies: nothing is lost. Beyond that: late. */
Test(tally, disorder)
{
	struct seeded rng;
	uint32_t order[4000], n = 0;

	seeded_init(&rng, "tally.disorder");
	say(LINKTEST_HELLO, 0, 0, 0);
	for (uint32_t s = 1; s < 3; s++)
		for (uint32_t i = 0; i < step[s].frames; i++)
			order[n++] = s << 16 | i;
	for (uint32_t i = n; i-- > 1;) {
		uint32_t k = (uint32_t)seeded_below(&rng, i + 1), swap = order[i];

		order[i] = order[k];
		order[k] = swap;
	}
	for (uint32_t i = 0; i < n; i++) {
		(void)load(order[i] >> 16, order[i] & 0xffff);
		if (i % 7 == 0)
			(void)load(order[i] >> 16, order[i] & 0xffff);
	}
	(void)load(3, 0);
	(void)load(1, 5); /* settled now */
	tally_end(&tally);
	cr_assert_eq(page.step[1].taken, step[1].frames);
	cr_assert_eq(page.step[2].taken, step[2].frames);
	cr_assert_eq(page.step[1].lost + page.step[2].lost, 0);
	cr_assert_eq(page.step[1].copies + page.step[2].copies, (n + 6) / 7);
	cr_assert_eq(page.step[1].late, 1);
}

Test(tally, late_start)
{
	(void)load(1, 7);
	cr_assert_eq(page.first_whole, 2);
	end();
	begin();
	(void)load(1, 0);
	cr_assert_eq(page.first_whole, 1);
	end();
	begin();
	say(LINKTEST_END, 1, 4, 0);
	cr_assert_eq(page.first_whole, 2);
	end();
	begin();
	say(LINKTEST_END, 1, 4, LINKTEST_LAST);
	cr_assert_eq(page.first_whole, steps);
	end();
	begin();
	say(LINKTEST_OVER, 2, 0, 0);
	cr_assert_eq(page.first_whole, steps);
}

Test(tally, only_the_first_frame_of_a_burst_sends_away)
{
	say(LINKTEST_HELLO, 0, 0, 0);
	cr_assert_eq(load(0, 0), 0);
	cr_assert_eq(load(3, 2), step[3].away_ms);
	cr_assert_gt(step[3].away_ms, 0);
	cr_assert_eq(load(3, 0), 0);
	cr_assert_eq(load(3, 2), 0);
}

Test(tally, drops_belong_to_the_step_reached)
{
	tally_drops(&tally, 9);
	say(LINKTEST_HELLO, 0, 0, 0);
	(void)load(1, 0);
	tally_drops(&tally, 3);
	(void)load(2, 0);
	tally_drops(&tally, 4);
	cr_assert(page.step[0].drops == 0 && page.step[1].drops == 3 &&
		  page.step[2].drops == 4);
}

Test(tally, another_run_waits_for_silence)
{
	struct linktest_plan other = plan;
	struct linktest_frame f = {.run = RUN + 1, .kind = LINKTEST_HELLO, .seq = 1u << 30};

	other.pause_ms++;
	say(LINKTEST_HELLO, 0, 0, 0);
	(void)load(0, 0);
	(void)put(&other, &f);
	cr_assert_eq(page.other_run, 1);
	cr_assert_eq(page.run, RUN);
	now_ns += TALLY_SILENT_NS;
	(void)put(&other, &f);
	cr_assert_eq(page.run, RUN + 1);
	cr_assert_eq(page.plan.pause_ms, other.pause_ms);
	cr_assert_eq(page.step[0].taken, 0);
	cr_assert_eq(page.runs, 2);
}

/* The run's number, but another plan: not of the run. */
Test(tally, lies)
{
	struct linktest_plan other = plan;
	struct linktest_frame f = {.run = RUN, .kind = LINKTEST_LOAD, .step = 0, .seq = 0};

	say(LINKTEST_HELLO, 0, 0, 0);
	other.step_ms++;
	(void)put(&other, &f);
	cr_assert_eq(page.other_run, 1);
	f.seq = step[1].first; /* of another step */
	(void)put(&plan, &f);
	f.step = steps;
	(void)put(&plan, &f);
	f.step = 0;
	f.kind = LINKTEST_END;
	f.seq = total - 1; /* an END is no load */
	(void)put(&plan, &f);
	f.seq = total;
	f.sent = step[0].frames + 1u;
	(void)put(&plan, &f);
	f = (struct linktest_frame){
		.run = RUN, .kind = LINKTEST_OVER, .step = steps + 1, .seq = total};
	(void)put(&plan, &f);
	cr_assert_eq(page.impossible, 5);
	cr_assert_eq(page.seen, 1);
	other = plan;
	other.rates = 0;
	now_ns += 10 * TALLY_SILENT_NS;
	f.run++;
	(void)put(&other, &f);
	cr_assert_eq(page.impossible, 6);
	cr_assert_eq(page.run, RUN);
}

Test(tally, more_ranges_than_are_named)
{
	say(LINKTEST_HELLO, 0, 0, 0);
	for (uint32_t i = 1; i < step[2].frames; i += 2)
		(void)load(2, i);
	tally_end(&tally);
	cr_assert_eq(page.step[2].ranges, step[2].frames / 2);
	cr_assert_eq(page.step[2].lost, step[2].frames / 2);
	cr_assert_eq(page.step[2].longest, 1);
	cr_assert_eq(page.step[2].range[LINKTEST_RANGES - 1].first,
		     2 * (LINKTEST_RANGES - 1));
}
