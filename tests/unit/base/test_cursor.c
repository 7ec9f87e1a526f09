// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base_seed.h"
#include "cursor.h"

/* Exact-size heap copies, so that a sanitizer sees the first byte too far. */
static uint8_t *exact(const void *from, size_t n)
{
	uint8_t *p = malloc(n ? n : 1);

	cr_assert(p);
	if (n)
		memcpy(p, from, n);
	return p;
}

Test(cursor, integers_are_big_endian)
{
	uint8_t buf[15];
	struct wr w;
	struct rd r;

	wr_init(&w, buf, sizeof(buf));
	wr_u8(&w, 0x01);
	wr_u16(&w, 0x0203);
	wr_u32(&w, 0x04050607);
	wr_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
	cr_assert(wr_ok(&w) && wr_left(&w) == 0);
	for (size_t i = 0; i < sizeof(buf); i++)
		cr_assert_eq(buf[i], i + 1);
	rd_init(&r, buf, sizeof(buf));
	cr_assert_eq(rd_u8(&r), 0x01);
	cr_assert_eq(rd_u16(&r), 0x0203);
	cr_assert_eq(rd_u32(&r), 0x04050607);
	cr_assert_eq(rd_u64(&r), UINT64_C(0x08090a0b0c0d0e0f));
	cr_assert(rd_done(&r));
}

Test(cursor, every_truncation_is_bad_and_sticky)
{
	uint8_t full[15 + 3] = {1,  2,	3,  4,	5,  6,	7,    8,    9,
				10, 11, 12, 13, 14, 15, 0xff, 0xff, 3};

	for (size_t n = 0; n <= sizeof(full); n++) {
		uint8_t *p = exact(full, n);
		struct rd r;
		uint64_t last;

		rd_init(&r, p, n);
		(void)rd_u8(&r);
		(void)rd_u16(&r);
		(void)rd_u32(&r);
		(void)rd_u64(&r);
		last = rd_varint(&r);
		cr_assert_eq(rd_done(&r), n == sizeof(full));
		cr_assert_eq(last, n == sizeof(full) ? 0xffff : 0);
		if (n < sizeof(full)) {
			uint8_t out[2] = {9, 9};

			cr_assert(r.bad && r.used <= n && rd_left(&r) == 0);
			rd_copy(&r, out, 2);
			cr_assert(out[0] == 0 && out[1] == 0, "a failed copy is zeroes");
			cr_assert_null(rd_bytes(&r, 0), "bad stays bad");
		}
		free(p);
	}
}

Test(cursor, huge_lengths_do_not_wrap)
{
	uint8_t byte = 7;
	struct rd r;
	struct wr w;

	rd_init(&r, &byte, 1);
	cr_assert_eq(rd_u8(&r), 7);
	cr_assert_not_null(rd_bytes(&r, 0));
	cr_assert(rd_done(&r));
	cr_assert_null(rd_bytes(&r, SIZE_MAX));
	cr_assert(r.bad);
	wr_init(&w, &byte, 1);
	wr_u8(&w, 1);
	cr_assert_null(wr_space(&w, SIZE_MAX));
	cr_assert(w.bad);
	wr_init(&w, NULL, 0);
	wr_bytes(&w, &byte, 0);
	cr_assert(wr_ok(&w));
	wr_u8(&w, 1);
	cr_assert(!wr_ok(&w));
}

Test(cursor, writes_that_do_not_fit_write_nothing)
{
	for (size_t room = 0; room < 8; room++) {
		uint8_t *p = exact("\xee\xee\xee\xee\xee\xee\xee\xee", room);
		struct wr w;

		wr_init(&w, p, room);
		wr_u64(&w, 0);
		cr_assert(w.bad && w.used == 0);
		wr_u8(&w, 0);
		for (size_t i = 0; i < room; i++)
			cr_assert_eq(p[i], 0xee);
		free(p);
	}
}

static void varint_round(uint64_t v)
{
	uint8_t buf[CURSOR_VARINT_MAX];
	size_t size = wr_varint_size(v);
	struct wr w;
	struct rd r;

	wr_init(&w, buf, sizeof(buf));
	wr_varint(&w, v);
	cr_assert(wr_ok(&w) && w.used == size);
	rd_init(&r, buf, size);
	cr_assert_eq(rd_varint(&r), v);
	cr_assert(rd_done(&r));
	for (size_t cut = 0; cut < size; cut++) {
		uint8_t *p = exact(buf, cut);

		rd_init(&r, p, cut);
		cr_assert_eq(rd_varint(&r), 0);
		cr_assert(r.bad && r.used == 0, "nothing consumed");
		wr_init(&w, p, cut);
		wr_varint(&w, v);
		cr_assert(w.bad && w.used == 0);
		free(p);
	}
}

Test(cursor, varints)
{
	uint64_t state = base_seed("varints");

	for (unsigned int bit = 0; bit < 64; bit++) {
		varint_round(UINT64_C(1) << bit);
		varint_round((UINT64_C(1) << bit) - 1);
		varint_round(UINT64_MAX >> bit);
	}
	for (int i = 0; i < 20000; i++)
		varint_round(base_random(&state) >> (base_random(&state) & 63));
}

Test(cursor, every_two_and_three_byte_varint_has_one_meaning)
{
	for (uint32_t v = 0; v < 1U << 24; v += v < 1U << 16 ? 1 : 251) {
		uint8_t in[3] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16)};
		uint8_t again[CURSOR_VARINT_MAX];
		struct wr w;
		struct rd r;
		uint64_t value;

		rd_init(&r, in, 3);
		value = rd_varint(&r);
		if (r.bad)
			continue;
		wr_init(&w, again, sizeof(again));
		wr_varint(&w, value);
		cr_assert(w.used == r.used && memcmp(again, in, w.used) == 0,
			  "%06x: what is accepted is what we would write", v);
	}
}

Test(cursor, non_canonical_varints_are_bad)
{
	static const struct {
		const char *bytes;
		size_t n;
	} cases[] = {
		{"\x80\x00", 2},
		{"\xff\x00", 2},
		{"\x80\x80\x00", 3},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11},
		{"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 10},
		{"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rd r;

		rd_init(&r, cases[i].bytes, cases[i].n);
		cr_assert_eq(rd_varint(&r), 0);
		cr_assert(r.bad, "case %zu", i);
	}
}
