// SPDX-License-Identifier: ISC
/* stream_table.c: messages as tx says them, as the link loses them, and as nobody says them. */
#include <criterion/criterion.h>
#include <string.h>

#include "stream_table.h"

#define S UINT64_C(1000000000)
#define RUN 77u

static struct rx_config_live conf;
static struct stream_table t;
static struct stream_note notes[64];
static unsigned noted;
static uint64_t number, newest, now_ns;
static uint32_t session = 1, run = RUN;

static void note(void *ctx, const struct stream_note *n)
{
	(void)ctx;
	if (noted == KM_COUNT(notes))
		return;
	notes[noted++] = *n;
}

static void begin(enum rx_gap gap)
{
	conf = (struct rx_config_live){
		.kind = RX_KIND_STREAM,
		.connections = 4,
		.consumer_buffer = 65536,
		.gap = (uint8_t)gap,
		.gap_text = "<%u lost>",
	};
	stream_table_open(&t, &conf, note, NULL);
	now_ns = 1000 * S;
}

static void take(struct stream_msg m)
{
	static uint8_t bytes[70000];
	size_t len;

	m.run = run;
	m.newest = newest;
	cr_assert_eq(stream_write(&m, bytes, sizeof(bytes), &len), KM_OK);
	stream_table_take(&t, session, ++number, bytes, len, now_ns);
}

static void opens(uint64_t connection)
{
	newest = connection > newest ? connection : newest;
	take((struct stream_msg){.op = STREAM_OPEN, .connection = connection});
}

static void data(uint64_t connection, uint64_t offset, const char *text)
{
	newest = connection > newest ? connection : newest;
	take((struct stream_msg){.op = STREAM_DATA,
				 .connection = connection,
				 .offset = offset,
				 .data = (const uint8_t *)text,
				 .len = strlen(text)});
}

static void closes(uint64_t connection, uint64_t offset, enum stream_end end)
{
	newest = connection > newest ? connection : newest;
	take((struct stream_msg){.op = STREAM_CLOSE,
				 .connection = connection,
				 .offset = offset,
				 .end = (uint8_t)end});
}

static void alive(unsigned n, const struct stream_mark *mark)
{
	struct stream_msg m = {.op = STREAM_ALIVE, .marks = n};

	for (unsigned i = 0; i < n; i++)
		m.mark[i] = mark[i];
	take(m);
}

/* FREE when it is not there. */
static struct outlet *of(uint64_t connection)
{
	static struct outlet none;

	for (unsigned i = 0; i < STREAM_TABLE; i++)
		if (t.outlet[i].state != OUTLET_FREE && t.outlet[i].number == connection &&
		    !t.outlet[i].old)
			return &t.outlet[i];
	none.state = OUTLET_FREE;
	return &none;
}

static void expect(uint64_t connection, enum outlet_state state, const char *held)
{
	const struct outlet *o = of(connection);

	cr_assert_eq(o->state, state, "state %u", o->state);
	cr_assert_eq(o->held, strlen(held), "%zu bytes, not \"%s\"", o->held, held);
	cr_assert(o->held == 0 || memcmp(o->ring, held, o->held) == 0, "\"%.*s\"",
		  (int)o->held, (const char *)o->ring);
}

static void expect_note(unsigned at, enum stream_what what, uint64_t connection,
			uint64_t from, uint64_t to)
{
	cr_assert_gt(noted, at);
	cr_assert_eq(notes[at].what, what, "what %u", notes[at].what);
	cr_assert_eq(notes[at].connection, connection);
	cr_assert_eq(notes[at].from, from);
	cr_assert_eq(notes[at].to, to);
}

Test(stream_table, streams_side_by_side_keep_their_bytes_apart)
{
	begin(RX_GAP_CLOSE);
	opens(1);
	opens(2);
	data(1, 0, "one");
	data(2, 0, "two");
	data(1, 3, " more");
	expect(1, OUTLET_WANT, "one more");
	expect(2, OUTLET_WANT, "two");
	closes(1, 8, STREAM_END_WHOLE);
	cr_assert(of(1)->ended && of(1)->over && of(1)->end == STREAM_END_WHOLE);
	cr_assert_not(of(2)->ended);
	alive(1, (struct stream_mark[]){{2, 3}});
	cr_assert_not(of(2)->ended);
	stream_table_done(&t, of(1));
	cr_assert_eq(of(1)->state, OUTLET_FREE);
	cr_assert_eq(noted, 0);
	cr_assert_eq(t.count[STREAM_COUNT_OPENED], 2);
	cr_assert_eq(t.count[STREAM_COUNT_OPEN], 1);
}

Test(stream_table, a_gap_closes_that_stream_for_good)
{
	begin(RX_GAP_CLOSE);
	opens(1);
	opens(2);
	data(1, 0, "one");
	data(1, 10, "lost before");
	data(1, 21, "behind");
	data(2, 0, "two");
	expect(1, OUTLET_WANT, "one");
	cr_assert(of(1)->ended && !of(1)->over && of(1)->end == STREAM_END_BROKEN);
	expect(2, OUTLET_WANT, "two");
	cr_assert_eq(noted, 1);
	expect_note(0, STREAM_NOTE_GAP, 1, 3, 10);
	stream_table_done(&t, of(1));
	cr_assert_eq(of(1)->state, OUTLET_DEAD);
	data(1, 27, "still");
	alive(2, (struct stream_mark[]){{1, 32}, {2, 3}});
	now_ns += 100 * S;
	data(1, 32, "still");
	cr_assert_eq(of(1)->state, OUTLET_DEAD, "until tx opens another one");
	closes(1, 37, STREAM_END_WHOLE);
	cr_assert_eq(of(1)->state, OUTLET_FREE);
	cr_assert_eq(noted, 1, "once");
	cr_assert_eq(t.count[STREAM_COUNT_GAPS], 1);
	cr_assert_eq(t.count[STREAM_COUNT_MALFORMED], 0);
}

Test(stream_table, a_gap_at_the_end_is_one)
{
	begin(RX_GAP_CLOSE);
	opens(1);
	data(1, 0, "one");
	closes(1, 9, STREAM_END_WHOLE);
	cr_assert_eq(of(1)->end, STREAM_END_BROKEN, "not as if it were whole");
	expect_note(0, STREAM_NOTE_GAP, 1, 3, 9);
	opens(2);
	data(2, 0, "two");
	alive(1, (struct stream_mark[]){{2, 5}});
	cr_assert(of(2)->ended);
	expect_note(1, STREAM_NOTE_GAP, 2, 3, 5);
}

Test(stream_table, a_mark_stands_where_bytes_were)
{
	begin(RX_GAP_MARK);
	opens(1);
	data(1, 0, "one\n");
	data(1, 10, "two");
	data(1, 20, "\n");
	closes(1, 23, STREAM_END_WHOLE);
	expect(1, OUTLET_WANT, "one\n<6 lost>\ntwo\n<7 lost>\n\n<2 lost>\n");
	cr_assert(of(1)->ended && of(1)->end == STREAM_END_WHOLE);
	cr_assert_eq(noted, 3);
	expect_note(1, STREAM_NOTE_GAP, 1, 13, 20);
}

Test(stream_table, who_comes_late_names_what_was_before)
{
	begin(RX_GAP_CLOSE);
	newest = 9;
	alive(2, (struct stream_mark[]){{5, 1000}, {7, 0}});
	expect_note(0, STREAM_NOTE_JOINED, 5, 0, 1000);
	cr_assert_eq(of(5)->state, OUTLET_DEAD);
	expect(7, OUTLET_WANT, "");
	data(5, 1000, "x");
	cr_assert_eq(of(5)->state, OUTLET_DEAD);
	/* one that began when we were there, and whose beginning did not come */
	data(10, 50, "x");
	expect_note(1, STREAM_NOTE_GAP, 10, 0, 50);
	cr_assert_eq(noted, 2);
	/* of a whole stream only its end came: nobody is bothered with it */
	closes(11, 60, STREAM_END_WHOLE);
	expect_note(2, STREAM_NOTE_GAP, 11, 0, 60);
	cr_assert_eq(of(11)->state, OUTLET_FREE);

	begin(RX_GAP_MARK);
	noted = 0;
	newest = 9;
	alive(1, (struct stream_mark[]){{5, 1000}});
	data(5, 1000, "x");
	expect(5, OUTLET_WANT, "<1000 lost>\nx");
	expect_note(0, STREAM_NOTE_JOINED, 5, 0, 1000);
}

Test(stream_table, what_alive_does_not_name_is_over)
{
	begin(RX_GAP_CLOSE);
	opens(1);
	opens(2);
	data(1, 0, "one");
	alive(1, (struct stream_mark[]){{2, 0}});
	expect(1, OUTLET_WANT, "one");
	cr_assert(of(1)->ended && of(1)->over && of(1)->end == STREAM_END_BROKEN);
	cr_assert_not(of(2)->ended);
	expect_note(0, STREAM_NOTE_LOST, 1, 3, 3);
	alive(1, (struct stream_mark[]){{2, 0}});
	cr_assert_eq(noted, 1, "once");
}

Test(stream_table, another_run_is_other_streams)
{
	begin(RX_GAP_CLOSE);
	opens(1);
	data(1, 0, "old");
	run++;
	newest = 0;
	opens(1);
	data(1, 0, "new");
	expect(1, OUTLET_WANT, "new");
	expect_note(0, STREAM_NOTE_LOST, 1, 3, 3);
	cr_assert_eq(t.count[STREAM_COUNT_OPEN], 2, "the old one may still be taken");
	for (unsigned i = 0; i < STREAM_TABLE; i++)
		if (t.outlet[i].old)
			cr_assert(t.outlet[i].ended && t.outlet[i].over &&
				  t.outlet[i].end == STREAM_END_BROKEN);
	/* its beginning was lost, and we were there: no stream that we joined */
	run++;
	newest = 3;
	data(3, 20, "x");
	cr_assert_eq(notes[noted - 1].what, STREAM_NOTE_GAP);
}

Test(stream_table, a_message_twice_is_one)
{
	begin(RX_GAP_CLOSE);
	opens(1);
	data(1, 0, "one");
	number -= 2;
	opens(1);
	data(1, 0, "one");
	expect(1, OUTLET_WANT, "one");
	/* tx begins another session; the sink was ended in between, and says the last ones again */
	session = 2, number = 0;
	data(1, 3, "two");
	session = 1, number = 1;
	data(1, 0, "one");
	session = 2, number = 0;
	data(1, 3, "two");
	data(1, 6, "three");
	expect(1, OUTLET_WANT, "onetwothree");
	cr_assert_eq(noted, 0);
	cr_assert_eq(t.count[STREAM_COUNT_MALFORMED], 0);
	session = 1;
}

Test(stream_table, a_consumer_that_is_too_slow_costs_its_own_stream)
{
	static char much[40001];

	memset(much, 'x', sizeof(much) - 1);
	begin(RX_GAP_CLOSE);
	opens(1);
	opens(2);
	data(1, 0, much);
	outlet_took(of(1), 1000);
	data(1, 40000, much);
	data(2, 0, "two");
	cr_assert_eq(of(1)->state, OUTLET_DEAD);
	expect_note(0, STREAM_NOTE_SLOW, 1, 1000, 80000);
	expect(2, OUTLET_WANT, "two");
	data(1, 80000, "x");
	cr_assert_eq(of(1)->state, OUTLET_DEAD);
	cr_assert_eq(t.count[STREAM_COUNT_SLOW], 1);

	begin(RX_GAP_MARK);
	noted = 0, number = 0, session++;
	newest = 0;
	opens(1);
	data(1, 0, much);
	outlet_took(of(1), 1000);
	data(1, 40000, much);
	data(1, 80000, "x");
	cr_assert_eq(of(1)->state, OUTLET_DEAD, "not at once");
	now_ns += 2 * S;
	data(1, 80001, "y");
	expect(1, OUTLET_WANT, "<79001 lost>\ny");
}

Test(stream_table, no_more_streams_than_a_channel_may_have)
{
	begin(RX_GAP_CLOSE);
	for (uint64_t i = 1; i <= 5; i++)
		opens(i);
	cr_assert_eq(of(5)->state, OUTLET_DEAD);
	expect_note(0, STREAM_NOTE_CROWDED, 5, 0, 0);
	data(5, 0, "five");
	data(1, 0, "one");
	expect(1, OUTLET_WANT, "one");
	cr_assert_eq(t.count[STREAM_COUNT_CROWDED], 1);
	cr_assert_eq(t.count[STREAM_COUNT_OPEN], 4);
	/* those that have ended do not count, while consumers are no more behind than that */
	closes(1, 3, STREAM_END_WHOLE);
	opens(6);
	for (uint64_t i = 2; i <= 4; i++) {
		data(i, 0, "x");
		closes(i, 1, STREAM_END_WHOLE);
		opens(i + 5);
	}
	expect(1, OUTLET_WANT, "one");
	cr_assert_eq(t.count[STREAM_COUNT_OPEN], 8);
	cr_assert_eq(noted, 1);
	/* then one goes that has had everything, else the oldest, which is named */
	closes(6, 0, STREAM_END_WHOLE);
	of(3)->state = OUTLET_LINGER;
	opens(10);
	cr_assert_eq(of(3)->state, OUTLET_FREE);
	cr_assert_eq(noted, 1);
	closes(7, 0, STREAM_END_WHOLE);
	of(4)->state = OUTLET_LINGER, of(4)->left = 5;
	opens(11);
	cr_assert_eq(of(1)->state, OUTLET_FREE);
	expect_note(1, STREAM_NOTE_SLOW, 1, 0, 3);
	expect(11, OUTLET_WANT, "");
	cr_assert_eq(t.count[STREAM_COUNT_OPEN], 8);
}

Test(stream_table, what_makes_no_sense_is_counted_and_changes_nothing)
{
	begin(RX_GAP_CLOSE);
	opens(1);
	data(1, 0, "one");
	opens(1);
	data(1, 1, "ne");
	stream_table_take(&t, session, ++number, "\x01\x02rubbish", 9, now_ns);
	stream_table_take(&t, session, ++number, "", 0, now_ns);
	cr_assert_eq(t.count[STREAM_COUNT_MALFORMED], 4);
	expect(1, OUTLET_WANT, "one");
	cr_assert_not(of(1)->ended);
	/* more of them than tx can have open */
	for (uint64_t i = 2; i < 1000; i++)
		data(i, 5, "x");
	expect(1, OUTLET_WANT, "one");
	noted = 0;
	data(1, 3, " more");
	expect(1, OUTLET_WANT, "one more");
}
