// SPDX-License-Identifier: ISC
#include "window.h"

#include <string.h>

#include "assemble.h"
#include "window_table.h"

static bool bit_get(const uint8_t *bits, uint32_t i)
{
	return bits[i / 8] >> (i % 8) & 1;
}

static void bit_set(uint8_t *bits, uint32_t i)
{
	bits[i / 8] |= (uint8_t)(1u << (i % 8));
}

/* Hand the records in SLOT to publish; LEN bytes, the rest up to the symbol size is
 * zero. */
static void deliver(struct windows *ws, const struct window_where *where, uint32_t window,
		    uint16_t lane, uint32_t slot, size_t len, uint64_t *last_msg)
{
	struct assemble_symbol s = {
		.session = where->tag,
		.channel = where->channel,
		.lane = lane,
		.stream = where->stream,
		.live = ws->live,
		.channel_index = where->channel_index,
		.session_index = where->session,
		.window = window,
		.p = pool_at(&ws->pool, slot),
		.len = len,
		.pos = pool_pos(&ws->pool, slot),
	};

	(void)assemble_deliver(&s, ws->delivery, ws->counts);
	*last_msg = delivery_head(ws->delivery);
}

static void link_slot(struct windows *ws, struct window *w, struct window_block *b,
		      uint32_t slot, unsigned place, bool repair)
{
	struct pool_slot *s = &ws->pool.slot[slot];

	s->next = b->head;
	s->place = (uint8_t)place;
	s->repair = repair;
	b->head = slot;
	w->slots++;
}

/* All N sources there? */
static void judge_whole(struct window *w)
{
	if (w->n_min == w->n_max && w->sources + w->repaired == w->n_min)
		w->whole = true;
}

/* N lies in [lo, hi]; false when that contradicts what is known. */
static bool narrow(struct window *w, uint32_t lo, uint32_t hi)
{
	uint32_t n_min = lo > w->n_min ? lo : w->n_min;
	uint32_t n_max = hi < w->n_max ? hi : w->n_max;

	if (n_min > n_max)
		return false;
	w->n_min = n_min;
	w->n_max = n_max;
	return true;
}

/* ---- repair ------------------------------------------------------------------------ */

struct repair_job {
	uint8_t *src[FEC_POSITIONS];
	const uint8_t *row[FEC_ROWS_MAX];
	uint32_t filled[FEC_ROWS_MAX]; /* slots for the missing */
	uint8_t esi[FEC_ROWS_MAX];     /* their places */
	uint8_t present[FEC_BITMAP_BYTES];
	unsigned missing;
};

static void repair_gather(struct windows *ws, const struct window_block *b,
			  struct repair_job *job)
{
	memset(job, 0, sizeof(*job));
	for (uint32_t slot = b->head; slot != POOL_NONE; slot = ws->pool.slot[slot].next) {
		const struct pool_slot *s = &ws->pool.slot[slot];

		if (s->repair) {
			job->row[s->place % FEC_ROWS_MAX] = pool_at(&ws->pool, slot);
		} else {
			job->src[s->place] = pool_at(&ws->pool, slot);
			bit_set(job->present, s->place);
		}
	}
}

/* Slots for what is missing; false (all given back) when there is no room for them. */
static bool repair_room(struct windows *ws, struct window *w, const struct window_block *b,
			struct repair_job *job)
{
	for (unsigned esi = 0; esi < b->k; esi++) {
		uint32_t slot;

		if (bit_get(job->present, esi))
			continue;
		slot = window_slot(ws, w);
		if (slot == POOL_NONE) {
			while (job->missing)
				pool_give(&ws->pool, job->filled[--job->missing]);
			return false;
		}
		job->src[esi] = pool_at(&ws->pool, slot);
		job->esi[job->missing] = (uint8_t)esi;
		job->filled[job->missing++] = slot;
	}
	return true;
}

/* The block has as many symbols as it had sources: restore the missing ones. */
static void repair(struct windows *ws, struct window *w, unsigned block)
{
	struct window_block *b = &w->block[block];
	const struct fec_geometry geo = {.k = b->k, .m = w->M, .M = w->M};
	struct repair_job job;

	repair_gather(ws, b, &job);
	if (!repair_room(ws, w, b, &job)) {
		ws->counts->v[COUNT_SYMBOLS_UNREPAIRED] += b->k - b->sources;
		return;
	}
	if (fec_decode(&geo, w->symbol_size, job.src, job.present, job.row, ws->work,
		       FEC_SCRATCH_MAX) != FEC_OK) {
		while (job.missing)
			pool_give(&ws->pool, job.filled[--job.missing]);
		ws->counts->v[COUNT_SYMBOLS_DISAGREE]++;
		return;
	}
	window_block_strip(ws, w, b, false);
	for (unsigned i = 0; i < job.missing; i++) {
		link_slot(ws, w, b, job.filled[i], job.esi[i], false);
		bit_set(w->source_seen, (uint32_t)job.esi[i] * w->depth + block);
		b->repaired++;
		w->repaired++;
	}
	ws->counts->v[COUNT_SYMBOLS_REPAIRED] += job.missing;
	for (unsigned i = 0; i < job.missing; i++)
		deliver(ws, &w->where, w->number, 0, job.filled[i], w->symbol_size,
			&w->last_msg);
}

/* After a symbol of BLOCK came: is it whole, or can it be made whole? */
static void look_at_block(struct windows *ws, struct window *w, unsigned block)
{
	struct window_block *b = &w->block[block];
	unsigned have = (unsigned)b->sources + b->repaired;

	if (b->k && have < b->k && have + b->repairs >= b->k)
		repair(ws, w, block);
	have = (unsigned)b->sources + b->repaired;
	if (b->k && have == b->k)
		window_block_strip(ws, w, b, false);
	judge_whole(w);
}

/* ---- symbols ----------------------------------------------------------------------- */

static void take_source(struct windows *ws, struct window *w, const struct frame_header *h,
			uint32_t slot)
{
	unsigned block = h->index % h->depth;
	uint8_t *p = pool_at(&ws->pool, slot);

	if (bit_get(w->source_seen, h->index)) {
		ws->counts->v[COUNT_SYMBOLS_SURPLUS]++;
		pool_give(&ws->pool, slot);
		return;
	}
	if (!narrow(w, (uint32_t)h->index + 1, w->n_max)) {
		ws->counts->v[COUNT_SYMBOLS_DISAGREE]++;
		pool_give(&ws->pool, slot);
		return;
	}
	memset(p + h->length, 0, (size_t)h->symbol_size - h->length);
	bit_set(w->source_seen, h->index);
	w->block[block].sources++;
	w->sources++;
	ws->counts->v[COUNT_SYMBOLS_TAKEN]++;
	link_slot(ws, w, &w->block[block], slot, h->index / h->depth, false);
	deliver(ws, &w->where, w->number, h->lane, slot, h->length, &w->last_msg);
	look_at_block(ws, w, block);
}

static void take_repair(struct windows *ws, struct window *w, const struct frame_header *h,
			uint32_t slot)
{
	unsigned block = h->index % h->depth;
	struct window_block *b = &w->block[block];
	uint32_t hi = (uint32_t)h->depth * h->k + block;
	bool surplus = bit_get(w->repair_seen, h->index);

	if ((b->k && b->k != h->k) || !narrow(w, hi - h->depth + 1, hi)) {
		ws->counts->v[COUNT_SYMBOLS_DISAGREE]++;
		pool_give(&ws->pool, slot);
		return;
	}
	b->k = h->k;
	w->closing = true;
	if (!surplus) {
		bit_set(w->repair_seen, h->index);
		b->repairs++;
		w->repairs++;
		ws->counts->v[COUNT_SYMBOLS_REPAIR]++;
	}
	if (surplus || (unsigned)b->sources + b->repaired == b->k) {
		ws->counts->v[COUNT_SYMBOLS_SURPLUS] += surplus;
		pool_give(&ws->pool, slot);
	} else {
		link_slot(ws, w, b, slot, h->index / h->depth, true);
	}
	look_at_block(ws, w, block);
}

/* The window has ended: a source symbol is still of use, alone. */
static void take_stray(struct windows *ws, const struct window_where *where,
		       const struct frame_header *h, uint32_t slot)
{
	uint64_t last_msg;
	struct window_stray *s;

	if (h->type != FRAME_SOURCE || ws->stray_head - ws->stray_tail == WINDOW_STRAYS) {
		ws->counts->v[COUNT_SYMBOLS_SURPLUS]++;
		pool_give(&ws->pool, slot);
		return;
	}
	ws->counts->v[COUNT_SYMBOLS_STRAY]++;
	deliver(ws, where, h->window, h->lane, slot, h->length, &last_msg);
	s = &ws->stray[ws->stray_head++ % WINDOW_STRAYS];
	s->slot = slot;
	s->msg = last_msg;
}

static bool apply_close(struct windows *ws, struct window *w, uint32_t symbols,
			uint32_t repairs)
{
	if (symbols < w->n_min || !narrow(w, symbols, symbols)) {
		ws->counts->v[COUNT_SYMBOLS_DISAGREE]++;
		return false;
	}
	w->closing = true;
	w->repairs_said = repairs;
	judge_whole(w);
	return true;
}

/* A window was opened: did its close record come before it? */
static void apply_early_close(struct windows *ws, struct window_stream *st,
			      struct window *w)
{
	for (unsigned i = 0; i < WINDOW_CLOSES; i++) {
		struct window_close *c = &st->close[i];

		if (!c->used || c->number != w->number)
			continue;
		c->used = false;
		(void)apply_close(ws, w, c->symbols, c->repairs);
	}
}

void windows_symbol(struct windows *ws, const struct window_where *where,
		    const struct frame_header *h, uint32_t slot, uint64_t now_ns)
{
	struct window_stream *st = window_stream(ws, where);
	struct window *w = window_find(st, h->window);

	if (!w) {
		enum window_past past = window_past(st, where, h->lane, h->window);

		if (past == WINDOW_PAST_GONE) {
			take_stray(ws, where, h, slot);
			return;
		}
		if (past == WINDOW_PAST_NEVER)
			w = window_open(ws, where, h, now_ns);
		if (!w) {
			ws->counts->v[COUNT_SYMBOLS_SURPLUS]++;
			pool_give(&ws->pool, slot);
			return;
		}
		apply_early_close(ws, st, w);
	}
	if (h->depth != w->depth || h->M != w->M || h->symbol_size != w->symbol_size) {
		ws->counts->v[COUNT_SYMBOLS_DISAGREE]++;
		pool_give(&ws->pool, slot);
		return;
	}
	w->last_ns = now_ns;
	if (h->type == FRAME_SOURCE)
		take_source(ws, w, h, slot);
	else
		take_repair(ws, w, h, slot);
	if (w->state == WINDOW_OPEN && w->whole && w->repairs >= w->repairs_said)
		window_finish(ws, w);
}

void windows_close(struct windows *ws, const struct window_where *where,
		   const struct record_close *c, uint64_t now_ns)
{
	struct window_stream *st = window_stream(ws, where);
	struct window *w = window_find(st, c->window);
	struct window_close *put = NULL;

	if (w) {
		bool first = w->repairs_said == UINT32_MAX;

		if (apply_close(ws, w, c->symbols, c->repairs) && first)
			w->last_ns = now_ns;
		if (w->whole && w->repairs >= w->repairs_said)
			window_finish(ws, w);
		return;
	}
	if (window_past(st, where, WINDOW_NO_LANE, c->window) != WINDOW_PAST_NEVER)
		return;
	/* the control lane overtakes data: its window may still come */
	for (unsigned i = 0; i < WINDOW_CLOSES; i++) {
		struct window_close *at = &st->close[i];

		if (at->used && at->number == c->window)
			return;
		if (!at->used)
			put = at;
	}
	/*
	 * Behind a pause of ours the control lane, by the other ring, is many windows ahead. None of
	 * them is lost for that, and the record is not needed: repairs say what it says.
	 */
	if (!put)
		return;
	*put = (struct window_close){
		.number = c->window,
		.symbols = c->symbols,
		.repairs = c->repairs,
		.used = true,
		.at_ns = now_ns,
	};
}
