// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <string.h>

#include "carrier.h"
#include "seeded.h"

static const struct carrier_udp path = {.from = {{192, 0, 2, 1}, 4001},
					.to = {{198, 51, 100, 7}, 4002}};

/* Made with another program: 192.0.2.1:4001 to 198.51.100.7:4002, "abc". */
static const uint8_t golden[] = {0x45, 0x00, 0x00, 0x1f, 0x00, 0x00, 0x40, 0x00,
				 0x40, 0x11, 0x4e, 0x92, 0xc0, 0x00, 0x02, 0x01,
				 0xc6, 0x33, 0x64, 0x07, 0x0f, 0xa1, 0x0f, 0xa2,
				 0x00, 0x0b, 0x2f, 0xf6, 'a',  'b',  'c'};

/* A datagram around N bytes in OUT; its length. */
static size_t make(uint8_t *out, const uint8_t *payload, size_t n)
{
	carrier_udp_write(out, &path, n, carrier_udp_checksum(&path, payload, n));
	memcpy(out + WIRE_CARRIER_UDP, payload, n);
	return WIRE_CARRIER_UDP + n;
}

/* The sum over the whole datagram and its pseudo header, word by word, as RFC 768 has it. */
static uint16_t slow_sum(const uint8_t *p, size_t len)
{
	uint32_t sum = 17 + (uint32_t)(len - WIRE_IPV4_LEN);

	for (size_t i = 12; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static enum carrier_verdict judge(const uint8_t *p, size_t len)
{
	const uint8_t *payload;
	size_t n;

	return carrier_udp_read(&path, p, len, &payload, &n);
}

/* An IP header that was changed gets a checksum that agrees again. */
static void mend(uint8_t *p)
{
	uint32_t sum = 0;

	p[10] = p[11] = 0;
	for (size_t i = 0; i < WIRE_IPV4_LEN; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	p[10] = (uint8_t)(~sum >> 8);
	p[11] = (uint8_t)~sum;
}

Test(carrier, golden)
{
	uint8_t out[sizeof(golden)];
	const uint8_t *payload;
	size_t n;

	cr_assert_eq(make(out, (const uint8_t *)"abc", 3), sizeof(golden));
	cr_assert_arr_eq(out, golden, sizeof(golden));
	cr_assert_eq(carrier_udp_read(&path, golden, sizeof(golden), &payload, &n),
		     CARRIER_OURS);
	cr_assert_eq(n, 3);
	cr_assert_arr_eq(payload, "abc", 3);
	cr_assert_eq(judge(golden, sizeof(golden) - 1), CARRIER_BAD);
}

Test(carrier, checksums_of_every_length)
{
	static uint8_t payload[2100], out[2200];
	struct seeded seeded;

	seeded_init(&seeded, "carrier");
	seeded_bytes(&seeded, payload, sizeof(payload));
	for (size_t n = 0; n <= sizeof(payload); n++) {
		size_t len = make(out, payload, n);

		cr_assert_eq(slow_sum(out, len), 0xffff, "%zu bytes", n);
		cr_assert_eq(judge(out, len), CARRIER_OURS);
	}
	/* a sum that comes out as zero is written as all ones */
	memset(payload, 0, sizeof(payload));
	make(out, payload, 2);
	payload[0] = out[26];
	payload[1] = out[27];
	make(out, payload, 2);
	cr_assert(out[26] == 0xff && out[27] == 0xff);
	/* the partial sum is that of the pseudo header, for a device to go on from */
	for (size_t n = 0; n < 70000; n += 997) {
		size_t len = n <= WIRE_CARRIER_PAYLOAD_MAX ? n : WIRE_CARRIER_PAYLOAD_MAX;
		uint32_t sum = 0xc000 + 0x0201 + 0xc633 + 0x6407 + 17 + 8 + (uint32_t)len;

		sum = (sum & 0xffff) + (sum >> 16);
		cr_assert_eq(carrier_udp_partial(&path, len), sum);
	}
}

Test(carrier, what_is_foreign_and_what_is_bad)
{
	static const struct {
		size_t at;
		uint8_t value;
		enum carrier_verdict verdict;
	} rows[] = {
		{0, 0x65, CARRIER_FOREIGN}, /* version 6 */
		{0, 0x46, CARRIER_BAD},	    /* options */
		{0, 0x44, CARRIER_BAD},	    /* shorter than a header */
		{1, 0xb8, CARRIER_OURS},    /* DSCP */
		{2, 0x01, CARRIER_BAD},	    /* longer than what came */
		{3, 0x1e, CARRIER_BAD},	    /* not the length of UDP */
		{3, 0x1b, CARRIER_BAD},	    /* no room for UDP */
		{4, 0x77, CARRIER_OURS},    /* identification */
		{6, 0x00, CARRIER_OURS},    /* may be fragmented, is not */
		{6, 0x20, CARRIER_BAD},	    /* more fragments */
		{7, 0x01, CARRIER_BAD},	    /* a later fragment */
		{8, 0x01, CARRIER_OURS},    /* TTL */
		{9, 6, CARRIER_FOREIGN},    /* TCP */
		{12, 10, CARRIER_FOREIGN},  /* from elsewhere */
		{19, 8, CARRIER_FOREIGN},   /* to elsewhere */
		{21, 0, CARRIER_FOREIGN},   /* ports */
		{23, 0, CARRIER_FOREIGN},   {25, 0x0a, CARRIER_BAD}, /* length of UDP */
		{25, 0x0c, CARRIER_BAD},    {24, 0x01, CARRIER_BAD},
		{27, 0x00, CARRIER_OURS}, /* checksum of UDP */
	};
	uint8_t copy[sizeof(golden)];

	for (size_t i = 0; i < KM_COUNT(rows); i++) {
		memcpy(copy, golden, sizeof(copy));
		copy[rows[i].at] = rows[i].value;
		if (rows[i].at < WIRE_IPV4_LEN)
			mend(copy);
		cr_expect_eq(judge(copy, sizeof(copy)), rows[i].verdict, "row %zu", i);
	}
	/* the header's own checksum */
	for (size_t i = 1; i < 12; i++) {
		memcpy(copy, golden, sizeof(copy));
		copy[i] ^= 0x10;
		if (i != 9)
			cr_expect_eq(judge(copy, sizeof(copy)), CARRIER_BAD, "byte %zu", i);
	}
	for (size_t n = 0; n < sizeof(golden); n++)
		cr_expect_neq(judge(golden, n), CARRIER_OURS, "%zu bytes", n);
}

Test(carrier, any_sender)
{
	struct carrier_udp any = {.to = path.to};
	uint8_t copy[sizeof(golden)];
	const uint8_t *payload;
	size_t n;

	memcpy(copy, golden, sizeof(copy));
	copy[12] = 10; /* a device that puts its own address in */
	copy[21] = 99;
	mend(copy);
	cr_assert_eq(carrier_udp_read(&any, copy, sizeof(copy), &payload, &n),
		     CARRIER_OURS);
	cr_assert_eq(carrier_udp_read(&path, copy, sizeof(copy), &payload, &n),
		     CARRIER_FOREIGN);
}

/* A source frame of LEN bytes of payload at OUT; its length. */
static size_t put_frame(uint8_t *out, uint16_t len, uint64_t seq)
{
	const struct frame_header h = {.version = WIRE_VERSION,
				       .type = FRAME_SOURCE,
				       .class = 3,
				       .lane = 3,
				       .seq = seq,
				       .depth = 1,
				       .length = len,
				       .symbol_size = 1400};

	frame_header_encode(out, &h);
	memset(out + WIRE_HEADER_LEN, 0xa5, len + WIRE_TAG_LEN);
	return WIRE_OVERHEAD + len;
}

/* What a walk over the LEN bytes at P finds: 'f' a frame, 'v', 's', 'm' refused ones. */
static const char *walk_all(const uint8_t *p, size_t len, bool many, uint64_t *last_seq)
{
	static char said[64];
	struct carrier_walk walk = {.p = p, .left = len, .many = many};
	struct frame_header h;
	const uint8_t *frame;
	size_t n, used = 0;

	do {
		enum km_rc rc = carrier_next(&walk, &h, &frame, &n);

		cr_assert(used < sizeof(said) - 1);
		if (rc == KM_OK) {
			cr_assert(frame >= p && n >= WIRE_OVERHEAD && n <= len &&
				  frame - p <= (ptrdiff_t)(len - n));
			*last_seq = h.seq;
		}
		said[used++] = rc == KM_OK		? 'f'
			       : rc == KM_ERR_VERSION	? 'v'
			       : rc == KM_ERR_MALFORMED ? 'm'
							: 's';
	} while (walk.left > 0);
	said[used] = '\0';
	return said;
}

Test(carrier, walk)
{
	const size_t full = WIRE_OVERHEAD + 1400;
	static uint8_t bytes[16384];
	uint64_t seq = 99;
	size_t used = 0;

	for (size_t i = 0; i < 5; i++)
		used += put_frame(bytes + used, i < 4 ? 1400 : 37, i);
	cr_expect_str_eq(walk_all(bytes, used, true, &seq), "fffff");
	cr_expect_eq(seq, 4);
	cr_expect_str_eq(walk_all(bytes, 4 * full, true, &seq), "ffff");
	cr_expect_str_eq(walk_all(bytes, full, true, &seq), "f");
	/* ethernet: what follows is padding */
	cr_expect_str_eq(walk_all(bytes, used, false, &seq), "f");
	cr_expect_eq(seq, 0);
	/* cut short: the last is refused, and what is no header at all */
	cr_expect_str_eq(walk_all(bytes, used - 1, true, &seq), "ffffs");
	cr_expect_str_eq(walk_all(bytes, 4 * full + 1, true, &seq), "ffffs");
	cr_expect_str_eq(walk_all(bytes, 0, true, &seq), "s");
	/* a header in the middle lies: it alone is refused */
	bytes[2 * full] = 9;
	cr_expect_str_eq(walk_all(bytes, used, true, &seq), "ffvff");
	cr_expect_eq(seq, 4);
	/* of its length too: longer than its piece is cut short, shorter is taken at its word */
	bytes[2 * full] = WIRE_VERSION;
	bytes[2 * full + 33] = (uint8_t)((1400 & 0xff) + 1);
	bytes[2 * full + 35]++;
	cr_expect_str_eq(walk_all(bytes, used, true, &seq), "ffsff");
	bytes[2 * full + 33] -= 2;
	cr_expect_str_eq(walk_all(bytes, used, true, &seq), "fffff");
	/* the first lies: where the second begins is not known */
	bytes[1] = 9;
	cr_expect_str_eq(walk_all(bytes, used, true, &seq), "m");
}
