// SPDX-License-Identifier: ISC
/* Records to messages: every truncation and change of a symbol, and what belongs
 * where. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "assemble.h"
#include "rig.h"

struct table {
	struct rig *rig;
	struct assemble_symbol s;
};

static size_t put_all(uint8_t *out)
{
	struct record_begin begin = {
		.chain = 9,
		.number = 300,
		.size = 70000,
		.mtime_s = -5,
		.kind = RECORD_OBJECT_FILE,
		.path = (const uint8_t *)"a/b",
		.path_len = 3,
	};
	struct record_withdrawn gone = {.chain = 9, .number = 301, .reason = 2};
	struct wr wr;
	uint8_t *data;
	size_t taken;

	wr_init(&wr, out, RIG_SYMBOL);
	cr_assert_eq(record_put_begin(&wr, &begin), KM_OK);
	cr_assert_eq(record_put_fragment(&wr, 9, 300, 4096, 100, &data, &taken), KM_OK);
	memset(data, 'x', taken);
	cr_assert_eq(record_put_withdrawn(&wr, &gone), KM_OK);
	cr_assert_eq(record_put_fragment(&wr, 9, 302, 0, 60, &data, &taken), KM_OK);
	memset(data, 'y', taken);
	return wr.used;
}

static bool feed_symbol(struct rig *rig, const uint8_t *p, size_t len, uint8_t stream)
{
	/* exactly LEN bytes at the end of the segment: a read beyond is seen by the
	 * sanitizer */
	size_t pos = segment_bytes(&rig->plan.segment) - len;
	struct assemble_symbol s = {
		.session = 1,
		.channel = RIG_CHANNEL,
		.lane = 3,
		.stream = stream,
		.p = rig->maps.segment + pos,
		.len = len,
		.pos = pos,
	};
	bool good;

	memcpy(rig->maps.segment + pos, p, len);
	good = assemble_deliver(&s, &rig->e.delivery, &rig->e.counts);
	delivery_flush(&rig->e.delivery);
	/* the rig's publish checks that pos and len lie in the segment */
	rig_run(rig, 0);
	for (size_t i = 0; i < rig->msgs_n; i++)
		if (rig->msgs[i].msg.len)
			cr_assert_geq(rig->msgs[i].msg.pos, pos);
	return good;
}

Test(assemble, a_symbol_of_all_records)
{
	struct rig *rig = rig_new(8, 4096);
	uint8_t sym[RIG_SYMBOL] = {0};
	size_t len = put_all(sym);
	const struct rig_msg *m;
	struct rd rd;
	struct record r;

	cr_assert(feed_symbol(rig, sym, len, FRAME_STREAM_DATA));
	cr_assert_eq(rig->msgs_n, 4);
	m = rig_find(rig, DELIVER_FRAGMENT, 0);
	cr_assert(m->msg.chain == 9 && m->msg.number == 300 && m->msg.offset == 4096);
	cr_assert_eq(m->msg.len, 100);
	cr_assert(m->bytes[0] == 'x' && m->bytes[99] == 'x');
	m = rig_find(rig, DELIVER_WITHDRAWN, 0);
	cr_assert(m->msg.number == 301 && m->msg.a == 2 && m->msg.len == 0);
	/* the body of BEGIN is whole: put before a type and a length it parses again */
	m = rig_find(rig, DELIVER_BEGIN, 0);
	cr_assert(m->msg.chain == 9 && m->msg.number == 300);
	sym[0] = RECORD_BEGIN;
	sym[1] = (uint8_t)m->msg.len;
	memcpy(sym + 2, m->bytes, m->msg.len);
	rd_init(&rd, sym, 2 + m->msg.len);
	cr_assert_eq(record_next(&rd, &r), KM_OK);
	cr_assert(r.begin.size == 70000 && r.begin.path_len == 3);
	rig_free(rig);
}

Test(assemble, every_truncation)
{
	struct rig *rig = rig_new(8, 4096);
	uint8_t sym[RIG_SYMBOL] = {0};
	size_t len = put_all(sym);
	unsigned good = 0;

	for (size_t n = 0; n < len; n++)
		good += feed_symbol(rig, sym, n, FRAME_STREAM_DATA);
	/* only where a record ends: none, and behind each of the first three */
	cr_assert_eq(good, 4);
	cr_assert_eq(rig_count(rig, COUNT_SYMBOLS_MALFORMED), len - 4);
	rig_free(rig);
}

Test(assemble, every_bit_flipped)
{
	struct rig *rig = rig_new(8, 4096);
	uint8_t sym[RIG_SYMBOL] = {0};
	size_t len = put_all(sym);

	for (size_t bit = 0; bit < len * 8; bit++) {
		sym[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		(void)feed_symbol(rig, sym, len, FRAME_STREAM_DATA);
		(void)feed_symbol(rig, sym, len, FRAME_STREAM_LEDGER);
		sym[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		rig_forget(rig);
	}
	cr_assert_gt(rig_count(rig, COUNT_SYMBOLS_MALFORMED), 0);
	rig_free(rig);
}

Test(assemble, records_of_another_stream_are_counted)
{
	struct rig *rig = rig_new(8, 4096);
	uint8_t sym[RIG_SYMBOL] = {0};
	size_t len = put_all(sym);

	cr_assert(feed_symbol(rig, sym, len, FRAME_STREAM_LEDGER));
	cr_assert_eq(rig->msgs_n, 0);
	cr_assert_eq(rig_count(rig, COUNT_RECORDS_MISPLACED), 4);
	memset(sym, 0, sizeof(sym));
	sym[0] = 77; /* a type of a later version, three bytes */
	sym[1] = 3;
	cr_assert(feed_symbol(rig, sym, 100, FRAME_STREAM_DATA));
	cr_assert_eq(rig_count(rig, COUNT_RECORDS_UNKNOWN), 1);
	rig_free(rig);
}
