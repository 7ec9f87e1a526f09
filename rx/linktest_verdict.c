// SPDX-License-Identifier: ISC
#include "linktest_verdict.h"

#include <string.h>

#define MIB (UINT64_C(1) << 20)
#define RING_MAX (UINT64_C(4) << 30)
#define MBIT UINT64_C(1000000)
#define KBIT UINT64_C(1000)
#define NS_PER_S UINT64_C(1000000000)
/* (160,16) repairs about this much random loss, of 100. */
#define RANDOM_LOSS_PERCENT 1u

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool is_whole(const struct linktest_heard *page, unsigned i)
{
	if (i < page->first_whole)
		return false;
	if (page->state == LINKTEST_HEARD_OVER)
		return i < page->over_steps;
	return page->step[i].end || i < page->reached;
}

static void judge_step(const struct linktest_step *step,
		       const struct linktest_heard_step *s, struct linktest_result *r)
{
	const uint64_t top = least(s->top, step->frames);
	uint64_t inner;

	r->told = s->end == 1 && s->sent <= step->frames;
	r->sent = r->told ? s->sent : step->frames;
	r->slower = r->told && (s->flags & (LINKTEST_SLOWER | LINKTEST_CUT)) != 0;
	r->taken = least(s->taken, step->frames);
	r->copies = s->copies;
	r->late = s->late;
	r->drops = s->drops;
	/* what is behind the last one that came follows from what was sent */
	r->tail = r->sent > top ? (uint32_t)(r->sent - top) : 0;
	inner = least(s->lost, top);
	r->lost = inner + r->tail;
	r->longest = (uint32_t)least(s->longest, inner);
	if (r->tail > r->longest)
		r->longest = r->tail;
	r->named = (uint32_t)least(s->ranges, LINKTEST_RANGES);
	r->ranges = (uint32_t)least(s->ranges, inner) + (r->tail > 0);
	r->bps = (uint64_t)step->rate_kbps * KBIT;
	/* bits and us: 2^22 frames of 2^19 bits times 10^6 just fit */
	if (r->told && s->elapsed_ns >= KBIT)
		r->bps = r->sent * linktest_frame_bits(step->size) * MBIT /
			 (s->elapsed_ns / KBIT);
}

unsigned linktest_judge(const struct linktest_heard *page, struct linktest_step *steps,
			struct linktest_result *results)
{
	unsigned n;

	if (linktest_plan_check(&page->plan) != KM_OK)
		return 0;
	n = linktest_steps(&page->plan, steps);
	memset(results, 0, n * sizeof(*results));
	for (unsigned i = 0; i < n; i++) {
		judge_step(&steps[i], &page->step[i], &results[i]);
		results[i].whole = is_whole(page, i);
	}
	return n;
}

/* The results of one plan, as the rules below look at them. */
struct view {
	const struct linktest_plan *plan;
	const struct linktest_step *steps;
	const struct linktest_result *results;
	unsigned n;
};

static bool size_came(const struct view *w, unsigned size)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->steps[i].size_at == size && w->results[i].taken > 0)
			return true;
	return false;
}

/* Whole steps only: of the others it is not known whether anything should have come. */
static bool size_was_tried(const struct view *w, unsigned size)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->steps[i].size_at == size && w->results[i].whole)
			return true;
	return false;
}

static void choose_size(const struct view *w, struct linktest_verdict *v)
{
	for (unsigned size = 0; size < w->plan->sizes; size++) {
		if (size_came(w, size))
			v->size = w->plan->size[size];
		else if (!v->not_through && size_was_tried(w, size))
			v->not_through = w->plan->size[size];
	}
}

static bool counts(const struct view *w, unsigned i, const struct linktest_verdict *v)
{
	return !w->steps[i].burst && w->steps[i].size <= v->size;
}

/* Was every size up to the chosen one sent at this rate, and nothing of it lost? */
static bool rate_is_free(const struct view *w, unsigned rate,
			 const struct linktest_verdict *v)
{
	bool any = false;

	for (unsigned i = 0; i < w->n; i++) {
		if (!counts(w, i, v) || w->steps[i].rate != rate)
			continue;
		if (!w->results[i].whole || w->results[i].lost > 0)
			return false;
		any = true;
	}
	return any;
}

/* The rate index that the rest goes by: the highest free one, else the lowest judged. */
static unsigned choose_rate(const struct view *w, struct linktest_verdict *v)
{
	for (unsigned rate = w->plan->rates; rate-- > 0;)
		if (rate_is_free(w, rate, v)) {
			v->found = true;
			return rate;
		}
	for (unsigned i = 0; i < w->n; i++)
		if (counts(w, i, v) && w->results[i].whole)
			return w->steps[i].rate;
	return 0;
}

static void set_rate(const struct view *w, unsigned rate, struct linktest_verdict *v)
{
	uint64_t bps, unit;

	if (!v->found)
		return;
	v->top = rate == w->plan->rates - 1u;
	for (unsigned i = 0; i < w->n; i++) {
		const struct linktest_result *r = &w->results[i];

		if (!counts(w, i, v) || w->steps[i].rate != rate ||
		    w->steps[i].size != v->size)
			continue;
		v->by_tx = r->slower;
		v->limit_bps = r->slower ? r->bps : (uint64_t)w->steps[i].rate_kbps * KBIT;
	}
	bps = v->limit_bps / 100 * (100 - LINKTEST_HEADROOM_PERCENT);
	unit = bps >= 10 * MBIT ? MBIT : KBIT;
	v->rate_bps = bps / unit * unit;
}

static void sum_below(const struct view *w, unsigned rate, struct linktest_verdict *v)
{
	for (unsigned i = 0; i < w->n; i++) {
		const struct linktest_result *r = &w->results[i];

		if (!counts(w, i, v) || w->steps[i].rate > rate || !r->whole)
			continue;
		v->sent_below += r->sent;
		v->lost_below += r->lost;
		if (r->longest > v->longest)
			v->longest = r->longest;
	}
}

/* The geometry with the least memory that reaches far enough; none below the default, as a
 * test of a minute is no proof that there are no longer losses. */
static void choose_fec(struct linktest_verdict *v, const struct linktest_setting *now)
{
	static const struct {
		unsigned k, m, depth;
	} usual[] = {{160, 16, 63}, {160, 16, 127}, {160, 16, 255}, {224, 32, 255}};
	const uint64_t need = (uint64_t)v->longest * LINKTEST_FEC_FACTOR;
	uint64_t window;
	unsigned i = 0;

	while (i + 1 < KM_COUNT(usual) && (uint64_t)usual[i].m * usual[i].depth < need)
		i++;
	v->fec_k = usual[i].k;
	v->fec_m = usual[i].m;
	v->fec_depth = usual[i].depth;
	v->fec_covers = (uint64_t)usual[i].m * usual[i].depth >= need &&
			v->lost_below * 100 <= v->sent_below * RANDOM_LOSS_PERCENT;
	/* two windows: one fills while the repair of the other arrives */
	window = (uint64_t)usual[i].depth * (usual[i].k + usual[i].m) * now->slot_stride;
	v->pool_bytes = now->pool_bytes > 2 * window ? now->pool_bytes : 2 * window;
	v->pool_bytes = (v->pool_bytes + MIB - 1) / MIB * MIB;
}

static void sum_bursts(const struct view *w, struct linktest_verdict *v)
{
	for (unsigned i = 0; i < w->n; i++) {
		const struct linktest_result *r = &w->results[i];

		if (!w->steps[i].burst || !r->whole)
			continue;
		v->bursts = true;
		v->burst_size = w->steps[i].size;
		if (r->lost > 0) {
			v->burst_lost = w->steps[i].frames;
			v->burst_by_ring = r->drops > 0;
			return;
		}
		v->burst_ridden = (uint32_t)r->sent;
	}
}

/* Ring for what comes in LINKTEST_RIDE_MS, by what the present one was seen to hold. */
static void choose_ring(struct linktest_verdict *v, const struct linktest_setting *now)
{
	const uint64_t held = v->burst_ridden * (linktest_frame_bits(v->burst_size) / 8);
	uint64_t want, ring = MIB;

	v->ring_bytes = (now->ring_bytes + MIB - 1) / MIB * MIB;
	v->need_bytes = v->rate_bps / 8 * LINKTEST_RIDE_MS / 1000;
	if (!v->bursts || held >= v->need_bytes || (v->burst_lost && !v->burst_by_ring))
		return;
	/* a burst that was lost says how well the ring is filled; one that was not, nothing */
	want = v->need_bytes + v->need_bytes / 4;
	if (v->burst_lost && held > 0)
		want = (uint64_t)((double)now->ring_bytes * (double)v->need_bytes /
				  (double)held);
	while (ring < want && ring < RING_MAX)
		ring *= 2;
	if (ring > v->ring_bytes)
		v->ring_bytes = ring;
}

void linktest_propose(struct linktest_verdict *v, const struct linktest_plan *plan,
		      const struct linktest_step *steps,
		      const struct linktest_result *results, unsigned n,
		      const struct linktest_setting *now)
{
	const struct view w = {plan, steps, results, n};
	unsigned rate;

	memset(v, 0, sizeof(*v));
	choose_size(&w, v);
	rate = choose_rate(&w, v);
	set_rate(&w, rate, v);
	sum_below(&w, rate, v);
	choose_fec(v, now);
	sum_bursts(&w, v);
	choose_ring(v, now);
}
