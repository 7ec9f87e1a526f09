// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <string.h>

#include "frame.h"
#include "record.h"

/* Decode the one record of P and hand it back; the symbol ends right behind it. */
static struct record only(const uint8_t *p, size_t len)
{
	struct record r, end;
	struct rd rd;

	rd_init(&rd, p, len);
	cr_assert_eq(record_next(&rd, &r), KM_OK);
	cr_assert_eq(record_next(&rd, &end), KM_ERR_EMPTY);
	return r;
}

#define GOLDEN(name, ...) static const uint8_t name[] = {__VA_ARGS__}

Test(record, golden_begin)
{
	GOLDEN(want, 1, 0x1a, 0x80, 0x01, 5, 0, 0xff, 0xff, 0x03, 0, 0, 0, 0, 0x69, 0x20,
	       0x00, 0x63, 0x00, 0x00, 0x00, 0x2a, 'a', '/', 0x83, 0x5c, '.', 't', 'x');
	const struct record_begin b = {.chain = 128,
				       .number = 5,
				       .size = 65535,
				       .mtime_s = 0x69200063,
				       .mtime_ns = 42,
				       .path = (const uint8_t *)"a/\x83\\.tx",
				       .path_len = 7};
	uint8_t out[64];
	struct record r;
	struct wr wr;

	wr_init(&wr, out, sizeof(out));
	cr_assert_eq(record_put_begin(&wr, &b), KM_OK);
	cr_assert_eq(wr.used, sizeof(want));
	cr_assert_arr_eq(out, want, sizeof(want));
	r = only(want, sizeof(want));
	cr_assert_eq(r.type, RECORD_BEGIN);
	cr_assert(r.begin.chain == 128 && r.begin.number == 5 && r.begin.size == 65535);
	cr_assert(r.begin.mtime_s == 0x69200063 && r.begin.mtime_ns == 42 && !r.begin.kind);
	cr_assert_eq(r.begin.path_len, 7u);
	cr_assert_arr_eq(r.begin.path, b.path, 7);
}

Test(record, golden_fragment_and_manifest)
{
	GOLDEN(fragment, 2, 7, 9, 0xac, 0x02, 0x00, 'x', 'y', 'z');
	GOLDEN(manifest, 8, 7, 9, 1, 0xe8, 0x07, 5, 'm', 'n');
	uint8_t out[32], *data;
	size_t taken;
	struct record r;
	struct wr wr;

	wr_init(&wr, out, sizeof(out));
	cr_assert_eq(record_put_fragment(&wr, 9, 300, 0, 3, &data, &taken), KM_OK);
	cr_assert_eq(taken, 3u);
	memcpy(data, "xyz", 3);
	cr_assert_eq(wr.used, sizeof(fragment));
	cr_assert_arr_eq(out, fragment, sizeof(fragment));
	r = only(fragment, sizeof(fragment));
	cr_assert(r.fragment.chain == 9 && r.fragment.number == 300 &&
		  r.fragment.offset == 0);
	cr_assert_eq(r.fragment.len, 3u);
	cr_assert_eq(r.fragment.data, fragment + 6, "a view, not a copy");

	wr_init(&wr, out, sizeof(out));
	cr_assert_eq(record_put_manifest(&wr, 9, 1, 1000, 5, 2, &data, &taken), KM_OK);
	memcpy(data, "mn", 2);
	cr_assert_eq(wr.used, sizeof(manifest));
	cr_assert_arr_eq(out, manifest, sizeof(manifest));
	r = only(manifest, sizeof(manifest));
	cr_assert(r.manifest.total == 1000 && r.manifest.offset == 5 &&
		  r.manifest.len == 2);
}

Test(record, golden_withdrawn_heads_close)
{
	GOLDEN(withdrawn, 3, 3, 9, 7, 2);
	GOLDEN(close_record, 18, 11, 0, 7, 1, 0, 0, 1, 0, 0x27, 0x60, 0x03, 0xf0);
	uint8_t heads[38] = {17, 0x25, 0, 7, 9, 4, 2};
	struct record_heads h = {.channel = 7, .chain = 9, .objects = 4, .manifests = 2};
	const struct record_close c = {.channel = 7,
				       .stream = FRAME_STREAM_LEDGER,
				       .window = 256,
				       .symbols = 10080,
				       .repairs = 1008};
	const struct record_withdrawn w = {
		.chain = 9, .number = 7, .reason = RECORD_WITHDRAWN_GONE};
	uint8_t out[64];
	struct record r;
	struct wr wr;

	wr_init(&wr, out, sizeof(out));
	cr_assert_eq(record_put_withdrawn(&wr, &w), KM_OK);
	cr_assert_eq(wr.used, sizeof(withdrawn));
	cr_assert_arr_eq(out, withdrawn, sizeof(withdrawn));
	cr_assert_eq(only(withdrawn, sizeof(withdrawn)).withdrawn.reason, 2);

	wr_init(&wr, out, sizeof(out));
	cr_assert_eq(record_put_close(&wr, &c), KM_OK);
	cr_assert_eq(wr.used, sizeof(close_record));
	cr_assert_arr_eq(out, close_record, sizeof(close_record));
	r = only(close_record, sizeof(close_record));
	cr_assert(r.close.channel == 7 && r.close.stream == 1 && r.close.window == 256 &&
		  r.close.symbols == 10080 && r.close.repairs == 1008);

	memset(h.head, 0xab, sizeof(h.head));
	memset(heads + 7, 0xab, 31);
	wr_init(&wr, out, sizeof(out));
	cr_assert_eq(record_put_heads(&wr, &h), KM_OK);
	cr_assert_eq(wr.used, 39u);
	cr_assert_arr_eq(out, heads, 38);
	cr_assert_eq(out[38], 0xab);
	r = only(out, wr.used);
	cr_assert(r.heads.channel == 7 && r.heads.chain == 9 && r.heads.objects == 4 &&
		  r.heads.manifests == 2);
	cr_assert_arr_eq(r.heads.head, h.head, 32);
}

Test(record, golden_message_and_live)
{
	GOLDEN(message, 4, 22, 0xac, 0x02, 0, 0, 0, 0, 0, 0, 0, 9, 6, 192, 0, 2, 7, 0x14,
	       0x14, 5, 2, 'x', 'y', 'z');
	GOLDEN(empty, 4, 12, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	GOLDEN(live, 19, 5, 0, 7, 0xac, 0x02, 3);
	const struct record_live l = {.channel = 7, .messages = 300, .dropped = 3};
	static const uint8_t source[WIRE_SOURCE_IPV4] = {192, 0, 2, 7, 0x14, 0x14};
	struct record_message m = {.number = 300,
				   .tx_time_ns = 9,
				   .source = source,
				   .source_len = sizeof(source),
				   .total = 5,
				   .offset = 2,
				   .len = 3};
	uint8_t out[64], *data;
	struct record r;
	struct wr wr;
	size_t taken;

	wr_init(&wr, out, sizeof(out));
	cr_assert_eq(record_put_message(&wr, &m, &data, &taken), KM_OK);
	cr_assert_eq(taken, 3u);
	memcpy(data, "xyz", 3);
	cr_assert_eq(wr.used, sizeof(message));
	cr_assert_eq(wr.used, record_message_bytes(&m));
	cr_assert_arr_eq(out, message, sizeof(message));
	r = only(message, sizeof(message));
	cr_assert(r.message.number == 300 && r.message.tx_time_ns == 9 &&
		  r.message.total == 5 && r.message.offset == 2 && r.message.len == 3);
	cr_assert_eq(r.message.source_len, sizeof(source));
	cr_assert_arr_eq(r.message.source, source, sizeof(source));

	m = (struct record_message){.number = 1, .source = source};
	wr_init(&wr, out, sizeof(out));
	cr_assert_eq(record_put_message(&wr, &m, &data, &taken), KM_OK);
	cr_assert_eq(taken, 0u);
	cr_assert_eq(wr.used, sizeof(empty));
	cr_assert_arr_eq(out, empty, sizeof(empty));
	cr_assert_eq(only(empty, sizeof(empty)).message.total, 0u);

	wr_init(&wr, out, sizeof(out));
	cr_assert_eq(record_put_live(&wr, &l), KM_OK);
	cr_assert_eq(wr.used, sizeof(live));
	cr_assert_arr_eq(out, live, sizeof(live));
	r = only(live, sizeof(live));
	cr_assert(r.live.channel == 7 && r.live.messages == 300 && r.live.dropped == 3);
}

Test(record, what_a_message_may_not_say)
{
	static const uint8_t source[WIRE_SOURCE_IPV6];
	const struct record_message bad[] = {
		{.number = 0, .total = 1, .len = 1},
		{.number = 1, .total = 1, .len = 0},
		{.number = 1, .total = 1, .offset = 1, .len = 1},
		{.number = 1, .total = 0, .len = 1},
		{.number = 1, .total = WIRE_MESSAGE_MAX + 1, .len = 1},
		{.number = 1, .total = 1, .len = 1, .source_len = 4},
	};
	uint8_t out[64], *data;
	struct wr wr;
	size_t taken;

	for (size_t i = 0; i < KM_COUNT(bad); i++) {
		struct record_message m = bad[i];

		m.source = source;
		wr_init(&wr, out, sizeof(out));
		cr_assert_eq(record_put_message(&wr, &m, &data, &taken), KM_ERR_RANGE);
		cr_assert_eq(wr.used, 0u);
	}
}

Test(record, golden_heartbeat)
{
	GOLDEN(want, 16, 46, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 5, 1, 2, 3, 4,
	       5, 6, 7, 8, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 11, 0, 0, 0, 0x0f, 0xff,
	       0xff, 0xff, 0xff);
	struct record_heartbeat hb = {.tx_time_ns = 1,
				      .port_received = 2,
				      .flags = RECORD_HB_FAREWELL | RECORD_HB_RETURN_SEEN,
				      .config_digest = {1, 2, 3, 4, 5, 6, 7, 8},
				      .lanes = 2,
				      .lane = {{0, 256}, {11, WIRE_LANE_FRAMES_MAX - 1}}},
				got;
	uint8_t out[64];
	struct record r;
	struct wr wr;

	wr_init(&wr, out, sizeof(out));
	cr_assert_eq(record_put_heartbeat(&wr, &hb), KM_OK);
	cr_assert_eq(wr.used, sizeof(want));
	cr_assert_arr_eq(out, want, sizeof(want));
	r = only(want, sizeof(want));
	cr_assert_eq(record_heartbeat_decode(&got, r.body, r.body_len), KM_OK);
	cr_assert(got.tx_time_ns == 1 && got.port_received == 2 && got.flags == 5);
	cr_assert(got.lanes == 2 && got.lane[1].lane == 11 &&
		  got.lane[1].accepted == WIRE_LANE_FRAMES_MAX - 1);
	hb.lane[1].lane = 0;
	wr_init(&wr, out, sizeof(out));
	cr_assert_eq(record_put_heartbeat(&wr, &hb), KM_ERR_RANGE, "a lane twice");
	hb.lane[1].lane = WIRE_LANES_MAX;
	cr_assert_eq(record_put_heartbeat(&wr, &hb), KM_ERR_RANGE);
	hb.lanes = WIRE_LANES_MAX + 1;
	cr_assert_eq(record_put_heartbeat(&wr, &hb), KM_ERR_RANGE);
	cr_assert_eq(wr.used, 0u);
}

static enum km_rc first(const uint8_t *p, size_t len)
{
	struct record r;
	struct rd rd;
	enum km_rc rc;

	rd_init(&rd, p, len);
	rc = record_next(&rd, &r);
	if (rc == KM_ERR_MALFORMED)
		cr_assert_eq(record_next(&rd, &r), KM_ERR_MALFORMED,
			     "the rest stays unread");
	return rc;
}

#define FIRST(...)                                                                         \
	first((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

Test(record, padding_and_unknown_types)
{
	const uint8_t p[] = {200, 3, 1, 2, 3, 3, 3, 9, 7, 1, 0, 0, 0};
	struct record r;
	struct rd rd;

	rd_init(&rd, p, sizeof(p));
	cr_assert_eq(record_next(&rd, &r), KM_ERR_NOTFOUND);
	cr_assert(r.type == 200 && r.body == p + 2 && r.body_len == 3);
	cr_assert_eq(record_next(&rd, &r), KM_OK);
	cr_assert_eq(r.withdrawn.number, 7u);
	cr_assert_eq(record_next(&rd, &r), KM_ERR_EMPTY);
	cr_assert_eq(record_next(&rd, &r), KM_ERR_EMPTY);
	cr_assert_eq(FIRST(0), KM_ERR_EMPTY);
	cr_assert_eq(FIRST(0, 0, 1), KM_ERR_MALFORMED);
	cr_assert_eq(FIRST(200, 0), KM_ERR_NOTFOUND);
	cr_assert_eq(FIRST(200), KM_ERR_MALFORMED, "no length");
	cr_assert_eq(FIRST(200, 1), KM_ERR_MALFORMED, "no body");
	cr_assert_eq(FIRST(200, 0x81, 0x00, 0), KM_ERR_MALFORMED, "long varint");
	cr_assert_eq(FIRST(200, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0),
		     KM_ERR_MALFORMED, "length of 2^64 - 1");
}

Test(record, bodies_out_of_range)
{
	cr_assert_eq(FIRST(3, 3, 9, 7, 3), KM_ERR_MALFORMED, "reason");
	cr_assert_eq(FIRST(3, 3, 0, 7, 1), KM_ERR_MALFORMED, "chain 0");
	cr_assert_eq(FIRST(3, 3, 9, 0, 1), KM_ERR_MALFORMED, "number 0");
	cr_assert_eq(FIRST(3, 4, 9, 7, 1, 0), KM_ERR_MALFORMED, "trailing byte");
	cr_assert_eq(FIRST(2, 3, 9, 7, 0), KM_ERR_MALFORMED, "fragment without data");
	cr_assert_eq(
		FIRST(2, 12, 9, 7, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 1),
		KM_ERR_MALFORMED, "offset 2^62");
	cr_assert_eq(FIRST(8, 6, 9, 1, 5, 4, 1, 1), KM_ERR_MALFORMED, "beyond total");
	cr_assert_eq(FIRST(8, 5, 9, 1, 4, 0, 1), KM_ERR_MALFORMED, "no text in total");
	cr_assert_eq(FIRST(18, 11, 0, 7, 2, 0, 0, 1, 0, 1, 1, 0, 0), KM_ERR_MALFORMED,
		     "stream");
	cr_assert_eq(FIRST(18, 11, 0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0), KM_ERR_MALFORMED,
		     "N = 0");
	cr_assert_eq(FIRST(18, 11, 0, 7, 1, 0, 0, 1, 0, 0xff, 1, 0, 0), KM_ERR_MALFORMED,
		     "N");
	cr_assert_eq(FIRST(18, 11, 0, 7, 1, 0, 0, 1, 0, 0xff, 0, 0, 0), KM_OK, "65,280");
	/* begin: kind, mtime, empty path */
	cr_assert_eq(FIRST(1, 17, 9, 7, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'a'),
		     KM_ERR_MALFORMED, "kind");
	cr_assert_eq(FIRST(1, 17, 9, 7, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'a'),
		     KM_ERR_MALFORMED, "a directory with bytes");
	cr_assert_eq(
		FIRST(1, 17, 9, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x3b, 0x9a, 0xca, 0, 'a'),
		KM_ERR_MALFORMED, "a second of nanoseconds");
	cr_assert_eq(FIRST(1, 16, 9, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
		     KM_ERR_MALFORMED, "no path");
	cr_assert_eq(FIRST(1, 17, 9, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'a'),
		     KM_OK);
}

Test(record, heads_of_a_channel_without_a_chain)
{
	struct record_heads h = {.channel = 3};
	uint8_t out[128];
	struct wr wr;

	wr_init(&wr, out, sizeof(out));
	cr_assert_eq(record_put_heads(&wr, &h), KM_OK);
	cr_assert_eq(only(out, wr.used).heads.chain, 0u);
	h.objects = 1;
	cr_assert_eq(record_put_heads(&wr, &h), KM_ERR_RANGE);
	h.chain = 1;
	cr_assert_eq(record_put_heads(&wr, &h), KM_OK);
	h.head[31] = 1;
	cr_assert_eq(record_put_heads(&wr, &h), KM_ERR_RANGE, "a head of no manifest");
}

/* A path that is too long by one cannot be written, nor read. */
Test(record, path_limits)
{
	uint8_t path[WIRE_PATH_MAX + 1], out[2 * WIRE_PATH_MAX];
	struct record_begin b = {.chain = 1, .number = 1, .path = path};
	struct wr wr;

	memset(path, 'p', sizeof(path));
	wr_init(&wr, out, sizeof(out));
	cr_assert_eq(record_put_begin(&wr, &b), KM_ERR_RANGE);
	b.path_len = WIRE_PATH_MAX + 1;
	cr_assert_eq(record_put_begin(&wr, &b), KM_ERR_RANGE);
	b.path_len = WIRE_PATH_MAX;
	cr_assert_eq(record_put_begin(&wr, &b), KM_OK);
	cr_assert_eq(only(out, wr.used).begin.path_len, WIRE_PATH_MAX);
	/* One byte more, and a body length to match (two-byte varint, low part not 0x7f). */
	out[1]++;
	out[wr.used] = 'p';
	cr_assert_eq(first(out, wr.used + 1), KM_ERR_MALFORMED);
}
