// SPDX-License-Identifier: ISC
/*
 * A listener's way through a link test: frames one after another, each { u8 how, u16 length,
 * bytes from the clear header on }. The checksum of a frame is made right when HOW asks for it,
 * so that what a checksum stops is not all that is tried; and the page that comes of it is
 * judged and printed as the supervisor does.
 */
#include <string.h>

#include "crc32.h"
#include "cursor.h"
#include "fuzz_alloc.h"
#include "fuzz_target.h"
#include "linktest_print.h"
#include "tally.h"

#define RIGHT 1u /* how: make the checksum right */
#define LATER 2u /* time passes: a run may be replaced */
#define DROPS 4u
#define WHOLE (WIRE_HEADER_LEN + WIRE_LINKTEST_BODY)
#define FRAMES_MAX 512u

static struct linktest_heard page;
static struct linktest_report report;
static uint64_t now_ns;

static void take(struct tally *t, uint8_t how, const uint8_t *p, size_t len)
{
	struct frame_header h;
	uint8_t *frame;
	uint32_t away;

	frame = malloc(len ? len : 1);
	if (!frame)
		abort();
	memcpy(frame, p, len);
	if ((how & RIGHT) && len >= WHOLE) {
		const uint8_t *plan = frame + WIRE_HEADER_LEN + LINKTEST_PLAN_AT;
		uint64_t seq = 0;

		for (unsigned i = 12; i < 20; i++)
			seq = seq << 8 | frame[i];
		linktest_renumber(frame, seq, crc32_add(0, plan, LINKTEST_PLAN_LEN));
	}
	if (how & LATER)
		now_ns += TALLY_SILENT_NS;
	if (how & DROPS)
		tally_drops(t, how);
	if (frame_header_decode(&h, frame, len) == KM_OK && h.type == FRAME_TEST) {
		FUZZ_ASSERT(frame_bytes(&h) <= len && h.length >= WIRE_LINKTEST_BODY);
		away = tally_take(t, &h, frame, now_ns);
		FUZZ_ASSERT(away <= LINKTEST_AWAY_MS_MAX);
		FUZZ_ASSERT(page.reached < LINKTEST_STEPS_MAX &&
			    page.over_steps <= LINKTEST_STEPS_MAX);
	}
	free(frame);
}

static void check_step(const struct linktest_heard_step *s,
		       const struct linktest_step *step, const struct linktest_result *r)
{
	FUZZ_ASSERT(s->top <= step->frames && s->taken <= s->top);
	FUZZ_ASSERT(!s->settled || s->taken + s->lost == s->top);
	FUZZ_ASSERT(s->longest <= s->lost && s->sent <= step->frames);
	FUZZ_ASSERT(r->longest <= r->lost && r->named <= LINKTEST_RANGES);
	for (uint32_t k = 0; k < r->named; k++)
		FUZZ_ASSERT(s->range[k].first <= s->range[k].last &&
			    s->range[k].last < s->top &&
			    (k == 0 || s->range[k].first > s->range[k - 1].last + 1));
}

static void judge(FILE *out)
{
	const struct linktest_setting now = {64u << 20, 256u << 20, 8960};

	memset(&report, 0, sizeof(report));
	report.page = &page;
	report.interface = "eth0";
	if (page.state == LINKTEST_WAITS)
		return;
	report.steps = linktest_judge(&page, report.step, report.result);
	FUZZ_ASSERT(report.steps > 0);
	for (unsigned i = 0; i < report.steps; i++)
		check_step(&page.step[i], &report.step[i], &report.result[i]);
	linktest_propose(&report.verdict, &page.plan, report.step, report.result,
			 report.steps, &now);
	FUZZ_ASSERT(report.verdict.rate_bps <= report.verdict.limit_bps);
	linktest_print_table(&report, out);
	linktest_print_proposal(&report, out);
	linktest_print_json(&report, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *null;
	struct tally tally;
	struct rd rd;

	if (!null && !(null = fopen("/dev/null", "w")))
		abort();
	memset(&page, 0, sizeof(page));
	now_ns = TALLY_SILENT_NS;
	fuzz_alloc_begin(data, size);
	if (tally_init(&tally, &page) != KM_OK) {
		FUZZ_ASSERT(fuzz_alloc_end());
		return 0;
	}
	(void)fuzz_alloc_end();
	rd_init(&rd, data, size);
	for (unsigned i = 0; i < FRAMES_MAX && rd_left(&rd) > 0; i++) {
		uint8_t how = rd_u8(&rd);
		size_t want = rd_u16(&rd), left = rd_left(&rd);
		const uint8_t *p = rd_bytes(&rd, want < left ? want : left);

		if (p)
			take(&tally, how, p, want < left ? want : left);
	}
	tally_end(&tally);
	judge(null);
	tally_free(&tally);
	return 0;
}
