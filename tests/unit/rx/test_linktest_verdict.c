// SPDX-License-Identifier: ISC
/* From what was heard to what is proposed: results in, settings out. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "linktest_print.h"

static struct linktest_heard page;
static struct linktest_report report;
static const struct linktest_setting now = {
	.ring_bytes = 64u << 20, .pool_bytes = 256u << 20, .slot_stride = 8960};

#define STEP(size, rate) ((rate)*3u + (size))
#define BURST(i) (12u + (i))

/* 3 sizes, 4 rates, 11 bursts; every frame of it came. */
static void begin(void)
{
	memset(&page, 0, sizeof(page));
	memset(&report, 0, sizeof(report));
	page.plan = (struct linktest_plan){
		.sizes = 3,
		.rates = 4,
		.bursts = 11,
		.step_ms = 1000,
		.pause_ms = 200,
		.burst_first = 64,
		.size = {512, 1500, 9000},
		.rate_kbps = {100000, 400000, 700000, 1000000},
	};
	page.state = LINKTEST_HEARD_OVER;
	report.steps = linktest_steps(&page.plan, report.step);
	page.over_steps = report.steps;
	for (unsigned i = 0; i < report.steps; i++) {
		struct linktest_heard_step *s = &page.step[i];
		uint32_t frames = report.step[i].frames;

		s->taken = s->top = (s->end = 1) * frames;
		s->sent = frames;
		s->settled = 1;
		s->elapsed_ns = (uint64_t)frames *
				linktest_frame_bits(report.step[i].size) * 1000000 /
				report.step[i].rate_kbps;
	}
	report.page = &page;
	report.interface = "eth0";
}

TestSuite(linktest_verdict, .init = begin);

static void lose(unsigned i, uint32_t first, uint32_t last)
{
	struct linktest_heard_step *s = &page.step[i];

	s->range[s->ranges++] = (struct linktest_range){first, last};
	s->lost += last - first + 1;
	s->taken -= last - first + 1;
	if (last - first + 1 > s->longest)
		s->longest = last - first + 1;
}

static const struct linktest_verdict *propose(void)
{
	report.steps = linktest_judge(&page, report.step, report.result);
	cr_assert_eq(report.steps, 23);
	linktest_propose(&report.verdict, &page.plan, report.step, report.result,
			 report.steps, &now);
	return &report.verdict;
}

/* The text holds WORD, or does not. */
static void says(const char *word, bool wanted)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	linktest_print_proposal(&report, f);
	cr_assert_eq(fclose(f), 0);
	cr_assert_eq(strstr(text, word) != NULL, wanted, "%s in\n%s", word, text);
	free(text);
}

Test(linktest_verdict, nothing_lost)
{
	const struct linktest_verdict *v = propose();

	cr_assert(v->found && v->top && !v->by_tx);
	cr_assert_eq(v->limit_bps, 1000000000);
	cr_assert_eq(v->rate_bps, 880000000);
	cr_assert(v->size == 9000 && v->not_through == 0);
	cr_assert(v->fec_k == 160 && v->fec_m == 16 && v->fec_depth == 63 && v->fec_covers);
	cr_assert(v->burst_ridden == 65536 && v->burst_lost == 0);
	cr_assert_eq(v->ring_bytes, 64u << 20);
	cr_assert_eq(v->pool_bytes, 256u << 20);
	says("rate = 880 Mbit/s", true);
	says("mtu =", false);
	says("the highest rate that was tried", true);
}

/* One size is enough to rule a rate out. */
Test(linktest_verdict, the_limit_is_where_every_size_is_whole)
{
	const struct linktest_verdict *v;

	lose(STEP(0, 3), 5, 5);
	lose(STEP(1, 2), 9, 300);
	v = propose();
	cr_assert(v->found && !v->top);
	cr_assert_eq(v->limit_bps, 400000000);
	cr_assert_eq(v->rate_bps, 352000000);
	cr_assert_eq(v->longest, 0, "what was lost above the limit is the limit's");
	says("above it frames were lost", true);
}

Test(linktest_verdict, losses_below_the_limit_ask_for_depth)
{
	static const struct {
		uint32_t run;
		unsigned k, m, depth;
		bool covers;
	} cases[] = {
		{1, 160, 16, 63, true},	     {504, 160, 16, 63, true},
		{505, 160, 16, 127, true},   {1016, 160, 16, 127, true},
		{1017, 160, 16, 255, true},  {2040, 160, 16, 255, true},
		{2041, 224, 32, 255, true},  {4080, 224, 32, 255, true},
		{4081, 224, 32, 255, false},
	};

	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		const struct linktest_verdict *v;

		begin();
		/* so many frames that the loss is less than one in a hundred */
		page.plan.step_ms = 20000;
		report.steps = linktest_steps(&page.plan, report.step);
		for (unsigned k = 0; k < report.steps; k++)
			page.step[k].sent = page.step[k].taken = page.step[k].top =
				report.step[k].frames;
		lose(STEP(1, 1), 100, 99 + cases[i].run);
		v = propose();
		cr_assert(v->found && v->limit_bps == 1000000000);
		cr_assert_eq(v->longest, cases[i].run);
		cr_assert(v->fec_k == cases[i].k && v->fec_m == cases[i].m &&
				  v->fec_depth == cases[i].depth &&
				  v->fec_covers == cases[i].covers,
			  "%u: (%u,%u) x %u", cases[i].run, v->fec_k, v->fec_m,
			  v->fec_depth);
		cr_assert_geq(v->pool_bytes,
			      2ull * v->fec_depth * (v->fec_k + v->fec_m) * 8960);
		says("a matter of\n# the link", true);
		says("Mend the link", !cases[i].covers);
	}
}

Test(linktest_verdict, nothing_is_free_of_loss)
{
	const struct linktest_verdict *v;

	for (unsigned i = 0; i < 12; i++)
		lose(i, 0, 10 * i);
	v = propose();
	cr_assert(!v->found && v->rate_bps == 0);
	/* of the lowest rate */
	cr_assert_eq(v->longest, 21);
	says("rate =", false);
	says("docs/tuning.md", true);
	says("fec_depth = 63", true);
}

Test(linktest_verdict, too_much_random_loss_is_not_repaired)
{
	for (unsigned i = 0; i < 12; i++) {
		struct linktest_heard_step *s = &page.step[i];

		s->lost = s->top / 50;
		s->taken -= s->lost;
		s->ranges = s->lost;
		s->longest = 1;
	}
	cr_assert_not(propose()->fec_covers);
	says("Mend the link", true);
}

Test(linktest_verdict, large_frames_do_not_pass)
{
	const struct linktest_verdict *v;

	for (unsigned i = 0; i < report.steps; i++)
		if (report.step[i].size == 9000)
			page.step[i].taken = page.step[i].top = 0;
	v = propose();
	cr_assert(v->size == 1500 && v->not_through == 9000);
	cr_assert(v->found && v->rate_bps == 880000000);
	says("mtu = 1500", true);
}

Test(linktest_verdict, tx_is_the_limit)
{
	const struct linktest_verdict *v;
	struct linktest_heard_step *s = &page.step[STEP(2, 3)];

	s->flags = LINKTEST_SLOWER;
	s->elapsed_ns *= 2;
	v = propose();
	cr_assert(v->found && v->by_tx);
	cr_assert_lt(llabs((long long)v->limit_bps - 500000000), 1000000);
	says("tx cannot send faster", true);
}

Test(linktest_verdict, bursts_and_the_ring)
{
	const struct linktest_verdict *v;

	/* at 1 Gbit/s 50 ms are 5.6 MB: 512 x 9,014 are less, so the ring is too small */
	for (unsigned i = 4; i < 11; i++) {
		lose(BURST(i), 600, 700);
		page.step[BURST(i)].drops = 101;
	}
	v = propose();
	cr_assert(v->burst_ridden == 512 && v->burst_lost == 1024 && v->burst_by_ring);
	cr_assert_eq(v->ring_bytes, 128u << 20);
	says("A burst of 512 frames of 9000 bytes was held, of 1024 not", true);
	/* the same, but nothing was dropped by the ring: it is not to blame */
	for (unsigned i = 4; i < 11; i++)
		page.step[BURST(i)].drops = 0;
	v = propose();
	cr_assert(!v->burst_by_ring && v->ring_bytes == 64u << 20);
	says("not for want of ring", true);
}

Test(linktest_verdict, what_was_not_witnessed_does_not_count)
{
	const struct linktest_verdict *v;

	/* began in step 4; everything before looks lost */
	page.first_whole = 6;
	for (unsigned i = 0; i < 6; i++)
		page.step[i].taken = page.step[i].top = page.step[i].end = 0;
	v = propose();
	cr_assert(!report.result[5].whole && report.result[6].whole);
	cr_assert_eq(v->sent_below - v->lost_below, v->sent_below);
	cr_assert(v->found && v->rate_bps == 880000000);
	/* tx was stopped after step 7 */
	page.over_steps = 8;
	(void)propose();
	cr_assert(report.result[7].whole && !report.result[8].whole);
	/* or rx was, in step 8 */
	page.state = LINKTEST_HEARS;
	page.reached = 8;
	page.step[8].end = 0;
	(void)propose();
	cr_assert(report.result[7].whole && !report.result[8].whole);
}

Test(linktest_verdict, the_end_of_a_step)
{
	struct linktest_heard_step *s = &page.step[0];

	/* 90 came last, 100 were sent: ten are lost behind the last one */
	s->top = s->taken = 90;
	s->sent = 100;
	s->flags = LINKTEST_CUT;
	(void)propose();
	cr_assert(report.result[0].lost == 10 && report.result[0].longest == 10 &&
		  report.result[0].ranges == 1 && report.result[0].slower);
	/* tx's word was not heard: what was planned is missing */
	s->end = 0;
	(void)propose();
	cr_assert_eq(report.result[0].lost, report.step[0].frames - 90);
}

/* A page that lies makes no number beyond the plan, and no text that does not end. */
Test(linktest_verdict, hostile_page)
{
	FILE *null = fopen("/dev/null", "w");

	for (unsigned i = 0; i < LINKTEST_STEPS_MAX; i++)
		memset(&page.step[i], i % 2 ? 0xff : 0x81, sizeof(page.step[i]));
	page.reached = page.first_whole = UINT32_MAX;
	page.over_steps = UINT32_MAX;
	for (unsigned k = 0; k < 2; k++) {
		(void)propose();
		for (unsigned i = 0; i < report.steps; i++) {
			const struct linktest_result *r = &report.result[i];

			cr_assert(r->sent <= report.step[i].frames &&
				  r->taken <= report.step[i].frames);
			cr_assert(r->lost <= r->sent + report.step[i].frames &&
				  r->longest <= report.step[i].frames);
			cr_assert(r->named <= LINKTEST_RANGES);
		}
		linktest_print_table(&report, null);
		linktest_print_losses(&report, 1000, null);
		linktest_print_plot(&report, null);
		linktest_print_proposal(&report, null);
		linktest_print_json(&report, null);
		linktest_print_svg(&report, null);
		page.first_whole = 0;
	}
	fclose(null);
	page.plan.rates = 200;
	cr_assert_eq(linktest_judge(&page, report.step, report.result), 0);
}
