// SPDX-License-Identifier: ISC
/* order.c against a model that knows every message and what came of it when. */
#include <criterion/criterion.h>
#include <string.h>

#include "clock.h"
#include "order.h"
#include "rig.h"

#define HOLD_NS UINT64_C(50000000)
#define NUMBERS 20000u
#define PIECE 1000u /* bytes of a message that fit a symbol of the model */

static struct order order;
static struct rx_arena arena;

static struct {
	uint64_t last; /* the highest number handed on or given up */
	uint64_t out, lost;
	uint64_t bytes;
	uint8_t done[NUMBERS]; /* 1 handed on, 2 lost */
	bool repaired[NUMBERS];
	uint32_t total[NUMBERS];
} seen;

static uint8_t byte_of(uint64_t number, uint32_t at)
{
	return (uint8_t)(number * 31 + at * 7 + (at >> 8));
}

static void out(void *ctx, const struct order_out *m)
{
	uint32_t at = 0;

	cr_assert_eq(ctx, &seen);
	cr_assert_eq(m->number, seen.last + 1, "in order, none passed over in silence");
	seen.last = m->number;
	seen.out++;
	for (unsigned i = 0; i < m->pieces; i++)
		for (size_t n = 0; n < m->piece[i].iov_len; n++, at++)
			cr_assert_eq(((const uint8_t *)m->piece[i].iov_base)[n],
				     byte_of(m->number, at));
	cr_assert_eq(at, m->total);
	seen.bytes += at;
	if (m->number < NUMBERS) {
		cr_assert_eq(seen.done[m->number], 0);
		cr_assert_eq(m->total, seen.total[m->number]);
		seen.done[m->number] = 1;
		seen.repaired[m->number] = m->repaired;
	}
}

static void lost(void *ctx, uint64_t first, uint64_t last)
{
	cr_assert_eq(ctx, &seen);
	cr_assert_eq(first, seen.last + 1);
	cr_assert_leq(first, last);
	seen.last = last;
	seen.lost += last - first + 1;
	for (uint64_t n = first; n <= last && n < NUMBERS; n++)
		seen.done[n] = 2;
}

static void begin(uint64_t first)
{
	struct km_err err = KM_ERR_INIT;

	memset(&arena, 0, sizeof(arena));
	order_lay(&order, &arena);
	cr_assert_eq(rx_arena_map(&arena, &err), 0, "%s", err.text);
	order_lay(&order, &arena);
	memset(&seen, 0, sizeof(seen));
	seen.last = first - 1;
	order_begin(&order, first, HOLD_NS, out, lost, &seen);
}

static void end(void)
{
	cr_assert(order_check(&order));
	rx_arena_unmap(&arena);
}

static void piece(uint64_t number, uint32_t total, uint32_t offset, uint32_t len,
		  uint32_t window, bool repaired, uint64_t now_ns)
{
	static const uint8_t source[WIRE_SOURCE_IPV4] = {192, 0, 2, 1, 20, 20};
	static uint8_t bytes[WIRE_MESSAGE_MAX];
	const struct record_message m = {.number = number,
					 .tx_time_ns = number,
					 .source = source,
					 .source_len = sizeof(source),
					 .total = total,
					 .offset = offset,
					 .data = bytes,
					 .len = len};

	for (uint32_t i = 0; i < len; i++)
		bytes[i] = byte_of(number, offset + i);
	if (number < NUMBERS)
		seen.total[number] = total;
	order_take(&order, &m, window, repaired, now_ns);
	memset(bytes, 0xee, len); /* nothing may point here any more */
}

static void whole(uint64_t number, uint32_t total, uint32_t window, uint64_t now_ns)
{
	piece(number, total, 0, total, window, false, now_ns);
}

Test(order, what_was_handed_on_and_comes_again_is_late_and_takes_no_room)
{
	begin(1);
	for (uint64_t n = 1; n <= 3; n++)
		whole(n, 100, 1, 0);
	for (uint64_t n = 1; n <= 3; n++)
		whole(n, 100, 1, 1000);
	cr_assert_eq(order.late, 3);
	cr_assert_eq(seen.out, 3);
	cr_assert_eq(order.free_cells, ORDER_CELLS);
	end();
}

Test(order, what_comes_in_order_goes_straight_on)
{
	begin(1);
	for (uint64_t n = 1; n < 5000; n++) {
		whole(n, n % 7 ? (uint32_t)(n % 1400) : 0, (uint32_t)(n / 32), n);
		cr_assert_eq(seen.out, n);
	}
	cr_assert_eq(order.due_ns, CLOCK_NEVER);
	order_tick(&order, CLOCK_NEVER - 1);
	cr_assert_eq(seen.lost, 0);
	end();
}

Test(order, a_gap_is_filled_or_given_up_at_its_deadline)
{
	begin(1);
	whole(1, 10, 0, 0);
	whole(3, 10, 0, 1000);
	whole(4, 3000, 0, 2000);
	order_tick(&order, 1000 + HOLD_NS - 1);
	cr_assert_eq(seen.last, 1);
	piece(2, 10, 0, 10, 0, true, 1000 + HOLD_NS - 1);
	cr_assert_eq(seen.last, 4);
	cr_assert(seen.repaired[2] && !seen.repaired[3]);
	whole(7, 10, 0, 5 * HOLD_NS);
	order_tick(&order, 6 * HOLD_NS);
	cr_assert_eq(seen.last, 7);
	cr_assert_eq(seen.lost, 2);
	/* too late: named already */
	whole(5, 10, 0, 6 * HOLD_NS);
	cr_assert_eq(order.late, 1);
	cr_assert_eq(seen.last, 7);
	end();
}

Test(order, a_later_window_ends_the_wait)
{
	begin(1);
	whole(2, 10, 0, 1000);
	cr_assert_eq(order.due_ns, 1000 + HOLD_NS);
	whole(3, 10, 1, 2000);
	cr_assert_eq(order.due_ns, 2000 + ORDER_REORDER_NS);
	order_tick(&order, 2000 + ORDER_REORDER_NS);
	cr_assert_eq(seen.last, 3);
	cr_assert_eq(seen.lost, 1);
	end();
}

Test(order, the_tail_is_known_by_word)
{
	begin(1);
	order_told(&order, 0, 5);
	cr_assert_eq(order.due_ns, CLOCK_NEVER);
	order_told(&order, 3, 10);
	whole(1, 5, 0, 20);
	order_tick(&order, 10 + HOLD_NS);
	cr_assert_eq(seen.last, 3);
	cr_assert_eq(seen.lost, 2);
	order_told(&order, 2, 30); /* an old word */
	cr_assert_eq(order.due_ns, CLOCK_NEVER);
	end();
}

Test(order, pieces_come_in_any_order_and_twice)
{
	begin(1);
	piece(1, 3000, 2000, 1000, 0, false, 1);
	piece(1, 3000, 0, 1000, 0, false, 2);
	piece(1, 3000, 0, 1000, 0, false, 3);	 /* twice */
	piece(1, 2999, 1000, 1000, 0, false, 4); /* another size */
	piece(1, 3000, 999, 1000, 0, false, 5);	 /* across what is here */
	cr_assert_eq(order.late, 1);
	cr_assert_eq(order.malformed, 2);
	cr_assert_eq(seen.out, 0);
	piece(1, 3000, 1000, 1000, 0, true, 6);
	cr_assert_eq(seen.out, 1);
	cr_assert(seen.repaired[1]);
	end();
}

Test(order, half_a_message_is_no_message)
{
	begin(1);
	piece(1, 3000, 0, 2000, 0, false, 1);
	whole(2, 5, 0, 2);
	order_tick(&order, 2 + HOLD_NS);
	cr_assert_eq(seen.done[1], 2);
	cr_assert_eq(seen.done[2], 1);
	end();
}

Test(order, memory_is_bounded_and_what_is_here_goes_first)
{
	const uint32_t large = WIRE_MESSAGE_MAX;

	begin(1);
	for (uint64_t n = 2; n < 500; n++) {
		whole(n, large, 0, n);
		cr_assert(order_check(&order));
	}
	cr_assert_eq(seen.done[1], 2);
	cr_assert_eq(seen.lost, 1);
	cr_assert_gt(seen.out, 400);
	order_settle(&order);
	cr_assert_eq(seen.out, 498);
	/* every cell held behind a gap, and the gap itself comes without room */
	begin(1);
	for (uint64_t n = 2; n < 2 + ORDER_CELLS; n++)
		whole(n < 4096 ? n : n + 1, 10, 0, 1);
	piece(1, large, 0, 1000, 0, false, 2);
	cr_assert(order_check(&order));
	end();
}

Test(order, a_leap_costs_no_more_than_the_table)
{
	begin(1);
	whole(3, 10, 0, 1);
	whole(UINT64_MAX - 1, 10, 0, 2);
	whole(UINT64_MAX, 10, 0, 3); /* no such number */
	cr_assert_eq(order.late, 1);
	order_settle(&order);
	cr_assert_eq(seen.last, UINT64_MAX - 1);
	cr_assert_eq(seen.out, 2);
	end();
	/* the last numbers there are: found by the fuzzer, which saw it run for ever */
	begin(UINT64_MAX - 9);
	whole(UINT64_MAX - 5, 10, 0, 1);
	order_told(&order, UINT64_MAX - 1, 2);
	order_tick(&order, 2 + HOLD_NS);
	cr_assert_eq(seen.last, UINT64_MAX - 1);
	cr_assert_eq(seen.out, 1);
	cr_assert_eq(seen.lost, 8);
	end();
}

/* ---- at random ------------------------------------------------------------------------- */

struct symbol {
	uint64_t number;
	uint32_t total, offset, len, window;
};

static struct symbol sent[NUMBERS * 4];
static uint64_t state;

static uint64_t draw(uint64_t below)
{
	return rig_random(&state) % below;
}

/* Messages cut as tx does it, K symbols to a window. */
static unsigned send_all(unsigned messages, unsigned k)
{
	unsigned symbols = 0;

	for (uint64_t n = 1; n <= messages; n++) {
		uint32_t total = (uint32_t)(draw(10) ? draw(900) : draw(5 * PIECE));
		uint32_t at = 0;

		do {
			uint32_t len = total - at < PIECE ? total - at : PIECE;

			sent[symbols] = (struct symbol){n, total, at, len, symbols / k};
			symbols++;
			at += len;
		} while (at < total);
		seen.total[n] = total;
	}
	return symbols;
}

/* Loss in PERMILLE, of which in REPAIR percent of the windows all comes back at the window's end,
 * in a shuffled order. */
static void run_random(unsigned permille, unsigned repair, uint64_t first)
{
	const unsigned k = 16;
	unsigned symbols, missing = 0;
	uint64_t now = 1000, whole_messages = 0;
	static bool here[NUMBERS * 4], ever[NUMBERS];

	begin(first);
	symbols = send_all(3000, k);
	memset(here, 0, sizeof(here));
	for (unsigned w = 0; w * k < symbols; w++) {
		const unsigned stop = (w + 1) * k < symbols ? (w + 1) * k : symbols;

		for (unsigned i = w * k; i < stop; i++) {
			const struct symbol *s = &sent[i];

			now += 100000;
			order_tick(&order, now);
			here[i] = draw(1000) >= permille;
			if (here[i])
				piece(s->number, s->total, s->offset, s->len, w, false,
				      now);
		}
		now += 2000000;
		order_tick(&order, now);
		if (draw(100) < repair) {
			for (unsigned i = stop; i-- > w * k;) {
				const struct symbol *s = &sent[i];

				if (!here[i])
					piece(s->number, s->total, s->offset, s->len, w,
					      true, now);
				here[i] = true;
			}
		}
		cr_assert(order_check(&order));
	}
	order_told(&order, 3000, now);
	order_tick(&order, now + HOLD_NS);
	memset(ever, 1, sizeof(ever));
	for (unsigned i = 0; i < symbols; i++) {
		ever[sent[i].number] &= here[i];
		missing += !here[i];
	}
	for (unsigned n = (unsigned)first; n <= 3000; n++) {
		/* whatever came whole is handed on: no deadline passed before a repair */
		cr_assert_eq(seen.done[n], ever[n] ? 1 : 2, "message %u", n);
		whole_messages += ever[n];
	}
	cr_assert_eq(seen.out, whole_messages);
	cr_assert_eq(seen.out + seen.lost, 3001 - first);
	cr_assert_eq(order.due_ns, CLOCK_NEVER);
	cr_assert(permille == 0 || repair == 100 || missing > 0);
	end();
}

Test(order, random_loss_against_the_model, .timeout = 120)
{
	state = rig_seed();
	run_random(0, 0, 1);
	for (unsigned round = 0; round < 10; round++) {
		run_random(10, 100, 1);
		run_random(50, 50, 1);
		run_random(300, 30, 1);
	}
	run_random(900, 10, 1);
}
