// SPDX-License-Identifier: ISC
#include "order.h"

#include <string.h>

#include "clock.h"

#define CELL_NONE UINT32_MAX

static struct order_entry *entry_of(const struct order *o, uint64_t number)
{
	return &o->entry[number % ORDER_AHEAD];
}

/* Within the entries that the table can hold now. */
static bool in_table(const struct order *o, uint64_t number)
{
	return number >= o->next && number - o->next < ORDER_AHEAD;
}

static bool is_whole(const struct order_entry *e)
{
	return e->begun && e->got == e->total;
}

void order_lay(struct order *o, struct rx_arena *arena)
{
	memset(o, 0, sizeof(*o));
	o->entry = rx_arena_take(arena, ORDER_AHEAD * sizeof(*o->entry));
	o->bytes = rx_arena_take(arena, (size_t)ORDER_CELLS * ORDER_CELL);
	o->link = rx_arena_take(arena, ORDER_CELLS * sizeof(*o->link));
	o->due_ns = CLOCK_NEVER;
}

void order_begin(struct order *o, uint64_t first, uint64_t hold_ns, order_out_fn *out,
		 order_lost_fn *lost, void *ctx)
{
	memset(o->entry, 0, ORDER_AHEAD * sizeof(*o->entry));
	for (uint32_t i = 0; i < ORDER_CELLS; i++)
		o->link[i] = i + 1 < ORDER_CELLS ? i + 1 : CELL_NONE;
	o->free_cell = 0;
	o->free_cells = ORDER_CELLS;
	o->next = o->end = first;
	o->hold_ns = hold_ns;
	o->due_ns = CLOCK_NEVER;
	o->told_ns = 0;
	o->newest = 0;
	o->newest_ns = 0;
	o->out = out;
	o->lost = lost;
	o->ctx = ctx;
}

/* ---- cells --------------------------------------------------------------------------- */

static uint32_t cells_for(uint32_t total)
{
	return (total + ORDER_CELL - 1) / ORDER_CELL;
}

/* A chain of N <= free_cells cells. */
static uint32_t chain_take(struct order *o, uint32_t n)
{
	uint32_t first = n ? o->free_cell : CELL_NONE, last = first;

	for (uint32_t i = 1; i < n; i++)
		last = o->link[last];
	if (n) {
		o->free_cell = o->link[last];
		o->link[last] = CELL_NONE;
	}
	o->free_cells -= n;
	return first;
}

static void chain_give(struct order *o, uint32_t first)
{
	while (first != CELL_NONE) {
		const uint32_t next = o->link[first];

		o->link[first] = o->free_cell;
		o->free_cell = first;
		o->free_cells++;
		first = next;
	}
}

static void chain_write(struct order *o, uint32_t cell, uint32_t offset,
			const uint8_t *data, size_t len)
{
	for (; offset >= ORDER_CELL; offset -= ORDER_CELL)
		cell = o->link[cell];
	while (len > 0) {
		size_t n = ORDER_CELL - offset;

		if (n > len)
			n = len;
		memcpy(o->bytes + (size_t)cell * ORDER_CELL + offset, data, n);
		data += n;
		len -= n;
		offset = 0;
		cell = o->link[cell];
	}
}

/* ---- out and away --------------------------------------------------------------------- */

static void entry_drop(struct order *o, struct order_entry *e)
{
	if (e->begun)
		chain_give(o, e->cell);
	e->begun = false;
}

/* The entry at `next` is whole. */
static void hand_on(struct order *o)
{
	struct order_entry *e = entry_of(o, o->next);
	struct order_out m = {
		.number = o->next,
		.tx_time_ns = e->tx_time_ns,
		.source_len = e->source_len,
		.repaired = e->repaired,
		.total = e->total,
	};
	uint32_t left = e->total;

	memcpy(m.source, e->source, sizeof(m.source));
	for (uint32_t cell = e->cell; cell != CELL_NONE; cell = o->link[cell]) {
		const uint32_t n = left < ORDER_CELL ? left : ORDER_CELL;

		m.piece[m.pieces++] =
			(struct iovec){o->bytes + (size_t)cell * ORDER_CELL, n};
		left -= n;
	}
	o->out(o->ctx, &m);
	entry_drop(o, e);
	o->next++;
}

/* Everything before TARGET is handed on where it is whole, else given up. */
static void release_to(struct order *o, uint64_t target)
{
	while (o->next < target) {
		uint64_t first = o->next;
		/* numbers reach up to 2^64 - 2: no sum may pass that */
		uint64_t stop = target - first > ORDER_AHEAD ? first + ORDER_AHEAD : target;

		if (is_whole(entry_of(o, first))) {
			hand_on(o);
			continue;
		}
		while (o->next < stop && !is_whole(entry_of(o, o->next)))
			entry_drop(o, entry_of(o, o->next++));
		if (o->next - first == ORDER_AHEAD)
			o->next = target; /* the table is empty: nobody knows the rest */
		o->lost(o->ctx, first, o->next - 1);
	}
	if (o->end < o->next)
		o->end = o->next;
}

/* The first message behind `next` of which something is here; NULL: none, *number is `end`. */
static const struct order_entry *behind_gap(const struct order *o, uint64_t *number)
{
	for (uint64_t n = o->next + 1; n < o->end && in_table(o, n); n++) {
		if (entry_of(o, n)->begun) {
			*number = n;
			return entry_of(o, n);
		}
	}
	*number = o->end;
	return NULL;
}

static void set_due(struct order *o)
{
	const struct order_entry *gap = entry_of(o, o->next), *e;
	uint64_t number;

	o->due_ns = CLOCK_NEVER;
	if (o->next == o->end)
		return;
	e = behind_gap(o, &number);
	/* nothing behind: the pieces of a long message may still be under way */
	o->due_ns = clock_add(e		   ? e->seen_ns
			      : gap->begun ? gap->last_ns
					   : o->told_ns,
			      o->hold_ns);
	if (e && (int32_t)(o->newest - e->window) > 0 &&
	    clock_add(o->newest_ns, ORDER_REORDER_NS) < o->due_ns)
		o->due_ns = clock_add(o->newest_ns, ORDER_REORDER_NS);
}

/* Hand on what can be; LOOK: what the deadline depends on has changed. */
static void drain(struct order *o, bool look)
{
	const uint64_t before = o->next;

	while (o->next < o->end && is_whole(entry_of(o, o->next)))
		hand_on(o);
	if (look || o->next != before || o->due_ns == CLOCK_NEVER)
		set_due(o);
}

/* ---- in ------------------------------------------------------------------------------- */

/* Bytes [from, to) are new: merged into the spans. False: they overlap what is here, or there
 * are too many parts. */
static bool span_add(struct order_entry *e, uint32_t from, uint32_t to)
{
	unsigned at = 0;

	while (at < e->spans && e->span[at].to < from)
		at++;
	/* a span at `at` may end at `from`, the one behind may begin at `to` */
	if (at < e->spans && e->span[at].to == from) {
		if (at + 1 < e->spans && e->span[at + 1].from < to)
			return false;
		e->span[at].to = to;
		if (at + 1 < e->spans && e->span[at + 1].from == to) {
			e->span[at].to = e->span[at + 1].to;
			memmove(&e->span[at + 1], &e->span[at + 2],
				(e->spans - at - 2) * sizeof(e->span[0]));
			e->spans--;
		}
		return true;
	}
	if (at < e->spans && e->span[at].from < to)
		return false;
	if (at < e->spans && e->span[at].from == to) {
		e->span[at].from = from;
		return true;
	}
	if (e->spans == ORDER_SPANS)
		return false;
	memmove(&e->span[at + 1], &e->span[at], (e->spans - at) * sizeof(e->span[0]));
	e->span[at].from = from;
	e->span[at].to = to;
	e->spans++;
	return true;
}

/* All of [from, to) is here already: the piece came twice. */
static bool span_has(const struct order_entry *e, uint32_t from, uint32_t to)
{
	for (unsigned i = 0; i < e->spans; i++)
		if (e->span[i].from <= from && to <= e->span[i].to)
			return true;
	return false;
}

/* The commonest case: nothing is missing before it, and it is whole. */
static void straight_on(struct order *o, const struct record_message *m, bool repaired)
{
	struct order_out out = {
		.number = m->number,
		.tx_time_ns = m->tx_time_ns,
		.source_len = (uint8_t)m->source_len,
		.repaired = repaired,
		.total = m->total,
		.pieces = m->total ? 1 : 0,
		.piece = {{(void *)(uintptr_t)m->data, m->len}},
	};

	memcpy(out.source, m->source, m->source_len);
	o->out(o->ctx, &out);
	o->next++;
	if (o->end < o->next)
		o->end = o->next;
}

/* NULL: there is no room, all that was held back is on its way and this one given up. */
static struct order_entry *entry_begin(struct order *o, const struct record_message *m,
				       uint32_t window, uint64_t now_ns)
{
	struct order_entry *e;

	if (o->end <= m->number)
		o->end = m->number + 1;
	/* a gap is worth less than what is here */
	if (cells_for(m->total) > o->free_cells)
		release_to(o, m->number);
	if (cells_for(m->total) > o->free_cells) {
		release_to(o, o->end);
		return NULL;
	}
	e = entry_of(o, m->number);
	*e = (struct order_entry){
		.begun = true,
		.source_len = (uint8_t)m->source_len,
		.total = m->total,
		.window = window,
		.cell = chain_take(o, cells_for(m->total)),
		.tx_time_ns = m->tx_time_ns,
		.seen_ns = now_ns,
	};
	memcpy(e->source, m->source, m->source_len);
	return e;
}

/* A piece of a message that is not yet whole. */
static void piece_add(struct order *o, struct order_entry *e,
		      const struct record_message *m, bool repaired, uint64_t now_ns)
{
	const uint32_t to = m->offset + (uint32_t)m->len;

	e->repaired |= repaired;
	e->last_ns = now_ns;
	if (m->len == 0)
		return;
	if (!span_add(e, m->offset, to)) {
		o->malformed++;
		return;
	}
	chain_write(o, e->cell, m->offset, m->data, m->len);
	e->got += (uint32_t)m->len;
}

/* Whether the entry may take the piece; what it has already, or contradicts it, is counted. */
static bool piece_fits(struct order *o, const struct order_entry *e,
		       const struct record_message *m)
{
	if (e->total != m->total) {
		o->malformed++;
		return false;
	}
	if (is_whole(e) || span_has(e, m->offset, m->offset + (uint32_t)m->len)) {
		o->late++;
		return false;
	}
	return true;
}

void order_take(struct order *o, const struct record_message *m, uint32_t window,
		bool repaired, uint64_t now_ns)
{
	const bool newer = (int32_t)(window - o->newest) > 0;
	struct order_entry *e;

	if (newer) {
		o->newest = window;
		o->newest_ns = now_ns;
	}
	if (m->number < o->next || m->number == UINT64_MAX) {
		o->late++;
		return;
	}
	if (!in_table(o, m->number))
		release_to(o, m->number - ORDER_AHEAD + 1);
	e = entry_of(o, m->number);
	if (m->len == m->total && m->number == o->next && !e->begun) {
		straight_on(o, m, repaired);
		drain(o, true);
		return;
	}
	if (!e->begun)
		e = entry_begin(o, m, window, now_ns);
	else if (!piece_fits(o, e, m))
		return;
	if (e)
		piece_add(o, e, m, repaired, now_ns);
	drain(o, newer || m->number == o->next);
}

void order_told(struct order *o, uint64_t last, uint64_t now_ns)
{
	if (last == UINT64_MAX || last < o->end)
		return;
	o->end = last + 1;
	o->told_ns = now_ns;
	if (o->due_ns == CLOCK_NEVER)
		set_due(o);
}

void order_tick(struct order *o, uint64_t now_ns)
{
	while (o->due_ns <= now_ns) {
		uint64_t behind = o->next + 1;

		/* of a message that has begun only it is given up, else the gap before one */
		if (!entry_of(o, o->next)->begun)
			(void)behind_gap(o, &behind);
		release_to(o, behind);
		drain(o, true);
	}
}

void order_settle(struct order *o)
{
	release_to(o, o->end);
	o->due_ns = CLOCK_NEVER;
}

bool order_check(const struct order *o)
{
	uint32_t held = 0, free_cells = 0;

	for (unsigned i = 0; i < ORDER_AHEAD; i++)
		if (o->entry[i].begun)
			held += cells_for(o->entry[i].total);
	for (uint32_t cell = o->free_cell; cell != CELL_NONE; cell = o->link[cell])
		free_cells++;
	return free_cells == o->free_cells && held + free_cells == ORDER_CELLS &&
	       o->next <= o->end && (o->due_ns == CLOCK_NEVER) == (o->next == o->end);
}
