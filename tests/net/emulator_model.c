// SPDX-License-Identifier: ISC
#include "emulator_model.h"

#include <string.h>

#define GOLDEN 0x9e3779b97f4a7c15u /* 2^64 / golden ratio, the step of splitmix64 */

/* One independent stream of draws each. New ones go at the end, or every list ever
 * written would no longer be what its seed predicts. */
enum purpose {
	PURPOSE_LOSS = 1,
	PURPOSE_GE_STEP,
	PURPOSE_GE_LOSS,
	PURPOSE_DUPLICATE,
	PURPOSE_REORDER,
	PURPOSE_CORRUPT,
	PURPOSE_CORRUPT_BIT,
	PURPOSE_TRUNCATE,
	PURPOSE_TRUNCATE_AT,
	PURPOSE_OTHER_FRAME = 64, /* added for frames that are not data frames */
};

static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint64_t emulator_model_draw(uint64_t seed, uint32_t purpose, uint64_t n)
{
	uint64_t key = mix(mix(seed + GOLDEN) ^ mix((uint64_t)purpose * GOLDEN));

	return mix(key + (n + 1) * GOLDEN);
}

/* 53 bits of a draw against a probability: 0 never and 1 always happens. */
static bool happens(double probability, uint64_t draw)
{
	return (double)(draw >> 11) * 0x1p-53 < probability;
}

static bool ge_loses(struct emulator_model *m, const struct emulator_decision *d,
		     uint32_t base, uint64_t n)
{
	const struct emulator_schedule *s = &m->schedule;

	if (!s->ge.on)
		return false;
	if (d->is_data) {
		uint64_t draw = emulator_model_draw(s->seed, PURPOSE_GE_STEP, n);

		if (m->ge_bad)
			m->ge_bad = !happens(s->ge.r, draw);
		else
			m->ge_bad = happens(s->ge.p, draw);
	}
	return happens(1.0 - (m->ge_bad ? s->ge.h : s->ge.k),
		       emulator_model_draw(s->seed, base + PURPOSE_GE_LOSS, n));
}

static bool in_burst(const struct emulator_schedule *s, const struct emulator_decision *d)
{
	const struct emulator_range *r = emulator_ranges_find(&s->bursts, d->number);

	/* before its first data frame a burst has not begun */
	return r && (d->is_data || r->first < d->number);
}

static bool selected(const struct emulator_schedule *s, const struct emulator_frame *f)
{
	for (size_t i = 0; f && i < s->selector_count; i++)
		if (emulator_frame_match(f, s->selectors + i))
			return true;
	return false;
}

static enum emulator_why lost_why(struct emulator_model *m, const struct emulator_frame *f,
				  const struct emulator_decision *d, uint32_t base,
				  uint64_t n)
{
	const struct emulator_schedule *s = &m->schedule;
	/* the walk takes its step for every data frame, also for one that is lost anyway */
	bool ge = ge_loses(m, d, base, n);

	if (s->drop_all)
		return EMULATOR_WHY_SWITCH;
	if (in_burst(s, d))
		return EMULATOR_WHY_BURST;
	if (d->is_data && s->every && n % s->every == s->every - 1)
		return EMULATOR_WHY_EVERY;
	if (d->is_data && emulator_ranges_find(&s->list, n))
		return EMULATOR_WHY_LIST;
	if (selected(s, f))
		return EMULATOR_WHY_SELECTOR;
	if (ge)
		return EMULATOR_WHY_GE;
	if (happens(s->loss, emulator_model_draw(s->seed, base + PURPOSE_LOSS, n)))
		return EMULATOR_WHY_LOSS;
	return EMULATOR_WHY_KEPT;
}

void emulator_model_next(struct emulator_model *m, const struct emulator_frame *f,
			 struct emulator_decision *d)
{
	const struct emulator_schedule *s = &m->schedule;
	uint64_t seed = s->seed, n;
	uint32_t base;

	memset(d, 0, sizeof(*d));
	d->is_data = !f || f->is_data;
	d->number = m->data_frames;
	base = d->is_data ? 0 : PURPOSE_OTHER_FRAME;
	n = d->is_data ? m->data_frames++ : m->other_frames++;

	d->why = lost_why(m, f, d, base, n);
	if (d->why != EMULATOR_WHY_KEPT)
		return;
	d->duplicate = happens(s->duplicate,
			       emulator_model_draw(seed, base + PURPOSE_DUPLICATE, n));
	d->reorder =
		happens(s->reorder, emulator_model_draw(seed, base + PURPOSE_REORDER, n));
	d->corrupt =
		happens(s->corrupt, emulator_model_draw(seed, base + PURPOSE_CORRUPT, n));
	d->truncate =
		happens(s->truncate, emulator_model_draw(seed, base + PURPOSE_TRUNCATE, n));
	d->corrupt_draw = emulator_model_draw(seed, base + PURPOSE_CORRUPT_BIT, n);
	d->truncate_draw = emulator_model_draw(seed, base + PURPOSE_TRUNCATE_AT, n);
}

size_t emulator_model_cut(uint64_t draw, size_t bytes)
{
	if (bytes <= EMULATOR_CUT_BYTES_MIN)
		return bytes;
	return EMULATOR_CUT_BYTES_MIN + (size_t)(draw % (bytes - EMULATOR_CUT_BYTES_MIN));
}

size_t emulator_model_bit(uint64_t draw, size_t bytes, bool header)
{
	size_t from = header ? 0 : EMULATOR_ETH_BYTES * 8u;

	return from + (size_t)(draw % (bytes * 8u - from));
}

const char *emulator_model_why_name(enum emulator_why why)
{
	static const char *const names[EMULATOR_WHY_COUNT] = {
		[EMULATOR_WHY_KEPT] = "kept",	[EMULATOR_WHY_SWITCH] = "switch",
		[EMULATOR_WHY_BURST] = "burst", [EMULATOR_WHY_EVERY] = "every",
		[EMULATOR_WHY_LIST] = "list",	[EMULATOR_WHY_SELECTOR] = "selector",
		[EMULATOR_WHY_GE] = "ge",	[EMULATOR_WHY_LOSS] = "loss",
	};

	return names[why];
}

void emulator_model_clear(struct emulator_model *m)
{
	emulator_ranges_clear(&m->schedule.bursts);
	emulator_ranges_clear(&m->schedule.list);
}
