// SPDX-License-Identifier: ISC
#include "window_table.h"

#include <string.h>

struct window_stream *window_stream(struct windows *ws, const struct window_where *where)
{
	size_t at = (size_t)where->session * ws->channels + where->channel_index;

	return &ws->stream[at * FRAME_STREAM_COUNT + where->stream];
}

struct window *window_find(const struct window_stream *st, uint32_t number)
{
	for (unsigned i = 0; i < st->open_n; i++)
		if (st->open[i]->number == number)
			return st->open[i];
	return NULL;
}

static unsigned open_max(const struct window_where *where)
{
	return where->stream == FRAME_STREAM_LEDGER ? WINDOW_LEDGER_OPEN : WINDOW_DATA_OPEN;
}

/* The oldest open window of a lane; NULL when the lane may have one more. */
static struct window *crowded(const struct window_stream *st,
			      const struct window_where *where, uint16_t lane)
{
	struct window *oldest = NULL;
	unsigned n = 0;

	for (unsigned i = 0; i < st->open_n; i++) {
		struct window *w = st->open[i];

		if (w->lane != lane)
			continue;
		n++;
		if (!oldest || w->number < oldest->number)
			oldest = w;
	}
	return n >= open_max(where) ? oldest : NULL;
}

/* The same of the stream: lanes of many workers. */
static struct window *full(const struct window_stream *st)
{
	struct window *oldest = st->open[0];

	if (st->open_n < WINDOW_OPEN_MAX)
		return NULL;
	for (unsigned i = 1; i < st->open_n; i++)
		if (st->open[i]->number < oldest->number)
			oldest = st->open[i];
	return oldest;
}

enum window_past window_past(const struct window_stream *st,
			     const struct window_where *where, uint16_t lane,
			     uint32_t number)
{
	uint32_t lowest = UINT32_MAX;
	const struct window *oldest;

	for (unsigned i = 0; i < st->recent_n; i++) {
		if (st->recent[i].number == number)
			return st->recent[i].whole ? WINDOW_PAST_WHOLE : WINDOW_PAST_GONE;
		if (st->recent[i].number < lowest)
			lowest = st->recent[i].number;
	}
	/* tx counts up: below the oldest that we remember we may have forgotten */
	if (st->recent_n == WINDOW_RECENT && number < lowest)
		return WINDOW_PAST_GONE;
	/* to open it would end it, being the oldest */
	oldest = crowded(st, where, lane);
	if (!oldest)
		oldest = full(st);
	return oldest && number < oldest->number ? WINDOW_PAST_GONE : WINDOW_PAST_NEVER;
}

static void remember(struct window_stream *st, uint32_t number, bool whole)
{
	st->recent[st->recent_at].number = number;
	st->recent[st->recent_at].whole = whole;
	st->recent_at = (uint8_t)((st->recent_at + 1) % WINDOW_RECENT);
	if (st->recent_n < WINDOW_RECENT)
		st->recent_n++;
}

void window_block_strip(struct windows *ws, struct window *w, struct window_block *b,
			bool all)
{
	uint32_t *link = &b->head;

	while (*link != POOL_NONE) {
		uint32_t slot = *link;
		struct pool_slot *s = &ws->pool.slot[slot];

		if (!all && !s->repair) {
			link = &s->next;
			continue;
		}
		*link = s->next;
		pool_give(&ws->pool, slot);
		w->slots--;
	}
}

static void strip(struct windows *ws, struct window *w, bool all)
{
	for (unsigned b = 0; b < w->depth && w->slots; b++)
		window_block_strip(ws, w, &w->block[b], all);
}

static void say_window(struct windows *ws, const struct window_where *where,
		       uint32_t number, enum deliver_type type, uint64_t a, uint64_t b)
{
	struct deliver_msg msg = {
		.type = (uint16_t)type,
		.channel = where->channel,
		.stream = where->stream,
		.session = where->tag,
		.number = number,
		.a = a,
		.b = b,
	};

	delivery_push(ws->delivery, &msg);
}

/* Fewest repairs left over by a block that needed some; UINT32_MAX when none did. */
static uint32_t worst_margin(const struct window *w)
{
	uint32_t worst = UINT32_MAX;

	for (unsigned b = 0; b < w->depth; b++) {
		const struct window_block *bl = &w->block[b];
		uint32_t left;

		if (bl->repaired == 0)
			continue;
		left = (uint32_t)bl->sources + bl->repairs - bl->k;
		if (left < worst)
			worst = left;
	}
	return worst;
}

static void say_end(struct windows *ws, const struct window *w)
{
	uint32_t have = w->sources + w->repaired, hit = 0;
	uint64_t *v = ws->counts->v;

	if (w->repaired) {
		uint32_t worst = worst_margin(w);

		if (worst < v[COUNT_MARGIN_WORST])
			v[COUNT_MARGIN_WORST] = worst;
		say_window(ws, &w->where, w->number, DELIVER_MARGIN, w->repaired, worst);
	}
	if (w->whole) {
		v[COUNT_WINDOWS_DONE]++;
		return;
	}
	/* neither close record nor repairs came: how much is missing is not known */
	v[COUNT_WINDOWS_UNENDED] += w->n_min == have;
	for (unsigned b = 0; b < w->depth; b++)
		hit += (uint32_t)w->block[b].sources + w->block[b].repaired <
		       window_block_k(w->n_min, w->depth, b);
	v[COUNT_WINDOWS_INCOMPLETE]++;
	v[COUNT_SYMBOLS_MISSING] += w->n_min - have;
	say_window(ws, &w->where, w->number, DELIVER_WINDOW, w->n_min - have, hit);
}

void window_never_seen(struct windows *ws, const struct window_where *where,
		       const struct window_close *c)
{
	remember(window_stream(ws, where), c->number, false);
	ws->counts->v[COUNT_WINDOWS_INCOMPLETE]++;
	ws->counts->v[COUNT_SYMBOLS_MISSING] += c->symbols;
	say_window(ws, where, c->number, DELIVER_WINDOW, c->symbols, 0);
}

void window_finish(struct windows *ws, struct window *w)
{
	struct window_stream *st = window_stream(ws, &w->where);

	for (unsigned i = 0; i < st->open_n; i++) {
		if (st->open[i] != w)
			continue;
		st->open_n--;
		for (; i < st->open_n; i++)
			st->open[i] = st->open[i + 1];
	}
	remember(st, w->number, w->whole);
	say_end(ws, w);
	strip(ws, w, false);
	w->state = w->slots ? WINDOW_DONE : WINDOW_FREE;
}

/* Free what publish has released. True when anything still waits for publish. */
static bool reap(struct windows *ws)
{
	uint64_t released = delivery_released(ws->delivery);
	bool waiting = false;

	while (ws->stray_tail != ws->stray_head) {
		const struct window_stray *s = &ws->stray[ws->stray_tail % WINDOW_STRAYS];

		if (s->msg > released) {
			waiting = true;
			break;
		}
		pool_give(&ws->pool, s->slot);
		ws->stray_tail++;
	}
	for (unsigned i = 0; i < ws->table_n; i++) {
		struct window *w = &ws->table[i];

		if (w->state == WINDOW_FREE || (w->state == WINDOW_OPEN && !w->whole))
			continue;
		if (w->last_msg > released) {
			waiting = waiting || w->slots;
			continue;
		}
		strip(ws, w, true);
		if (w->state == WINDOW_DONE)
			w->state = WINDOW_FREE;
	}
	return waiting;
}

/* The oldest window of the lowest class; only such that hold slots when SLOTS. */
static struct window *victim(struct windows *ws, const struct window *keep, bool slots)
{
	struct window *worst = NULL;

	for (unsigned i = 0; i < ws->table_n; i++) {
		struct window *w = &ws->table[i];

		if (w == keep || w->state != WINDOW_OPEN || (slots && !w->slots))
			continue;
		if (!worst || w->class > worst->class ||
		    (w->class == worst->class && w->order < worst->order))
			worst = w;
	}
	return worst;
}

static void evict(struct windows *ws, struct window *w)
{
	ws->counts->v[COUNT_POOL_EVICTIONS]++;
	delivery_alarm(ws->delivery, DELIVER_ALARM_POOL, w->where.tag, w->number);
	window_finish(ws, w);
}

uint32_t window_slot(struct windows *ws, const struct window *keep)
{
	for (;;) {
		uint32_t slot = pool_take(&ws->pool);
		struct window *w;
		bool waiting;

		if (slot != POOL_NONE)
			return slot;
		waiting = reap(ws);
		if (ws->pool.free_head != POOL_NONE)
			continue;
		if (waiting) {
			/* publish is behind: better that than to give up what can be
			 * repaired */
			if (!delivery_wait(ws->delivery))
				return POOL_NONE;
			continue;
		}
		w = victim(ws, keep, true);
		if (!w)
			return POOL_NONE;
		evict(ws, w);
	}
}

uint32_t windows_slot(struct windows *ws)
{
	return window_slot(ws, NULL);
}

static struct window *table_take(struct windows *ws)
{
	for (;;) {
		struct window *w;

		for (unsigned i = 0; i < ws->table_n; i++)
			if (ws->table[i].state == WINDOW_FREE)
				return &ws->table[i];
		if (reap(ws)) {
			if (!delivery_wait(ws->delivery))
				return NULL;
			continue;
		}
		w = victim(ws, NULL, false);
		if (w)
			evict(ws, w);
	}
}

struct window *window_open(struct windows *ws, const struct window_where *where,
			   const struct frame_header *h, uint64_t now_ns)
{
	struct window_stream *st = window_stream(ws, where);
	uint32_t sources_max = (uint32_t)h->depth * (WIRE_FEC_POINTS - h->M);
	struct window *w;

	/* those before it have all their sources: tx opens one after the other in a lane */
	for (unsigned i = 0; i < st->open_n; i++)
		if (st->open[i]->lane == h->lane && st->open[i]->number < h->window)
			st->open[i]->closing = true;
	w = crowded(st, where, h->lane);
	if (!w)
		w = full(st);
	if (w)
		window_finish(ws, w);
	w = table_take(ws);
	if (!w)
		return NULL;
	memset(w, 0, offsetof(struct window, block));
	w->state = WINDOW_OPEN;
	w->class = h->class;
	w->where = *where;
	w->lane = h->lane;
	w->number = h->window;
	w->depth = h->depth;
	w->symbol_size = h->symbol_size;
	w->M = h->M;
	w->n_max = sources_max;
	w->repairs_said = UINT32_MAX;
	w->last_ns = now_ns;
	w->order = ws->opened++;
	for (unsigned b = 0; b < h->depth; b++)
		w->block[b] = (struct window_block){.head = POOL_NONE};
	memset(w->source_seen, 0, sources_max / 8 + 1);
	memset(w->repair_seen, 0, (size_t)h->depth * h->M / 8 + 1);
	st->open[st->open_n++] = w;
	return w;
}

/* ---- set-up, sessions, time -------------------------------------------------------- */

void windows_lay(struct windows *ws, unsigned sessions, unsigned channels,
		 const struct segment_plan *plan, uint8_t *segment, struct rx_arena *arena)
{
	unsigned table = channels * WINDOW_PER_CHANNEL;

	memset(ws, 0, sizeof(*ws));
	if (table < WINDOW_TABLE_MIN)
		table = WINDOW_TABLE_MIN;
	if (table > WINDOW_TABLE_MAX)
		table = WINDOW_TABLE_MAX;
	ws->table_n = table;
	ws->sessions = sessions;
	ws->channels = channels;
	ws->table = rx_arena_take(arena, table * sizeof(*ws->table));
	ws->stream = rx_arena_take(arena, (size_t)sessions * channels * FRAME_STREAM_COUNT *
						  sizeof(*ws->stream));
	ws->stray = rx_arena_take(arena, WINDOW_STRAYS * sizeof(*ws->stray));
	ws->work = rx_arena_take(arena, FEC_SCRATCH_MAX);
	pool_lay(&ws->pool, plan, segment, arena);
}

void windows_link(struct windows *ws, struct delivery *delivery, struct live *live,
		  struct decode_counts *counts)
{
	ws->delivery = delivery;
	ws->live = live;
	ws->counts = counts;
}

void windows_session_begin(struct windows *ws, unsigned session)
{
	size_t streams = (size_t)ws->channels * FRAME_STREAM_COUNT;

	memset(&ws->stream[session * streams], 0, streams * sizeof(*ws->stream));
}

/* Close records whose window never came: all of them (AGE_NS 0), or the overdue. */
static void expire_closes(struct windows *ws, const struct window_where *where,
			  uint64_t now_ns, uint64_t age_ns)
{
	struct window_stream *st = window_stream(ws, where);

	for (unsigned i = 0; i < WINDOW_CLOSES; i++) {
		struct window_close *c = &st->close[i];

		if (!c->used || (age_ns && now_ns - c->at_ns < age_ns))
			continue;
		c->used = false;
		window_never_seen(ws, where, c);
	}
}

void windows_session_end(struct windows *ws, unsigned session, uint32_t tag,
			 const uint16_t *channel_numbers)
{
	for (unsigned i = 0; i < ws->channels * FRAME_STREAM_COUNT; i++) {
		struct window_where where = {
			.tag = tag,
			.channel = channel_numbers[i / FRAME_STREAM_COUNT],
			.channel_index = (uint16_t)(i / FRAME_STREAM_COUNT),
			.session = (uint8_t)session,
			.stream = (uint8_t)(i % FRAME_STREAM_COUNT),
		};
		struct window_stream *st = window_stream(ws, &where);

		while (st->open_n)
			window_finish(ws, st->open[0]);
		expire_closes(ws, &where, 0, 0);
	}
}

static bool overdue(const struct window *w, uint64_t now_ns)
{
	uint64_t idle_ns = now_ns - w->last_ns;

	if (w->whole && w->repairs >= w->repairs_said)
		return true;
	return idle_ns >= (w->closing || w->whole ? WINDOW_IDLE_NS : WINDOW_OPEN_NS);
}

void windows_tick(struct windows *ws, const uint32_t *session_tags,
		  const uint16_t *channel_numbers, uint64_t now_ns)
{
	unsigned per_session = ws->channels * FRAME_STREAM_COUNT, open = 0;

	for (unsigned i = 0; i < ws->table_n; i++) {
		struct window *w = &ws->table[i];

		if (w->state == WINDOW_OPEN && overdue(w, now_ns))
			window_finish(ws, w);
		open += w->state == WINDOW_OPEN;
	}
	for (unsigned i = 0; i < ws->sessions * per_session; i++) {
		struct window_where where = {
			.tag = session_tags[i / per_session],
			.channel = channel_numbers[i % per_session / FRAME_STREAM_COUNT],
			.channel_index = (uint16_t)(i % per_session / FRAME_STREAM_COUNT),
			.session = (uint8_t)(i / per_session),
			.stream = (uint8_t)(i % FRAME_STREAM_COUNT),
		};

		expire_closes(ws, &where, now_ns, WINDOW_IDLE_NS);
	}
	(void)reap(ws);
	ws->counts->v[COUNT_WINDOWS_OPEN] = open;
	ws->counts->v[COUNT_POOL_USED] = ws->pool.used;
}

bool windows_check(const struct windows *ws)
{
	uint32_t used = ws->stray_head - ws->stray_tail;

	for (unsigned i = 0; i < ws->table_n; i++) {
		const struct window *w = &ws->table[i];
		uint32_t slots = 0, have = 0;

		if (w->state == WINDOW_FREE)
			continue;
		for (unsigned b = 0; b < w->depth; b++) {
			have += (uint32_t)w->block[b].sources + w->block[b].repaired;
			for (uint32_t s = w->block[b].head; s != POOL_NONE;
			     s = ws->pool.slot[s].next)
				slots++;
		}
		if (slots != w->slots || have != w->sources + w->repaired ||
		    have > w->n_min || w->n_min > w->n_max)
			return false;
		used += slots;
	}
	/* one more may be the landing slot of the caller */
	return used == ws->pool.used || used + 1 == ws->pool.used;
}
