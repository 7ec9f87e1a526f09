// SPDX-License-Identifier: ISC
/* Windows, through the whole engine: geometry, loss, repair, order, ends, eviction. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

struct scene {
	struct rig *rig;
	struct rig_tx *tx;
	struct rig_frames out;
	bool have[WIRE_WINDOW_SYMBOLS_MAX];
};

static struct scene sc;

static void scene_open(unsigned slots)
{
	memset(&sc, 0, sizeof(sc));
	sc.rig = rig_new(slots, 1 << 20);
	sc.tx = rig_tx_new(sc.rig, 1000);
	rig_tx_announce(sc.tx, &sc.out);
	rig_push(sc.rig, sc.out.v[0].p, sc.out.v[0].len);
	rig_run(sc.rig, RIG_MS);
	cr_assert_eq(rig_count(sc.rig, COUNT_SESSIONS), 1);
	rig_frames_free(&sc.out);
}

static void scene_close(void)
{
	rig_frames_free(&sc.out);
	rig_tx_free(sc.tx);
	rig_free(sc.rig);
}

static void send_at(size_t i)
{
	rig_push(sc.rig, sc.out.v[i].p, sc.out.v[i].len);
}

static void send_all(void)
{
	for (size_t i = 0; i < sc.out.n; i++)
		send_at(i);
	rig_run(sc.rig, RIG_MS);
	rig_frames_free(&sc.out);
}

static struct rig_window window(unsigned depth, unsigned M, unsigned m, uint32_t symbols)
{
	return (struct rig_window){
		.channel = RIG_CHANNEL,
		.depth = depth,
		.M = M,
		.m = m,
		.symbols = symbols,
	};
}

static void close_of(const struct rig_window *w, uint16_t repairs)
{
	rig_tx_close(sc.tx, &sc.out, w->channel, w->stream, w->number, w->symbols, repairs);
}

static unsigned blocks_of(const struct rig_window *w)
{
	return w->symbols < w->depth ? w->symbols : w->depth;
}

Test(window, nothing_lost_nothing_repaired)
{
	struct rig_window w = window(5, 4, 4, 47);

	scene_open(256);
	rig_tx_window(sc.tx, &sc.out, &w);
	close_of(&w, 20);
	send_all();
	cr_assert_eq(rig_arrived(sc.rig, &w, sc.have), 47);
	cr_assert_eq(rig_count(sc.rig, COUNT_WINDOWS_DONE), 1);
	cr_assert_eq(rig_count(sc.rig, COUNT_SYMBOLS_REPAIRED), 0);
	cr_assert_eq(rig_messages(sc.rig, DELIVER_MARGIN), 0);
	cr_assert_eq(rig_messages(sc.rig, DELIVER_WINDOW), 0);
	rig_run(sc.rig, 20 * RIG_MS);
	cr_assert_eq(rig_count(sc.rig, COUNT_POOL_USED), 1,
		     "all slots free but the landing slot");
	scene_close();
}

/* Random geometry, random loss at or below what every block can repair: all there. */
static void repairable(uint64_t *state, unsigned depth)
{
	static const unsigned rows[] = {1, 2, 4, 8, 16, 32};
	unsigned M = rows[rig_random(state) % 6];
	unsigned m = 1 + (unsigned)(rig_random(state) % M);
	uint32_t max = depth * (depth > 60 ? 4 : 20), lost = 0;
	struct rig_window w = window(depth, M, m, 1 + (uint32_t)(rig_random(state) % max));
	unsigned dropped[WIRE_DEPTH_MAX] = {0};
	unsigned worst = UINT32_MAX;

	w.number = (uint32_t)rig_random(state);
	if (rig_random(state) % 2)
		w.last_len = 25 + (unsigned)(rig_random(state) % (RIG_SYMBOL - 25));
	scene_open(depth * 64 + 64);
	rig_tx_window(sc.tx, &sc.out, &w);
	close_of(&w, (uint16_t)(blocks_of(&w) * m));
	for (size_t i = 0; i < sc.out.n; i++) {
		const struct frame_header *h = &sc.out.v[i].h;
		unsigned b = h->channel ? h->index % h->depth : 0;

		if (h->channel && dropped[b] < m && rig_random(state) % 4 == 0) {
			dropped[b]++;
			lost += h->type == FRAME_SOURCE;
			continue;
		}
		send_at(i);
	}
	rig_run(sc.rig, RIG_MS);
	rig_wait(sc.rig, 3000 * RIG_MS);
	cr_assert_eq(rig_arrived(sc.rig, &w, sc.have), w.symbols,
		     "D %u M %u m %u N %u lost %u", depth, M, m, w.symbols, lost);
	cr_assert_eq(rig_count(sc.rig, COUNT_SYMBOLS_REPAIRED), lost);
	cr_assert_eq(rig_count(sc.rig, COUNT_SYMBOLS_MISSING), 0);
	cr_assert_eq(rig_count(sc.rig, COUNT_WINDOWS_DONE), 1);
	cr_assert_eq(rig_messages(sc.rig, DELIVER_MARGIN), lost != 0);
	for (unsigned b = 0; b < depth; b++)
		if (m - dropped[b] < worst)
			worst = m - dropped[b];
	if (lost) {
		const struct deliver_msg *msg = &rig_find(sc.rig, DELIVER_MARGIN, 0)->msg;

		cr_assert_eq(msg->a, lost);
		cr_assert_geq(msg->b, worst);
		cr_assert_eq(rig_count(sc.rig, COUNT_MARGIN_WORST), msg->b);
	}
	cr_assert_eq(rig_count(sc.rig, COUNT_POOL_USED), 1);
	scene_close();
}

Test(window, random_geometries_repair, .timeout = 120)
{
	uint64_t state = rig_seed();

	repairable(&state, 1);
	repairable(&state, 255);
	for (unsigned i = 0; i < 60; i++)
		repairable(&state, 1 + (unsigned)(rig_random(&state) % (i % 8 ? 20 : 255)));
}

Test(window, margin_is_what_the_worst_block_had_left)
{
	struct rig_window w = window(2, 8, 6, 20);

	scene_open(256);
	rig_tx_window(sc.tx, &sc.out, &w);
	close_of(&w, 12);
	/* block 0 loses two sources and a repair, block 1 one source */
	for (size_t i = 0; i < sc.out.n; i++)
		if (i != 0 && i != 2 && i != 20 && i != 1)
			send_at(i);
	rig_run(sc.rig, RIG_MS);
	rig_wait(sc.rig, 2100 * RIG_MS);
	cr_assert_eq(rig_find(sc.rig, DELIVER_MARGIN, 0)->msg.a, 3);
	cr_assert_eq(rig_find(sc.rig, DELIVER_MARGIN, 0)->msg.b, 3);
	cr_assert_eq(rig_count(sc.rig, COUNT_MARGIN_WORST), 3);
	scene_close();
}

Test(window, beyond_repair_is_named)
{
	struct rig_window w = window(3, 4, 4, 30);
	const struct deliver_msg *msg;

	scene_open(256);
	rig_tx_window(sc.tx, &sc.out, &w);
	close_of(&w, 12);
	/* block 1 (t % 3 == 1) loses five sources of ten, with four repairs */
	for (size_t i = 0; i < sc.out.n; i++)
		if (!(i < 15 && i % 3 == 1))
			send_at(i);
	rig_run(sc.rig, RIG_MS);
	cr_assert_eq(rig_messages(sc.rig, DELIVER_WINDOW), 0, "not before it is final");
	rig_wait(sc.rig, 2100 * RIG_MS);
	msg = &rig_find(sc.rig, DELIVER_WINDOW, 0)->msg;
	cr_assert_eq(msg->a, 5);
	cr_assert_eq(msg->b, 1);
	cr_assert_eq(msg->channel, RIG_CHANNEL);
	cr_assert_eq(rig_arrived(sc.rig, &w, sc.have), 25);
	for (uint32_t t = 0; t < 30; t++)
		cr_assert_eq(sc.have[t], !(t < 15 && t % 3 == 1));
	cr_assert_eq(rig_count(sc.rig, COUNT_SYMBOLS_MISSING), 5);
	cr_assert_eq(rig_count(sc.rig, COUNT_WINDOWS_INCOMPLETE), 1);
	cr_assert_eq(rig_count(sc.rig, COUNT_POOL_USED), 1);
	scene_close();
}

Test(window, lost_close_record_follows_from_k)
{
	struct rig_window w = window(4, 4, 4, 22); /* thin: blocks of 6, 6, 5, 5 */

	scene_open(256);
	rig_tx_window(sc.tx, &sc.out, &w);
	for (size_t i = 0; i < sc.out.n; i++)
		if (i != 3 && i != 21)
			send_at(i);
	rig_run(sc.rig, RIG_MS);
	cr_assert_eq(rig_arrived(sc.rig, &w, sc.have), 22);
	rig_wait(sc.rig, 2100 * RIG_MS);
	cr_assert_eq(rig_count(sc.rig, COUNT_WINDOWS_DONE), 1,
		     "k bounds N from both sides");
	scene_close();
}

Test(window, all_repairs_lost)
{
	struct rig_window w = window(3, 4, 4, 12);

	scene_open(256);
	rig_tx_window(sc.tx, &sc.out, &w);
	close_of(&w, 12);
	for (size_t i = 0; i < sc.out.n; i++)
		if (i != 5 && sc.out.v[i].h.type == FRAME_SOURCE)
			send_at(i);
	rig_run(sc.rig, RIG_MS);
	rig_wait(sc.rig, 2100 * RIG_MS);
	cr_assert_eq(rig_arrived(sc.rig, &w, sc.have), 11);
	cr_assert_eq(rig_find(sc.rig, DELIVER_WINDOW, 0)->msg.a, 1);
	cr_assert_eq(rig_find(sc.rig, DELIVER_WINDOW, 0)->msg.b, 1);
	scene_close();
}

Test(window, without_any_word_of_its_end)
{
	struct rig_window w = window(3, 4, 4, 12);

	scene_open(256);
	rig_tx_window(sc.tx, &sc.out, &w);
	for (size_t i = 0; i < 10; i++)
		send_at(i);
	rig_run(sc.rig, RIG_MS);
	rig_wait(sc.rig, WINDOW_OPEN_NS - 100 * RIG_MS);
	cr_assert_eq(rig_count(sc.rig, COUNT_WINDOWS_OPEN), 1);
	rig_wait(sc.rig, 200 * RIG_MS);
	cr_assert_eq(rig_count(sc.rig, COUNT_WINDOWS_OPEN), 0);
	cr_assert_eq(rig_count(sc.rig, COUNT_WINDOWS_UNENDED), 1);
	cr_assert_eq(rig_messages(sc.rig, DELIVER_WINDOW), 1);
	cr_assert_eq(rig_find(sc.rig, DELIVER_WINDOW, 0)->msg.a, 0);
	scene_close();
}

Test(window, repairs_before_sources)
{
	struct rig_window w = window(3, 4, 3, 12);

	scene_open(256);
	rig_tx_window(sc.tx, &sc.out, &w);
	close_of(&w, 9);
	for (size_t i = sc.out.n; i-- > 0;)
		if (i != 4)
			send_at(i);
	rig_run(sc.rig, RIG_MS);
	cr_assert_eq(rig_arrived(sc.rig, &w, sc.have), 12);
	rig_wait(sc.rig, 2100 * RIG_MS);
	cr_assert_eq(rig_count(sc.rig, COUNT_WINDOWS_DONE), 1);
	cr_assert_eq(rig_count(sc.rig, COUNT_SYMBOLS_DISAGREE), 0);
	scene_close();
}

Test(window, close_overtakes_its_window)
{
	struct rig_window w = window(2, 2, 2, 6);

	scene_open(256);
	rig_tx_window(sc.tx, &sc.out, &w);
	close_of(&w, 4);
	send_at(sc.out.n - 1);
	rig_run(sc.rig, RIG_MS);
	for (size_t i = 1; i + 1 < sc.out.n; i++)
		send_at(i);
	rig_run(sc.rig, RIG_MS);
	cr_assert_eq(rig_arrived(sc.rig, &w, sc.have), 6);
	cr_assert_eq(rig_count(sc.rig, COUNT_WINDOWS_DONE), 1);
	scene_close();
}

/* After a pause of ours the control lane is far ahead, by the other ring: its windows are not given
 * up for that, and what they lack is repaired. */
Test(window, closes_far_ahead_give_up_no_window)
{
	struct rig_window w = window(1, 2, 2, 4);
	const size_t frames = 7; /* four sources, two repairs, the close */

	scene_open(256);
	for (uint32_t number = 0; number < 3 * WINDOW_CLOSES; number++) {
		w.number = number;
		rig_tx_window(sc.tx, &sc.out, &w);
		close_of(&w, 2);
	}
	cr_assert_eq(sc.out.n, frames * 3 * WINDOW_CLOSES);
	for (size_t i = frames - 1; i < sc.out.n; i += frames)
		send_at(i);
	rig_run(sc.rig, RIG_MS);
	for (size_t i = 0; i < sc.out.n; i++) {
		if (i % frames != frames - 1 && i % frames != i / frames % 4)
			send_at(i);
		if (i % frames == frames - 1)
			rig_run(sc.rig, RIG_MS);
	}
	for (uint32_t number = 0; number < 3 * WINDOW_CLOSES; number++) {
		w.number = number;
		cr_assert_eq(rig_arrived(sc.rig, &w, sc.have), 4, "window %u", number);
	}
	cr_assert_eq(rig_count(sc.rig, COUNT_SYMBOLS_MISSING), 0);
	cr_assert_null(rig_find(sc.rig, DELIVER_WINDOW, 0));
	scene_close();
}

Test(window, of_which_only_the_close_came)
{
	struct rig_window w = window(2, 2, 2, 600);

	scene_open(64);
	close_of(&w, 4);
	send_all();
	close_of(&w, 4); /* it is sent twice */
	send_all();
	rig_wait(sc.rig, 2100 * RIG_MS);
	cr_assert_eq(rig_messages(sc.rig, DELIVER_WINDOW), 1);
	cr_assert_eq(rig_find(sc.rig, DELIVER_WINDOW, 0)->msg.a, 600);
	cr_assert_eq(rig_count(sc.rig, COUNT_SYMBOLS_MISSING), 600);
	scene_close();
}

Test(window, late_symbols_after_the_end)
{
	struct rig_window w = window(1, 1, 1, 8);

	scene_open(256);
	rig_tx_window(sc.tx, &sc.out, &w);
	close_of(&w, 1);
	for (size_t i = 0; i < sc.out.n; i++)
		if (i != 2 && i != 4 && i != 8)
			send_at(i);
	rig_run(sc.rig, RIG_MS);
	rig_wait(sc.rig, 2100 * RIG_MS);
	cr_assert_eq(rig_count(sc.rig, COUNT_WINDOWS_INCOMPLETE), 1);
	cr_assert_eq(rig_arrived(sc.rig, &w, sc.have), 6);
	/* a source is of use, alone; a repair is not; and the window does not open
	 * again */
	send_at(4);
	send_at(8);
	rig_run(sc.rig, RIG_MS);
	cr_assert_eq(rig_arrived(sc.rig, &w, sc.have), 7);
	cr_assert_eq(rig_count(sc.rig, COUNT_SYMBOLS_STRAY), 1);
	cr_assert_eq(rig_count(sc.rig, COUNT_SYMBOLS_SURPLUS), 1);
	rig_wait(sc.rig, 3000 * RIG_MS);
	cr_assert_eq(rig_messages(sc.rig, DELIVER_WINDOW), 1);
	cr_assert_eq(rig_count(sc.rig, COUNT_POOL_USED), 1);
	scene_close();
}

Test(window, a_third_ends_the_oldest)
{
	struct rig_window w = window(1, 2, 2, 4);

	scene_open(256);
	for (w.number = 0; w.number < 3; w.number++) {
		rig_tx_window(sc.tx, &sc.out, &w);
		send_at(0); /* two symbols of four, a hole between them */
		send_at(2);
		rig_run(sc.rig, RIG_MS);
		cr_assert_eq(rig_count(sc.rig, COUNT_WINDOWS_INCOMPLETE), w.number / 2);
		rig_frames_free(&sc.out);
	}
	rig_wait(sc.rig, 200 * RIG_MS);
	cr_assert_eq(rig_count(sc.rig, COUNT_WINDOWS_OPEN), 2);
	cr_assert_eq(rig_find(sc.rig, DELIVER_WINDOW, 0)->msg.number, 0);
	scene_close();
}

/* Windows of the workers of tx stand side by side; in a lane they follow each other. */
Test(window, two_of_every_lane_are_open_at_once)
{
	struct rig_window w = window(1, 2, 2, 4);
	enum { WORKERS = WIRE_LANES_MAX / WIRE_LANE_CLASSES };

	scene_open(512);
	for (unsigned i = 0; i < 2 * WORKERS; i++) {
		w.number = i;
		w.lane = (uint16_t)(i % WORKERS * WIRE_LANE_CLASSES + RIG_LANE_DATA);
		rig_tx_window(sc.tx, &sc.out, &w);
	}
	/* a hole in each, the repairs only when all of them have begun */
	for (size_t i = 0; i < sc.out.n; i++)
		if (sc.out.v[i].h.type == FRAME_SOURCE && sc.out.v[i].h.index != 1)
			send_at(i);
	rig_run(sc.rig, RIG_MS);
	cr_assert_eq(rig_count(sc.rig, COUNT_WINDOWS_INCOMPLETE), 0);
	for (size_t i = 0; i < sc.out.n; i++)
		if (sc.out.v[i].h.type == FRAME_REPAIR)
			send_at(i);
	rig_run(sc.rig, RIG_MS);
	for (w.number = 0; w.number < 2 * WORKERS; w.number++)
		cr_assert_eq(rig_arrived(sc.rig, &w, sc.have), 4, "window %u", w.number);
	rig_tx_heartbeat(sc.tx, &sc.out, 0);
	send_at(sc.out.n - 1);
	rig_wait(sc.rig, 3000 * RIG_MS);
	rx_engine_gauges(&sc.rig->e);
	/* the lanes without a row of their own, one hole of six frames in each window */
	cr_assert_eq(rig_count(sc.rig, COUNT_WORKERS_NUMBERS), 7 * 2 * 6);
	cr_assert_eq(rig_count(sc.rig, COUNT_WORKERS_LOST), 7 * 2);
	cr_assert_eq(rig_count(sc.rig, COUNT_WORKERS_TAKEN), 7 * 2 * 5);
	rig_frames_free(&sc.out);
	scene_close();
}

Test(window, a_third_ends_the_oldest_of_its_lane_alone)
{
	struct rig_window w = window(1, 2, 2, 4);

	scene_open(256);
	for (unsigned i = 0; i < 4; i++) {
		w.number = i;
		w.lane = i == 0 ? 11 : RIG_LANE_DATA;
		rig_tx_window(sc.tx, &sc.out, &w);
		send_at(0);
		send_at(2);
		rig_run(sc.rig, RIG_MS);
		rig_frames_free(&sc.out);
	}
	rig_wait(sc.rig, 200 * RIG_MS);
	cr_assert_eq(rig_count(sc.rig, COUNT_WINDOWS_OPEN), 3);
	cr_assert_eq(rig_count(sc.rig, COUNT_WINDOWS_INCOMPLETE), 1);
	cr_assert_eq(rig_find(sc.rig, DELIVER_WINDOW, 0)->msg.number, 1);
	/* what a younger one of another lane means: nothing. Ours may still be filled slowly. */
	rig_wait(sc.rig, 3000 * RIG_MS);
	cr_assert_eq(rig_messages(sc.rig, DELIVER_WINDOW), 2,
		     "of the lane with a younger one the older ended, no other");
	cr_assert_eq(rig_find(sc.rig, DELIVER_WINDOW, 1)->msg.number, 2);
	scene_close();
}

Test(window, eight_ledger_windows_beside_two_of_data)
{
	struct rig_window w = window(1, 32, 32, 3);
	struct rig_window d = window(1, 1, 1, 2);

	scene_open(512);
	for (d.number = 0; d.number < 2; d.number++)
		rig_tx_window(sc.tx, &sc.out, &d);
	w.stream = FRAME_STREAM_LEDGER;
	for (w.number = 0; w.number < 9; w.number++)
		rig_tx_window(sc.tx, &sc.out, &w);
	for (size_t i = 0; i < sc.out.n; i++)
		if (sc.out.v[i].h.index != 1 && sc.out.v[i].h.type == FRAME_SOURCE)
			send_at(i);
	rig_run(sc.rig, 30 * RIG_MS);
	cr_assert_eq(rig_count(sc.rig, COUNT_WINDOWS_OPEN), 10);
	cr_assert_eq(rig_count(sc.rig, COUNT_WINDOWS_INCOMPLETE), 1);
	cr_assert_eq(rig_find(sc.rig, DELIVER_WINDOW, 0)->msg.stream, FRAME_STREAM_LEDGER);
	w.number = 8;
	cr_assert_eq(rig_arrived(sc.rig, &w, sc.have), 2);
	scene_close();
}

Test(window, disagreeing_symbols_change_nothing)
{
	struct rig_window w = window(4, 4, 2, 16);
	struct frame_header h;
	uint8_t zero[RIG_SYMBOL] = {0};

	scene_open(256);
	rig_tx_window(sc.tx, &sc.out, &w);
	for (size_t i = 0; i < sc.out.n; i++)
		if (i != 9)
			send_at(i);
	h = sc.out.v[1].h;
	rig_frames_free(&sc.out);
	h.depth = 5;
	rig_tx_frame(sc.tx, &sc.out, h, zero, sizeof(zero));
	h.depth = 4;
	h.M = 8;
	rig_tx_frame(sc.tx, &sc.out, h, zero, sizeof(zero));
	h.M = 4;
	h.symbol_size = 511;
	rig_tx_frame(sc.tx, &sc.out, h, zero, 511);
	h.symbol_size = 512;
	h.index = 4 * 4; /* beyond N, which the repairs have told */
	rig_tx_frame(sc.tx, &sc.out, h, zero, sizeof(zero));
	h.type = FRAME_REPAIR;
	h.index = 4 * 1 + 1;
	h.k = 5; /* another k than before */
	h.m = 2;
	rig_tx_frame(sc.tx, &sc.out, h, zero, sizeof(zero));
	w.symbols = 15;
	close_of(&w, 8);
	w.symbols = 16;
	send_all();
	cr_assert_eq(rig_count(sc.rig, COUNT_SYMBOLS_DISAGREE), 6);
	cr_assert_eq(rig_arrived(sc.rig, &w, sc.have), 16);
	close_of(&w, 8);
	send_all();
	cr_assert_eq(rig_count(sc.rig, COUNT_WINDOWS_DONE), 1);
	scene_close();
}

Test(window, symbols_larger_than_a_slot_are_refused)
{
	struct frame_header h = {
		.type = FRAME_SOURCE,
		.lane = RIG_LANE_DATA,
		.channel = RIG_CHANNEL,
		.depth = 1,
		.symbol_size = RIG_SYMBOL + 65,
	};
	uint8_t zero[RIG_SYMBOL] = {0};

	scene_open(64);
	rig_tx_frame(sc.tx, &sc.out, h, zero, 100);
	send_all();
	cr_assert_eq(rig_count(sc.rig, COUNT_REFUSED_RANGE), 1);
	scene_close();
}

Test(window, full_pool_evicts_the_oldest_of_the_lowest_class)
{
	struct rig_window w = window(1, 4, 4, 10);
	const struct deliver_msg *msg;

	/* 18 slots: two windows of nine symbols do not fit beside the landing slot */
	scene_open(18);
	w.number = 5;
	rig_tx_window(sc.tx, &sc.out, &w);
	for (size_t i = 0; i < 10; i++)
		if (i != 3)
			send_at(i);
	rig_run(sc.rig, RIG_MS);
	rig_frames_free(&sc.out);
	w.channel = RIG_CHANNEL + 1;
	w.number = 1;
	rig_tx_window(sc.tx, &sc.out, &w);
	for (size_t i = 0; i < sc.out.n; i++)
		if (i != 3)
			send_at(i);
	rig_run(sc.rig, RIG_MS);
	rig_wait(sc.rig, 100 * RIG_MS);
	cr_assert_eq(rig_count(sc.rig, COUNT_POOL_EVICTIONS), 1);
	msg = &rig_find(sc.rig, DELIVER_WINDOW, 0)->msg;
	cr_assert_eq(msg->channel, RIG_CHANNEL);
	cr_assert_eq(msg->number, 5);
	cr_assert_eq(msg->a, 1, "one known hole");
	cr_assert_eq(rig_find(sc.rig, DELIVER_ALARM, 0)->msg.a, DELIVER_ALARM_POOL);
	cr_assert_eq(rig_arrived(sc.rig, &w, sc.have), 10, "the newer one was repaired");
	scene_close();
}

Test(window, slots_wait_for_publish)
{
	struct rig_window w = window(1, 1, 1, 8);

	scene_open(64);
	sc.rig->publish_asleep = true;
	rig_tx_window(sc.tx, &sc.out, &w);
	close_of(&w, 1);
	send_all();
	rig_wait(sc.rig, 100 * RIG_MS);
	cr_assert_eq(rig_count(sc.rig, COUNT_WINDOWS_DONE), 1);
	cr_assert_eq(rig_count(sc.rig, COUNT_POOL_USED), 9);
	sc.rig->publish_asleep = false;
	rig_run(sc.rig, RIG_MS);
	rig_run(sc.rig, 30 * RIG_MS);
	cr_assert_eq(rig_count(sc.rig, COUNT_POOL_USED), 1);
	cr_assert_eq(rig_arrived(sc.rig, &w, sc.have), 8);
	scene_close();
}

Test(window, a_pool_smaller_than_the_window_still_delivers)
{
	struct rig_window w = window(3, 2, 2, 90);

	scene_open(16);
	rig_tx_window(sc.tx, &sc.out, &w);
	close_of(&w, 6);
	send_all();
	rig_wait(sc.rig, 2100 * RIG_MS);
	cr_assert_eq(rig_arrived(sc.rig, &w, sc.have), 90);
	cr_assert_geq(rig_count(sc.rig, COUNT_POOL_EVICTIONS), 1);
	scene_close();
}
