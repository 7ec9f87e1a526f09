// SPDX-License-Identifier: ISC
/* Whole symbols: filled to the last byte, damaged in every way, random with a seed. */
#include <criterion/criterion.h>
#include <string.h>

#include "frame.h"
#include "record.h"
#include "record_again.h"
#include "seeded.h"

#define SYMBOL 1444u

/* Read all records of P and write them again: what was read must come out byte for byte.
 * Returns the number of records, or -1 when the symbol ended malformed. */
static int walk(const uint8_t *p, size_t len)
{
	static uint8_t again[65536];
	struct record r;
	struct rd rd;
	struct wr wr;
	int records = 0;

	rd_init(&rd, p, len);
	wr_init(&wr, again, sizeof(again));
	for (;;) {
		size_t start = rd.used;
		enum km_rc rc = record_next(&rd, &r);

		if (rc == KM_ERR_EMPTY)
			return records;
		if (rc == KM_ERR_MALFORMED)
			return -1;
		cr_assert(rc == KM_OK || rc == KM_ERR_NOTFOUND);
		records++;
		wr.used = 0;
		rc = record_again(&wr, &r);
		if (rc == KM_ERR_MALFORMED && r.type == RECORD_HEARTBEAT)
			continue;
		cr_assert_eq(rc, KM_OK);
		cr_assert_eq(wr.used, rd.used - start);
		cr_assert_arr_eq(again, p + start, wr.used);
	}
}

/* One of each, and padding. Returns the length without padding. */
static size_t sample(uint8_t symbol[SYMBOL])
{
	const struct record_begin b = {.chain = 1763704291,
				       .number = 7,
				       .size = 3,
				       .mtime_s = 1763704000,
				       .path = (const uint8_t *)"a/b",
				       .path_len = 3};
	const struct record_withdrawn w = {
		.chain = 1763704291, .number = 8, .reason = RECORD_WITHDRAWN_CHANGED};
	const struct record_heartbeat hb = {
		.tx_time_ns = 1, .lanes = 3, .lane = {{0, 1}, {3, 2}, {11, 3}}};
	const struct record_heads h = {.channel = 7,
				       .chain = 1763704291,
				       .objects = 8,
				       .manifests = 1,
				       .head = {1}};
	const struct record_close c = {
		.channel = 7, .window = 1, .symbols = 300, .repairs = 30};
	uint8_t *data;
	size_t taken;
	struct wr wr;

	memset(symbol, 0, SYMBOL);
	wr_init(&wr, symbol, SYMBOL);
	cr_assert_eq(record_put_begin(&wr, &b), KM_OK);
	cr_assert_eq(record_put_fragment(&wr, b.chain, 7, 0, 3, &data, &taken), KM_OK);
	memcpy(data, "abc", 3);
	cr_assert_eq(record_put_withdrawn(&wr, &w), KM_OK);
	cr_assert_eq(record_put_manifest(&wr, b.chain, 1, 500, 0, 40, &data, &taken),
		     KM_OK);
	memset(data, 'm', taken);
	cr_assert_eq(record_put_heartbeat(&wr, &hb), KM_OK);
	cr_assert_eq(record_put_heads(&wr, &h), KM_OK);
	cr_assert_eq(record_put_close(&wr, &c), KM_OK);
	return wr.used;
}

Test(record_symbol, every_truncation)
{
	uint8_t symbol[SYMBOL];
	size_t len = sample(symbol);

	cr_assert_eq(walk(symbol, len), 7);
	cr_assert_eq(walk(symbol, SYMBOL), 7);
	for (size_t n = 0; n <= len; n++)
		cr_assert_leq(walk(symbol, n), 7);
}

Test(record_symbol, every_single_byte_change, .timeout = 60)
{
	uint8_t symbol[SYMBOL];
	size_t len = sample(symbol);

	for (size_t at = 0; at < len + 4; at++) {
		uint8_t was = symbol[at];

		for (unsigned v = 0; v < 256; v++) {
			symbol[at] = (uint8_t)v;
			walk(symbol, len + 4);
		}
		symbol[at] = was;
	}
}

/* A fragment fills what is left, whatever is left, and never more. */
Test(record_symbol, fragments_fill_the_symbol, .timeout = 60)
{
	static uint8_t symbol[20000];

	for (size_t room = 0; room < sizeof(symbol); room += room < 400 ? 1 : 97) {
		struct record r;
		struct rd rd;
		struct wr wr;
		uint8_t *data;
		size_t taken;
		enum km_rc rc;

		memset(symbol, 0, sizeof(symbol));
		wr_init(&wr, symbol, room);
		rc = record_put_fragment(&wr, 1763704291, 1000, 1u << 20, 1u << 30, &data,
					 &taken);
		if (rc == KM_ERR_FULL) {
			cr_assert_lt(room, RECORD_FRAGMENT_MIN + 12u);
			cr_assert(wr.used == 0 && !wr.bad);
			continue;
		}
		cr_assert_eq(rc, KM_OK);
		memset(data, 0xda, taken);
		/* A length that grows from 127 to 128, or from 16,383, may cost one byte. */
		cr_assert_leq(room - wr.used, 1u);
		rd_init(&rd, symbol, room);
		cr_assert_eq(record_next(&rd, &r), KM_OK);
		cr_assert_eq(r.fragment.len, taken);
		cr_assert_eq(record_next(&rd, &r), KM_ERR_EMPTY);
	}
}

Test(record_symbol, small_fragments_are_not_cut)
{
	uint8_t symbol[64], *data;
	size_t taken;
	struct wr wr;

	wr_init(&wr, symbol, 10);
	cr_assert_eq(record_put_fragment(&wr, 1, 1, 0, 5, &data, &taken), KM_OK);
	cr_assert_eq(taken, 5u);
	wr_init(&wr, symbol, 9);
	cr_assert_eq(record_put_fragment(&wr, 1, 1, 0, 5, &data, &taken), KM_ERR_FULL);
	cr_assert_eq(record_put_fragment(&wr, 1, 1, 0, 0, &data, &taken), KM_ERR_RANGE);
	cr_assert_eq(record_put_fragment(&wr, 0, 1, 0, 4, &data, &taken), KM_ERR_RANGE);
	cr_assert_eq(record_put_manifest(&wr, 1, 1, 100, 97, 4, &data, &taken),
		     KM_ERR_RANGE);
	cr_assert_eq(wr.used, 0u);
}

static enum km_rc put_random(struct seeded *rng, struct wr *wr)
{
	static uint8_t bytes[WIRE_PATH_MAX];
	uint64_t chain = seeded_any_size(rng) | 1, number = seeded_any_size(rng) | 1;
	struct record_begin b = {.chain = chain, .number = number, .path = bytes};
	struct record_heads h = {.channel = (uint16_t)number,
				 .chain = chain,
				 .objects = number,
				 .manifests = 1};
	struct record_close c = {.channel = (uint16_t)chain,
				 .window = (uint32_t)number,
				 .repairs = (uint16_t)chain};
	uint8_t *data;
	size_t taken;
	enum km_rc rc;

	seeded_bytes(rng, bytes, sizeof(bytes));
	switch (seeded_below(rng, 4)) {
	case 0:
		b.size = seeded_any_size(rng) >> 2;
		b.mtime_s = (int64_t)seeded_any_size(rng);
		b.mtime_ns = (uint32_t)seeded_below(rng, 1000000000);
		b.path_len = 1 + seeded_below(rng, 200);
		return record_put_begin(wr, &b);
	case 1:
		memcpy(h.head, bytes, sizeof(h.head));
		return record_put_heads(wr, &h);
	case 2:
		c.stream = (uint8_t)seeded_below(rng, 2);
		c.symbols = (uint32_t)(1 + seeded_below(rng, WIRE_WINDOW_SYMBOLS_MAX));
		return record_put_close(wr, &c);
	default:
		rc = record_put_fragment(wr, chain, number, seeded_any_size(rng) >> 3,
					 1 + seeded_below(rng, 900), &data, &taken);
		if (rc == KM_OK)
			seeded_bytes(rng, data, taken);
		return rc;
	}
}

Test(record_symbol, random_round_trip, .timeout = 60)
{
	struct seeded rng;

	seeded_init(&rng, "record_symbol.random_round_trip");
	for (unsigned i = 0; i < 5000; i++) {
		uint8_t symbol[SYMBOL];
		struct wr wr;
		int put = 0;

		memset(symbol, 0, sizeof(symbol));
		wr_init(&wr, symbol, sizeof(symbol));
		for (;;) {
			size_t before = wr.used;
			enum km_rc rc = put_random(&rng, &wr);

			if (rc == KM_ERR_FULL) {
				cr_assert_eq(wr.used, before);
				break;
			}
			cr_assert_eq(rc, KM_OK);
			put++;
		}
		cr_assert_eq(walk(symbol, SYMBOL), put);
		/* And damaged at random: read or refused, never astray. */
		symbol[seeded_below(&rng, SYMBOL)] ^=
			(uint8_t)(1 + seeded_below(&rng, 255));
		walk(symbol, SYMBOL);
	}
}

Test(record_symbol, random_bytes, .timeout = 60)
{
	struct seeded rng;

	seeded_init(&rng, "record_symbol.random_bytes");
	for (unsigned i = 0; i < 50000; i++) {
		size_t len = seeded_below(&rng, 200);
		uint8_t *p = malloc(len ? len : 1);

		cr_assert_not_null(p);
		seeded_bytes(&rng, p, len);
		if (len > 1) {
			static const uint8_t types[] = {1, 2, 3, 8, 16, 17, 18, 99};

			p[0] = types[seeded_below(&rng, sizeof(types))];
			p[1] = (uint8_t)seeded_below(&rng, len);
		}
		walk(p, len);
		free(p);
	}
}
