// SPDX-License-Identifier: ISC
/* Live channels through the whole of decode: sealed frames in, the ring of the sink and what
 * is named to publish out. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

struct bench {
	struct rig *rig;
	struct rig_tx *tx;
	uint32_t window, index;
	uint64_t taken; /* number of the last message in the ring */
};

static void push(struct bench *b, struct rig_frames *f)
{
	for (size_t i = 0; i < f->n; i++)
		rig_push(b->rig, f->v[i].p, f->v[i].len);
	rig_run(b->rig, 0);
	rig_frames_free(f);
}

static struct rig_tx *session(struct bench *b, uint64_t epoch)
{
	struct rig_tx *tx = rig_tx_new(b->rig, epoch);
	struct rig_frames f = {0};

	rig_tx_announce(tx, &f);
	push(b, &f);
	rig_run(b->rig, RIG_MS);
	b->window = b->index = 0;
	return tx;
}

static struct bench open_bench(void)
{
	struct bench b = {.rig = rig_new(128, 1 << 20)};

	b.tx = session(&b, 5);
	return b;
}

static void close_bench(struct bench *b)
{
	rig_tx_free(b->tx);
	rig_free(b->rig);
}

/* Records as one source symbol of CHANNEL; in a window of its own when NEXT. */
static void symbol(struct bench *b, struct rig_tx *tx, uint16_t channel,
		   const struct wr *wr, bool next)
{
	struct rig_frames f = {0};
	struct frame_header h = {
		.type = FRAME_SOURCE,
		.lane = RIG_LANE_LIVE,
		.channel = channel,
		.depth = 1,
	};

	if (next) {
		b->window++;
		b->index = 0;
	}
	h.window = b->window;
	h.index = (uint16_t)b->index++;
	rig_tx_frame(tx, &f, h, wr->p, wr->used);
	push(b, &f);
}

static void put_message(struct wr *wr, uint64_t number, uint32_t total, uint32_t offset,
			uint32_t len)
{
	const struct record_message m = {.number = number,
					 .tx_time_ns = number,
					 .source = (const uint8_t *)"abcdef",
					 .source_len = 6,
					 .total = total,
					 .offset = offset,
					 .len = len};
	uint8_t *data;
	size_t taken;

	cr_assert_eq(record_put_message(wr, &m, &data, &taken), KM_OK);
	cr_assert_eq(taken, len);
	if (len)
		memset(data, (uint8_t)number, len);
}

static void send(struct bench *b, uint64_t number)
{
	uint8_t room[RIG_SYMBOL];
	struct wr wr;

	if (b->index == 100) {
		b->window++;
		b->index = 0;
	}
	wr_init(&wr, room, sizeof(room));
	put_message(&wr, number, 100, 0, 100);
	symbol(b, b->tx, RIG_LIVE, &wr, false);
}

static void told(struct bench *b, uint64_t messages, uint64_t dropped)
{
	const struct record_live l = {
		.channel = RIG_LIVE, .messages = messages, .dropped = dropped};
	struct rig_frames f = {0};
	uint8_t room[64];
	struct wr wr;

	wr_init(&wr, room, sizeof(room));
	cr_assert_eq(record_put_live(&wr, &l), KM_OK);
	rig_tx_control(b->tx, &f, room, wr.used);
	push(b, &f);
}

/* The next message in the ring of the sink; 0: none. */
static uint64_t take(struct bench *b, uint32_t len)
{
	struct sink_head head;
	uint64_t first;
	uint32_t n;

	if (ring_peek(&b->rig->sink, 1, &first, &n) != KM_OK)
		return 0;
	memcpy(&head, ring_slot(&b->rig->sink, first), sizeof(head));
	cr_assert_eq(head.place, 0);
	cr_assert_eq(head.len, len);
	cr_assert_eq(head.source_len, 6);
	cr_assert_arr_eq(head.source, "abcdef", 6);
	cr_assert_eq(head.tx_time_ns, head.number);
	cr_assert_eq(((uint8_t *)ring_slot(&b->rig->sink, first))[sizeof(head) + len - 1],
		     (uint8_t)head.number);
	cr_assert_eq(ring_release(&b->rig->sink, 1), KM_OK);
	return head.number;
}

static void expect_live(struct bench *b, size_t nth, enum deliver_live what, uint64_t first,
			uint64_t last)
{
	const struct rig_msg *m = rig_find(b->rig, DELIVER_LIVE, nth);

	cr_assert(m, "live message %zu", nth);
	cr_assert_eq(m->msg.channel, RIG_LIVE);
	cr_assert(m->msg.chain == what && m->msg.a == first && m->msg.b == last,
		  "%lu %lu..%lu", m->msg.chain, m->msg.a, m->msg.b);
}

static uint64_t count(const struct bench *b, enum live_count row)
{
	return b->rig->e.live.channel[0].count[row];
}

/* Sent at TX_NS by the clock of tx; the rig's own clock is its wall clock too. */
static void send_at(struct bench *b, uint64_t number, uint64_t tx_ns)
{
	const struct record_message m = {
		.number = number, .tx_time_ns = tx_ns, .total = 8, .len = 8};
	uint8_t room[RIG_SYMBOL], *data;
	struct wr wr;
	size_t taken;

	wr_init(&wr, room, sizeof(room));
	cr_assert_eq(record_put_message(&wr, &m, &data, &taken), KM_OK);
	memset(data, 0, taken);
	symbol(b, b->tx, RIG_LIVE, &wr, true);
}

Test(live, delays_are_told_beyond_the_fastest_and_a_step_of_a_clock_is_said)
{
	struct bench b = open_bench();
	const struct timing_delays *d = &b.rig->e.live.channel[0].delays;
	const uint64_t ahead = 3600 * 1000 * RIG_MS;
	const struct rig_msg *m;
	unsigned said = 0;
	uint64_t number = 0;

	for (unsigned i = 0; i < 100; i++) {
		rig_run(b.rig, 20 * RIG_MS);
		/* every tenth is 30 ms older than the others when it comes */
		send_at(&b, ++number,
			b.rig->now_ns + ahead - (i % 10 == 9 ? 30 * RIG_MS : 0));
	}
	cr_assert_leq(timing_delays_quantile(d, 500), 1000);
	cr_assert_geq(timing_delays_quantile(d, 990), 29000);
	cr_assert_leq(timing_delays_most(d), 31000);
	cr_assert_eq(b.rig->e.live.session[b.rig->e.live.channel[0].session].clock.steps,
		     0);
	/* tx's clock is set forward by 2 s */
	send_at(&b, ++number, b.rig->now_ns + ahead + 2 * (1000 * RIG_MS));
	rig_run(b.rig, 1500 * RIG_MS);
	cr_assert_eq(b.rig->e.live.session[b.rig->e.live.channel[0].session].clock.steps,
		     1);
	for (size_t i = 0; (m = rig_find(b.rig, DELIVER_ALARM, i)) != NULL; i++)
		said += m->msg.a == DELIVER_ALARM_CLOCK;
	cr_assert_eq(said, 1);
	close_bench(&b);
}

Test(live, messages_go_to_the_sink_at_once_and_in_order)
{
	struct bench b = open_bench();

	for (uint64_t n = 1; n <= 200; n++) {
		send(&b, n);
		cr_assert_eq(take(&b, 100), n);
	}
	cr_assert_eq(count(&b, LIVE_DELIVERED), 200);
	cr_assert_eq(count(&b, LIVE_BYTES), 20000);
	cr_assert_eq(rig_messages(b.rig, DELIVER_LIVE), 0);
	close_bench(&b);
}

Test(live, a_gap_is_named_when_it_is_given_up)
{
	struct bench b = open_bench();

	send(&b, 1);
	b.index++;
	send(&b, 4);
	cr_assert_eq(take(&b, 100), 1);
	cr_assert_eq(take(&b, 100), 0);
	rig_run(b.rig, RIG_LIVE_HOLD_NS - 1);
	cr_assert_eq(take(&b, 100), 0);
	rig_run(b.rig, 1);
	cr_assert_eq(take(&b, 100), 4);
	expect_live(&b, 0, DELIVER_LIVE_LOST, 2, 3);
	cr_assert_eq(count(&b, LIVE_LOST), 2);
	/* what comes now has been named: late */
	send(&b, 3);
	cr_assert_eq(take(&b, 100), 0);
	cr_assert_eq(count(&b, LIVE_LATE), 1);
	close_bench(&b);
}

Test(live, the_engine_wakes_for_a_gap)
{
	struct bench b = open_bench();

	send(&b, 2);
	cr_assert_eq(rx_engine_idle_ms(&b.rig->e), 10);
	rig_run(b.rig, RIG_LIVE_HOLD_NS - 3 * RIG_MS);
	cr_assert_leq(rx_engine_idle_ms(&b.rig->e), 4);
	close_bench(&b);
}

Test(live, the_last_ones_are_known_by_word)
{
	struct bench b = open_bench();

	send(&b, 1);
	told(&b, 3, 17);
	rig_run(b.rig, RIG_LIVE_HOLD_NS);
	expect_live(&b, 0, DELIVER_LIVE_LOST, 2, 3);
	cr_assert_eq(count(&b, LIVE_TX_DROPPED), 17);
	close_bench(&b);
}

Test(live, kinds_do_not_mix)
{
	struct bench b = open_bench();
	uint8_t room[RIG_SYMBOL], *data;
	struct wr wr;
	size_t taken;

	wr_init(&wr, room, sizeof(room));
	cr_assert_eq(record_put_fragment(&wr, 1, 1, 0, 10, &data, &taken), KM_OK);
	memset(data, 1, taken);
	put_message(&wr, 1, 100, 0, 100);
	symbol(&b, b.tx, RIG_LIVE, &wr, false);
	cr_assert_eq(take(&b, 100), 1);
	cr_assert_eq(rig_messages(b.rig, DELIVER_FRAGMENT), 0);
	cr_assert_eq(rig_count(b.rig, COUNT_RECORDS_MISPLACED), 1);
	symbol(&b, b.tx, RIG_CHANNEL, &wr, true);
	cr_assert_eq(rig_messages(b.rig, DELIVER_FRAGMENT), 1);
	cr_assert_eq(take(&b, 100), 0);
	cr_assert_eq(rig_count(b.rig, COUNT_RECORDS_MISPLACED), 2);
	close_bench(&b);
}

Test(live, nobody_waits_for_the_sink)
{
	struct bench b = open_bench();

	for (uint64_t n = 1; n <= SINK_SLOTS + 10; n++)
		send(&b, n);
	rig_run(b.rig, RIG_MS);
	cr_assert_eq(count(&b, LIVE_SINK_FULL), 10);
	expect_live(&b, 0, DELIVER_LIVE_SINK, SINK_SLOTS + 1,
		    rig_find(b.rig, DELIVER_LIVE, 0)->msg.b);
	for (uint64_t n = 1; n <= SINK_SLOTS; n++)
		cr_assert_eq(take(&b, 100), n);
	send(&b, SINK_SLOTS + 11);
	cr_assert_eq(take(&b, 100), SINK_SLOTS + 11);
	cr_assert_eq(count(&b, LIVE_DELIVERED) + count(&b, LIVE_SINK_FULL),
		     SINK_SLOTS + 11);
	close_bench(&b);
}

Test(live, a_new_session_settles_the_old_one)
{
	struct bench b = open_bench();
	struct rig_tx *old = b.tx;
	uint32_t window;
	uint8_t room[RIG_SYMBOL];
	struct wr wr;

	send(&b, 1);
	send(&b, 3);
	window = b.window;
	b.tx = session(&b, 6);
	cr_assert_eq(take(&b, 100), 1);
	send(&b, 1);
	/* what was held back of the old one first, then the new one */
	cr_assert_eq(take(&b, 100), 3);
	cr_assert_eq(take(&b, 100), 1);
	expect_live(&b, 0, DELIVER_LIVE_LOST, 2, 2);
	expect_live(&b, 1, DELIVER_LIVE_CLOSED, 1, 3);
	cr_assert_eq(rig_find(b.rig, DELIVER_LIVE, 1)->msg.session, old->tag);
	/* a message of the old session that comes now is late */
	wr_init(&wr, room, sizeof(room));
	put_message(&wr, 4, 100, 0, 100);
	b.window = window;
	b.index = 9;
	symbol(&b, old, RIG_LIVE, &wr, false);
	cr_assert_eq(take(&b, 100), 0);
	cr_assert_eq(count(&b, LIVE_LATE), 1);
	rig_tx_free(old);
	close_bench(&b);
}

Test(live, a_session_of_a_process_before_us_is_joined)
{
	struct bench b = {.rig = rig_new(128, 1 << 20)};

	b.rig->extra.floors = 1;
	b.rig->extra.floor[0].lane = RIG_LANE_LIVE;
	b.rig->extra.floor[0].seq = 99;
	b.tx = session(&b, 5);
	b.tx->seq[RIG_LANE_LIVE] = 100;
	told(&b, 70, 0);
	rig_run(b.rig, 2 * RIG_LIVE_HOLD_NS);
	cr_assert_eq(rig_messages(b.rig, DELIVER_LIVE), 0, "not ours to name");
	send(&b, 71);
	cr_assert_eq(take(&b, 100), 71);
	expect_live(&b, 0, DELIVER_LIVE_JOINED, 1, 70);
	rx_engine_stop(&b.rig->e, false);
	rig_run(b.rig, 0);
	expect_live(&b, 1, DELIVER_LIVE_CLOSED, 1, 71);
	cr_assert_eq(count(&b, LIVE_LOST), 0);
	close_bench(&b);
}
