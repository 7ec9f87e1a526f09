// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <string.h>

#include "frame.h"
#include "seeded.h"

/* A frame's bytes never exceed this in these tests. */
#define ROOM 70000u

static const uint8_t golden_source[WIRE_HEADER_LEN] = {
	0x01, 0x02, 0x03, 0x01, 0xa1, 0xb2, 0xc3, 0xd4, 0x00, 0x0b, 0x00, 0x07, 0x00, 0x00,
	0x00, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x01, 0x02, 0x03, 0x04, 0x05, 0x04, 0x00, 0x3f,
	0x10, 0x00, 0x00, 0x00, 0x01, 0xf4, 0x22, 0xf0, 0x00, 0x00, 0x00, 0x02};

static const uint8_t golden_repair[WIRE_HEADER_LEN] = {
	0x01, 0x03, 0x03, 0x01, 0xa1, 0xb2, 0xc3, 0xd4, 0x00, 0x0b, 0x00, 0x07, 0x00, 0x00,
	0x00, 0x0a, 0x0b, 0x0c, 0x0d, 0x0f, 0x01, 0x02, 0x03, 0x04, 0x00, 0x80, 0x00, 0x3f,
	0x10, 0xa0, 0x0d, 0x01, 0x22, 0xf0, 0x22, 0xf0, 0x00, 0x00, 0x00, 0x01};

static const uint8_t golden_announce[WIRE_HEADER_LEN] = {
	[0] = 0x01, [1] = 0x01, [32] = 0x01, [33] = 0x50, [39] = 0x03};

static const struct frame_header source = {.version = 1,
					   .type = FRAME_SOURCE,
					   .class = FRAME_CLASS_NORMAL,
					   .code = FRAME_CODE_RS_LCH8,
					   .session_tag = 0xa1b2c3d4,
					   .lane = 11,
					   .channel = 7,
					   .seq = 0x0a0b0c0d0e,
					   .window = 0x01020304,
					   .index = 0x0504,
					   .depth = 63,
					   .M = 16,
					   .stream = FRAME_STREAM_DATA,
					   .length = 500,
					   .symbol_size = 8944,
					   .link_id = 2};

static const struct frame_header repair = {.version = 1,
					   .type = FRAME_REPAIR,
					   .class = FRAME_CLASS_NORMAL,
					   .code = FRAME_CODE_RS_LCH8,
					   .session_tag = 0xa1b2c3d4,
					   .lane = 11,
					   .channel = 7,
					   .seq = 0x0a0b0c0d0f,
					   .window = 0x01020304,
					   .index = 128,
					   .depth = 63,
					   .M = 16,
					   .k = 160,
					   .m = 13,
					   .stream = FRAME_STREAM_LEDGER,
					   .length = 8944,
					   .symbol_size = 8944,
					   .link_id = 1};

static const struct frame_header announce = {
	.version = 1, .type = FRAME_ANNOUNCE, .length = 336, .link_id = 3};

static bool same(const struct frame_header *a, const struct frame_header *b)
{
	uint8_t x[WIRE_HEADER_LEN], y[WIRE_HEADER_LEN];

	frame_header_encode(x, a);
	frame_header_encode(y, b);
	return memcmp(x, y, sizeof(x)) == 0;
}

static void golden(const uint8_t bytes[WIRE_HEADER_LEN], const struct frame_header *h)
{
	static uint8_t frame[ROOM];
	struct frame_header got;
	size_t len = frame_bytes(h);

	memset(frame, 0x5a, sizeof(frame));
	frame_header_encode(frame, h);
	cr_assert_arr_eq(frame, bytes, WIRE_HEADER_LEN);
	cr_assert_eq(frame_header_decode(&got, frame, len), KM_OK);
	cr_assert(same(&got, h));
	cr_assert_eq(got.seq, h->seq);
	cr_assert_eq(got.index, h->index);
	cr_assert_eq(got.link_id, h->link_id);
	cr_assert_eq(frame_header_decode(&got, frame, len + 30), KM_OK,
		     "padding is ignored");
	for (size_t n = 0; n < len; n++)
		cr_assert_eq(frame_header_decode(&got, frame, n), KM_ERR_SHORT, "%zu bytes",
			     n);
}

Test(frame, golden_bytes)
{
	golden(golden_source, &source);
	golden(golden_repair, &repair);
	golden(golden_announce, &announce);
	cr_assert_eq(frame_bytes(&source), 40u + 500u + 16u);
	cr_assert_eq(frame_bytes(&announce), 40u + 336u);
}

/* Every value of every byte: refused, or read back as exactly what stands there. */
static void every_change(const uint8_t bytes[WIRE_HEADER_LEN])
{
	static uint8_t frame[ROOM];
	uint8_t again[WIRE_HEADER_LEN];
	struct frame_header got;
	unsigned accepted = 0;

	for (size_t at = 0; at < WIRE_HEADER_LEN; at++) {
		for (unsigned v = 0; v < 256; v++) {
			enum km_rc rc;

			memcpy(frame, bytes, WIRE_HEADER_LEN);
			frame[at] = (uint8_t)v;
			rc = frame_header_decode(&got, frame, sizeof(frame));
			cr_assert(rc == KM_OK || rc == KM_ERR_VERSION ||
				  rc == KM_ERR_MALFORMED || rc == KM_ERR_RANGE);
			if (rc != KM_OK)
				continue;
			accepted++;
			frame_header_encode(again, &got);
			cr_assert_arr_eq(again, frame, WIRE_HEADER_LEN);
			cr_assert_eq(frame_header_check(&got), KM_OK);
		}
	}
	cr_assert_gt(accepted, 256u); /* at the least every link id */
}

Test(frame, every_single_byte_change)
{
	every_change(golden_source);
	every_change(golden_repair);
	every_change(golden_announce);
}

static enum km_rc with(const struct frame_header *base, size_t offset, size_t size,
		       uint64_t value)
{
	struct frame_header h = *base;
	uint8_t *p = (uint8_t *)&h + offset;

	memcpy(p, &value, size); /* little-endian hosts only, as everything tested here */
	return frame_header_check(&h);
}

#define WITH(base, field, value)                                                           \
	with(&(base), offsetof(struct frame_header, field), sizeof((base).field), (value))

Test(frame, limits_of_each_field)
{
	cr_assert_eq(WITH(source, version, 2), KM_ERR_VERSION);
	cr_assert_eq(WITH(source, version, 0), KM_ERR_VERSION);
	cr_assert_eq(WITH(source, type, 0), KM_ERR_MALFORMED);
	cr_assert_eq(WITH(source, type, 4), KM_ERR_RANGE, "a test frame has no window");
	cr_assert_eq(WITH(source, type, 5), KM_ERR_MALFORMED);
	cr_assert_eq(WITH(source, class, FRAME_CLASS_COUNT), KM_ERR_MALFORMED);
	cr_assert_eq(WITH(source, class, FRAME_CLASS_LOW), KM_ERR_RANGE, "not the lane's");
	cr_assert_eq(WITH(source, code, 2), KM_ERR_MALFORMED);
	cr_assert_eq(WITH(source, code, FRAME_CODE_NONE), KM_ERR_RANGE, "M without a code");
	cr_assert_eq(WITH(source, lane, 3), KM_OK);
	cr_assert_eq(WITH(source, lane, 12), KM_ERR_RANGE);
	cr_assert_eq(WITH(source, lane, 59), KM_OK);
	cr_assert_eq(WITH(source, lane, 67), KM_ERR_RANGE);
	cr_assert_eq(WITH(source, seq, WIRE_LANE_FRAMES_MAX - 1), KM_OK);
	cr_assert_eq(WITH(source, seq, WIRE_LANE_FRAMES_MAX), KM_ERR_RANGE);
	cr_assert_eq(WITH(source, depth, 0), KM_ERR_RANGE);
	cr_assert_eq(WITH(source, depth, 255), KM_OK);
	cr_assert_eq(WITH(source, depth, 256), KM_ERR_RANGE);
	cr_assert_eq(WITH(source, M, 0), KM_ERR_RANGE, "a code without rows");
	cr_assert_eq(WITH(source, M, 128), KM_OK);
	cr_assert_eq(WITH(source, M, 12), KM_ERR_RANGE);
	cr_assert_eq(WITH(source, index, 63 * 240 - 1), KM_OK);
	cr_assert_eq(WITH(source, index, 63 * 240), KM_ERR_RANGE);
	cr_assert_eq(WITH(source, k, 1), KM_ERR_RANGE, "k stands in repair frames only");
	cr_assert_eq(WITH(source, m, 1), KM_ERR_RANGE);
	cr_assert_eq(WITH(source, stream, FRAME_STREAM_COUNT), KM_ERR_MALFORMED);
	cr_assert_eq(WITH(source, length, 8944), KM_OK);
	cr_assert_eq(WITH(source, length, 8945), KM_ERR_RANGE);
	cr_assert_eq(WITH(source, symbol_size, WIRE_SYMBOL_MIN - 1), KM_ERR_RANGE);
	cr_assert_eq(WITH(source, symbol_size, WIRE_SYMBOL_MAX), KM_OK);
	cr_assert_eq(WITH(source, symbol_size, WIRE_SYMBOL_MAX + 1), KM_ERR_RANGE);
}

Test(frame, limits_of_a_repair)
{
	cr_assert_eq(WITH(repair, k, 0), KM_ERR_RANGE);
	cr_assert_eq(WITH(repair, k, 240), KM_OK);
	cr_assert_eq(WITH(repair, k, 241), KM_ERR_RANGE);
	cr_assert_eq(WITH(repair, m, 0), KM_ERR_RANGE);
	cr_assert_eq(WITH(repair, m, 3), KM_OK);
	cr_assert_eq(WITH(repair, m, 2), KM_ERR_RANGE, "row 2 of 2");
	cr_assert_eq(WITH(repair, m, 16), KM_OK);
	cr_assert_eq(WITH(repair, m, 17), KM_ERR_RANGE);
	cr_assert_eq(WITH(repair, index, 63 * 13 - 1), KM_OK);
	cr_assert_eq(WITH(repair, index, 63 * 13), KM_ERR_RANGE);
	cr_assert_eq(WITH(repair, length, 8943), KM_ERR_RANGE,
		     "repair symbols are never cut");
}

Test(frame, limits_without_fec_and_of_an_announce)
{
	struct frame_header none = source;

	none.M = 0;
	none.code = FRAME_CODE_NONE;
	none.depth = 1;
	cr_assert_eq(WITH(none, index, 255), KM_OK);
	cr_assert_eq(WITH(none, index, 256), KM_ERR_RANGE);
	none.type = FRAME_REPAIR;
	none.k = none.m = 1;
	none.index = 0;
	none.length = none.symbol_size;
	cr_assert_eq(frame_header_check(&none), KM_ERR_RANGE, "a repair without rows");

	cr_assert_eq(WITH(announce, length, WIRE_ANNOUNCE_MAX), KM_OK);
	cr_assert_eq(WITH(announce, length, WIRE_ANNOUNCE_MAX + 56), KM_ERR_RANGE);
	cr_assert_eq(WITH(announce, length, WIRE_ANNOUNCE_MIN), KM_OK);
	cr_assert_eq(WITH(announce, length, WIRE_ANNOUNCE_MIN - 56), KM_ERR_RANGE);
	cr_assert_eq(WITH(announce, length, 337), KM_ERR_RANGE);
	cr_assert_eq(WITH(announce, seq, 1), KM_ERR_RANGE);
	cr_assert_eq(WITH(announce, session_tag, 1), KM_ERR_RANGE);
	cr_assert_eq(WITH(announce, class, 1), KM_ERR_RANGE);
	cr_assert_eq(WITH(announce, depth, 1), KM_ERR_RANGE);
}

Test(frame, limits_of_a_test_frame)
{
	static const struct frame_header test = {.version = 1,
						 .type = FRAME_TEST,
						 .class = FRAME_CLASS_NORMAL,
						 .session_tag = 0xa1b2c3d4,
						 .lane = 3,
						 .seq = 12,
						 .window = 7,
						 .length = WIRE_LINKTEST_BODY,
						 .link_id = 2};
	uint8_t bytes[WIRE_HEADER_LEN];

	cr_assert_eq(frame_header_check(&test), KM_OK);
	cr_assert_eq(frame_bytes(&test), WIRE_HEADER_LEN + WIRE_LINKTEST_BODY);
	frame_header_encode(bytes, &test);
	every_change(bytes);
	cr_assert_eq(WITH(test, length, WIRE_LINKTEST_BODY - 1), KM_ERR_RANGE);
	cr_assert_eq(WITH(test, length, 65000), KM_OK);
	cr_assert_eq(WITH(test, seq, WIRE_LANE_FRAMES_MAX), KM_ERR_RANGE);
	cr_assert_eq(WITH(test, class, FRAME_CLASS_REALTIME), KM_ERR_RANGE);
	cr_assert_eq(WITH(test, lane, 11), KM_ERR_RANGE);
	cr_assert_eq(WITH(test, code, FRAME_CODE_RS_LCH8), KM_ERR_RANGE);
	cr_assert_eq(WITH(test, channel, 1), KM_ERR_RANGE);
	cr_assert_eq(WITH(test, index, 1), KM_ERR_RANGE);
	cr_assert_eq(WITH(test, depth, 1), KM_ERR_RANGE);
	cr_assert_eq(WITH(test, M, 1), KM_ERR_RANGE);
	cr_assert_eq(WITH(test, k, 1), KM_ERR_RANGE);
	cr_assert_eq(WITH(test, m, 1), KM_ERR_RANGE);
	cr_assert_eq(WITH(test, stream, 1), KM_ERR_RANGE);
	cr_assert_eq(WITH(test, symbol_size, 256), KM_ERR_RANGE);
}

/* Random headers: what passes the check crosses the codec; the rest is refused by it. */
Test(frame, random_round_trip, .timeout = 60)
{
	static uint8_t frame[ROOM];
	struct seeded rng;
	unsigned valid = 0;

	seeded_init(&rng, "frame.random_round_trip");
	for (unsigned i = 0; i < 200000; i++) {
		struct frame_header h = seeded_below(&rng, 2) ? source : repair, got;
		enum km_rc rc, decoded;

		h.class = (uint8_t)seeded_below(&rng, FRAME_CLASS_COUNT);
		h.lane = (uint16_t)(8 * seeded_below(&rng, 9) + h.class);
		h.session_tag = (uint32_t)seeded_u64(&rng);
		h.channel = (uint16_t)seeded_u64(&rng);
		h.seq = seeded_any_size(&rng) >> 27;
		h.window = (uint32_t)seeded_u64(&rng);
		h.depth = (uint16_t)seeded_below(&rng, 257);
		h.M = (uint8_t)(1u << seeded_below(&rng, 8));
		h.index = (uint16_t)seeded_any_size(&rng);
		if (h.type == FRAME_REPAIR) {
			h.k = (uint8_t)seeded_u64(&rng);
			h.m = (uint8_t)seeded_below(&rng, h.M + 1u);
		}
		rc = frame_header_check(&h);
		frame_header_encode(frame, &h);
		decoded = frame_header_decode(&got, frame, sizeof(frame));
		cr_assert_eq(decoded, rc);
		if (rc != KM_OK)
			continue;
		valid++;
		cr_assert(same(&got, &h));
	}
	cr_assert_gt(valid, 1000u);
}

Test(frame, random_bytes_never_overread)
{
	struct seeded rng;

	seeded_init(&rng, "frame.random_bytes_never_overread");
	for (unsigned i = 0; i < 20000; i++) {
		size_t len = seeded_below(&rng, 64);
		uint8_t *p = malloc(len ? len : 1); /* its end is the sanitizer's end */
		struct frame_header got;

		cr_assert_not_null(p);
		seeded_bytes(&rng, p, len);
		if (len && seeded_below(&rng, 2))
			p[0] = WIRE_VERSION;
		cr_assert_neq(frame_header_decode(&got, p, len), KM_OK);
		free(p);
	}
}

Test(frame, sizes_and_names)
{
	cr_assert_eq(frame_symbol_size(9000), 8944u);
	cr_assert_eq(frame_symbol_size(1500), 1444u);
	cr_assert_eq(frame_symbol_size(56), 0u);
	cr_assert_eq(frame_symbol_size(3), 0u);
	cr_assert_str_eq(frame_class_name(FRAME_CLASS_CONTROL), "control");
	cr_assert_str_eq(frame_class_name(FRAME_CLASS_LOW), "low");
	cr_assert_str_eq(frame_class_name(5), "?");
}
