// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <string.h>

#include "announce.h"
#include "frame.h"

/* Field values that name their own place, so that a shifted field cannot pass. */
static void sample(struct announce *a, unsigned receivers)
{
	memset(a, 0, sizeof(*a));
	a->version_min = 1;
	a->version = 1;
	a->suite = ANNOUNCE_SUITE_1;
	a->code = FRAME_CODE_RS_LCH8;
	a->digest = ANNOUNCE_DIGEST_1;
	a->receivers = (uint8_t)receivers;
	a->environment = 0x1234;
	memset(a->identity, 0x10, sizeof(a->identity));
	memset(a->session_id, 0x30, sizeof(a->session_id));
	a->epoch = 0x4041424344454647;
	a->created_ns = 0x48494a4b4c4d4e4f;
	memset(a->ephemeral, 0x50, sizeof(a->ephemeral));
	memset(a->config_digest, 0x70, sizeof(a->config_digest));
	for (unsigned i = 0; i < receivers; i++) {
		memset(a->box[i].key_id, 0xa0 + (int)i, sizeof(a->box[i].key_id));
		memset(a->box[i].wrapped, 0xb0 + (int)i, sizeof(a->box[i].wrapped));
		memset(a->box[i].tag, 0xc0 + (int)i, sizeof(a->box[i].tag));
	}
	memset(a->signature, 0xee, sizeof(a->signature));
}

static void fill(uint8_t *p, size_t *at, uint8_t value, size_t n)
{
	memset(p + *at, value, n);
	*at += n;
}

Test(announce, golden_bytes)
{
	static const uint8_t head[16] = {'K', 'M', 'A', 'N', 'N', 'C', '0',  '1',
					 1,   1,   1,	1,   1,	  2,   0x12, 0x34};
	static const uint8_t times[16] = {0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47,
					  0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f};
	uint8_t want[WIRE_ANNOUNCE_MAX], got[WIRE_ANNOUNCE_MAX];
	struct announce a, b;
	size_t at = 16;

	memcpy(want, head, 16);
	fill(want, &at, 0x10, 32);
	fill(want, &at, 0x30, 16);
	memcpy(want + at, times, 16);
	at += 16;
	fill(want, &at, 0x50, 32);
	fill(want, &at, 0x70, 32);
	fill(want, &at, 0x00, 16);
	cr_assert_eq(at, WIRE_ANNOUNCE_FIXED);
	for (unsigned i = 0; i < 2; i++) {
		fill(want, &at, (uint8_t)(0xa0 + i), 8);
		fill(want, &at, (uint8_t)(0xb0 + i), 32);
		fill(want, &at, (uint8_t)(0xc0 + i), 16);
	}
	fill(want, &at, 0xee, 64);
	sample(&a, 2);
	cr_assert_eq(announce_encode(got, &a), at);
	cr_assert_eq(at, 336u);
	cr_assert_arr_eq(got, want, at);
	cr_assert_eq(announce_decode(&b, want, at), KM_OK);
	cr_assert_eq(memcmp(&a, &b, sizeof(a)), 0);
}

Test(announce, every_count_of_receivers)
{
	uint8_t p[WIRE_ANNOUNCE_MAX + 1];
	struct announce a, b;

	for (unsigned r = 1; r <= WIRE_ANNOUNCE_RECEIVERS_MAX; r++) {
		size_t len;

		sample(&a, r);
		len = announce_encode(p, &a);
		cr_assert_eq(len, announce_bytes(r));
		cr_assert_eq(announce_decode(&b, p, len), KM_OK);
		cr_assert_eq(memcmp(&a, &b, sizeof(a)), 0);
		cr_assert_eq(announce_decode(&b, p, len + 1), KM_ERR_MALFORMED);
	}
	sample(&a, 1);
	announce_encode(p, &a);
	p[13] = 0;
	cr_assert_eq(announce_decode(&b, p, sizeof(p)), KM_ERR_MALFORMED);
	p[13] = 17;
	cr_assert_eq(announce_decode(&b, p, sizeof(p)), KM_ERR_MALFORMED);
}

Test(announce, every_truncation)
{
	uint8_t p[WIRE_ANNOUNCE_MAX];
	struct announce a, b;
	size_t len;

	sample(&a, 3);
	len = announce_encode(p, &a);
	for (size_t n = 0; n < len; n++)
		cr_assert_eq(announce_decode(&b, p, n), KM_ERR_SHORT, "%zu bytes", n);
}

Test(announce, every_single_byte_change)
{
	uint8_t p[WIRE_ANNOUNCE_MAX], again[WIRE_ANNOUNCE_MAX];
	struct announce a, b;
	size_t len;

	sample(&a, 2);
	len = announce_encode(p, &a);
	for (size_t at = 0; at < len; at++) {
		uint8_t was = p[at];

		for (unsigned v = 0; v < 256; v++) {
			enum km_rc rc;

			p[at] = (uint8_t)v;
			rc = announce_decode(&b, p, len);
			if (rc != KM_OK)
				continue;
			cr_assert_eq(announce_encode(again, &b), len);
			cr_assert_arr_eq(again, p, len);
			cr_assert(at >= 14 || v == was, "byte %zu", at);
			cr_assert(at < 144 || at >= 160 || v == 0, "reserved byte %zu", at);
		}
		p[at] = was;
	}
}

Test(announce, refuses_what_it_cannot_speak)
{
	uint8_t p[WIRE_ANNOUNCE_MAX];
	struct announce a, b;
	size_t len;

	sample(&a, 1);
	len = announce_encode(p, &a);
	for (size_t at = 8; at <= 12; at++) {
		p[at]++;
		cr_assert_eq(announce_decode(&b, p, len), KM_ERR_VERSION, "byte %zu", at);
		p[at] -= 2;
		cr_assert_eq(announce_decode(&b, p, len), KM_ERR_VERSION, "byte %zu", at);
		p[at]++;
	}
	p[0] = 'k';
	cr_assert_eq(announce_decode(&b, p, len), KM_ERR_MALFORMED);
}
