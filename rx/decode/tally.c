// SPDX-License-Identifier: ISC
#include "tally.h"

#include <stdlib.h>
#include <string.h>

#include "crc32.h"

enum km_rc tally_init(struct tally *t, struct linktest_heard *page)
{
	memset(t, 0, sizeof(*t));
	t->page = page;
	for (unsigned i = 0; i < 2; i++) {
		t->bits[i] = calloc(TALLY_WORDS, sizeof(uint64_t));
		if (!t->bits[i]) {
			tally_free(t);
			return KM_ERR_NOMEM;
		}
	}
	return KM_OK;
}

void tally_free(struct tally *t)
{
	for (unsigned i = 0; i < 2; i++) {
		free(t->bits[i]);
		t->bits[i] = NULL;
	}
}

static bool is_taken(const uint64_t *bits, uint32_t at)
{
	return bits[at / 64] >> (at % 64) & 1;
}

static void note_range(struct linktest_heard_step *s, uint32_t first, uint32_t last)
{
	uint32_t run = last - first + 1;

	if (s->ranges < LINKTEST_RANGES)
		s->range[s->ranges] = (struct linktest_range){first, last};
	s->ranges++;
	s->lost += run;
	if (run > s->longest)
		s->longest = run;
}

/* Name what is missing below the last frame that came; clear the bits. Losses behind that
 * follow from what tx says it has sent. */
static void settle(struct tally *t, uint32_t step)
{
	struct linktest_heard_step *s = &t->page->step[step];
	uint64_t *bits = t->bits[step % 2];
	uint32_t at = 0, first;

	while (at < s->top) {
		if (bits[at / 64] == UINT64_MAX) {
			at += 64 - at % 64;
			continue;
		}
		if (is_taken(bits, at)) {
			at++;
			continue;
		}
		/* the last one is taken: this ends before top */
		for (first = at; !is_taken(bits, at); at++)
			;
		note_range(s, first, at - 1);
	}
	memset(bits, 0, (s->top + 63) / 64 * sizeof(*bits));
	s->settled = 1;
}

static void settle_below(struct tally *t, uint32_t step)
{
	while (t->settled < step)
		settle(t, t->settled++);
}

void tally_end(struct tally *t)
{
	if (t->any)
		settle_below(t, t->page->state == LINKTEST_HEARD_OVER
					? t->page->over_steps
					: t->page->reached + 1);
}

/* Where the account begins: what was before is nobody's loss that we know of. */
static void begin_at(struct tally *t, const struct linktest_frame *f)
{
	uint32_t first = 0;

	if (f->kind == LINKTEST_LOAD)
		first = f->seq > t->step[f->step].first ? f->step + 1 : f->step;
	else if (f->kind == LINKTEST_END)
		first = f->flags & LINKTEST_LAST ? t->steps : f->step + 1;
	else if (f->kind == LINKTEST_OVER)
		first = t->steps;
	t->page->first_whole = first;
	t->page->reached = f->kind == LINKTEST_LOAD ? f->step : 0;
}

static void forget_run(struct tally *t)
{
	struct linktest_heard *page = t->page;

	for (unsigned i = 0; i < 2; i++)
		memset(t->bits[i], 0, TALLY_WORDS * sizeof(uint64_t));
	memset(page->step, 0, sizeof(page->step));
	atomic_store_explicit(&page->state, LINKTEST_WAITS, memory_order_release);
	t->settled = 0;
	t->any = false;
}

static bool fits_plan(const struct tally *t, const struct linktest_frame *f)
{
	const struct linktest_step *s;

	if (f->kind == LINKTEST_LOAD || f->kind == LINKTEST_END) {
		if (f->step >= t->steps)
			return false;
		s = &t->step[f->step];
		if (f->kind == LINKTEST_LOAD)
			return f->seq >= s->first && f->seq - s->first < s->frames;
		if (f->sent > s->frames)
			return false;
	}
	if (f->kind == LINKTEST_OVER && f->step > t->steps)
		return false;
	return f->seq >= t->frames;
}

/* A run that may be told of. PLAN: encoded. False: its plan, or its first frame, is no good. */
static bool adopt_run(struct tally *t, const struct linktest_frame *f, const uint8_t *plan)
{
	struct linktest_heard *page = t->page;
	struct linktest_plan decoded;

	if (linktest_plan_decode(&decoded, plan) != KM_OK)
		return false;
	if (t->any)
		forget_run(t);
	t->steps = linktest_steps(&decoded, t->step);
	t->frames = linktest_frames(t->step, t->steps);
	if (!fits_plan(t, f))
		return false;
	memcpy(t->known.plan, plan, LINKTEST_PLAN_LEN);
	t->known.crc = crc32_add(0, plan, LINKTEST_PLAN_LEN);
	t->known.any = t->any = true;
	page->run = f->run;
	page->plan = decoded;
	page->runs++;
	begin_at(t, f);
	atomic_store_explicit(&page->state, LINKTEST_HEARS, memory_order_release);
	return true;
}

/* True when this is the first frame of the step. */
static bool take_load(struct tally *t, const struct linktest_frame *f)
{
	struct linktest_heard_step *s = &t->page->step[f->step];
	uint32_t at = (uint32_t)(f->seq - t->step[f->step].first);
	uint64_t *bits = t->bits[f->step % 2];
	bool first = s->taken == 0;

	if (f->step > t->page->reached)
		t->page->reached = f->step;
	if (f->step < t->settled) {
		s->late++;
		return false;
	}
	if (f->step > 1)
		settle_below(t, f->step - 1);
	if (is_taken(bits, at)) {
		s->copies++;
		return false;
	}
	bits[at / 64] |= UINT64_C(1) << (at % 64);
	s->taken++;
	if (at >= s->top)
		s->top = at + 1;
	return first;
}

static void take_end(struct tally *t, const struct linktest_frame *f)
{
	struct linktest_heard_step *s = &t->page->step[f->step];

	if (f->step > t->page->reached)
		t->page->reached = f->step;
	if (s->end)
		return;
	s->sent = f->sent;
	s->elapsed_ns = f->elapsed_ns;
	s->flags = f->flags & ~(unsigned)LINKTEST_LAST;
	s->end = 1;
}

/* Not of the run that is under way. False: it stays so. */
static bool changes_run(struct tally *t, const struct linktest_frame *f,
			const uint8_t *plan, uint64_t now_ns)
{
	if (t->any && now_ns - t->last_ns < TALLY_SILENT_NS) {
		t->page->other_run++;
		return false;
	}
	if (adopt_run(t, f, plan))
		return true;
	t->page->impossible++;
	return false;
}

uint32_t tally_take(struct tally *t, const struct frame_header *header,
		    const uint8_t *frame, uint64_t now_ns)
{
	struct linktest_heard *page = t->page;
	struct linktest_frame f;
	const uint8_t *plan;

	if (linktest_decode(&f, header, frame, &t->known, &plan) != KM_OK) {
		page->malformed++;
		return 0;
	}
	if (!t->any || f.run != page->run ||
	    memcmp(plan, t->known.plan, LINKTEST_PLAN_LEN) != 0) {
		if (!changes_run(t, &f, plan, now_ns))
			return 0;
	} else if (!fits_plan(t, &f)) {
		page->impossible++;
		return 0;
	}
	t->last_ns = now_ns;
	atomic_store_explicit(&page->seen, page->seen + 1, memory_order_relaxed);
	if (f.kind == LINKTEST_LOAD && take_load(t, &f))
		return t->step[f.step].away_ms;
	if (f.kind == LINKTEST_END)
		take_end(t, &f);
	if (f.kind == LINKTEST_OVER) {
		page->over_steps = f.step;
		atomic_store_explicit(&page->state, LINKTEST_HEARD_OVER,
				      memory_order_release);
	}
	return 0;
}

void tally_drops(struct tally *t, uint64_t drops)
{
	if (t->any)
		t->page->step[t->page->reached].drops += drops;
}
