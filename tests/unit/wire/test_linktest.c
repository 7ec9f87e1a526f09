// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <string.h>

#include "crc32.h"
#include "linktest.h"
#include "seeded.h"

static const struct linktest_plan sample = {
	.sizes = 3,
	.rates = 2,
	.bursts = 4,
	.step_ms = 1000,
	.pause_ms = 200,
	.burst_first = 64,
	.size = {512, 1500, 9000},
	.rate_kbps = {100000, 1000000},
};

/* A frame of LENGTH bytes behind the header, as tx makes it. */
static size_t make(uint8_t *out, const struct linktest_plan *plan,
		   const struct linktest_frame *f, uint16_t length)
{
	uint8_t bytes[LINKTEST_PLAN_LEN];

	memset(out, 0, WIRE_HEADER_LEN + (size_t)length);
	linktest_plan_encode(bytes, plan);
	linktest_encode(out, f, bytes, length);
	return WIRE_HEADER_LEN + (size_t)length;
}

static enum km_rc read(struct linktest_frame *f, const uint8_t *p, size_t len,
		       const struct linktest_known *known)
{
	struct frame_header h;
	const uint8_t *plan;
	enum km_rc rc = frame_header_decode(&h, p, len);

	return rc == KM_OK ? linktest_decode(f, &h, p, known, &plan) : rc;
}

Test(linktest, crc_is_that_of_the_standard)
{
	cr_assert_eq(crc32_add(0, "123456789", 9), 0xcbf43926u);
	cr_assert_eq(crc32_add(crc32_add(0, "1234", 4), "56789", 5), 0xcbf43926u);
	cr_assert_eq(crc32_add(0, NULL, 0), 0u);
}

Test(linktest, steps_follow_from_the_plan)
{
	struct linktest_step s[LINKTEST_STEPS_MAX];
	unsigned n = linktest_steps(&sample, s);
	uint64_t first = 0;

	cr_assert_eq(linktest_plan_check(&sample), KM_OK);
	cr_assert_eq(n, 3 * 2 + 4);
	for (unsigned i = 0; i < n; i++) {
		cr_assert_eq(s[i].first, first);
		first += s[i].frames;
		cr_assert_eq(s[i].burst, i >= 6);
		cr_assert_eq(s[i].size, i < 6 ? sample.size[i % 3] : 9000);
	}
	cr_assert_eq(linktest_frames(s, n), first);
	/* 100 Mbit in a second, of 526 bytes with the Ethernet header */
	cr_assert_eq(s[0].frames, 100000000u / (526 * 8));
	cr_assert_eq(s[4].frames, 1000000000u / (1514 * 8));
	cr_assert(s[6].frames == 64 && s[9].frames == 512);
	/* 512 frames of 9,014 bytes at 1 Gbit/s take 36.9 ms; three times, and the pause */
	cr_assert_eq(s[9].away_ms, 3 * 36 + 200);
	cr_assert_eq(s[5].away_ms, 0);
}

Test(linktest, steps_are_bounded)
{
	struct linktest_plan p = sample;
	struct linktest_step s[LINKTEST_STEPS_MAX];
	unsigned n;

	p.step_ms = LINKTEST_STEP_MS_MAX;
	p.rate_kbps[1] = UINT32_MAX;
	p.bursts = LINKTEST_BURSTS_MAX;
	p.rate_kbps[0] = LINKTEST_RATE_KBPS_MIN;
	p.burst_first = LINKTEST_STEP_FRAMES_MAX >> 15;
	cr_assert_eq(linktest_plan_check(&p), KM_OK);
	n = linktest_steps(&p, s);
	for (unsigned i = 0; i < n; i++) {
		cr_assert(s[i].frames >= 1 && s[i].frames <= LINKTEST_STEP_FRAMES_MAX);
		cr_assert(s[i].away_ms <= LINKTEST_AWAY_MS_MAX);
	}
	cr_assert_eq(s[n - 1].frames, LINKTEST_STEP_FRAMES_MAX);
	p.burst_first++;
	cr_assert_eq(linktest_plan_check(&p), KM_ERR_RANGE);
}

Test(linktest, plans_out_of_range)
{
	struct linktest_plan p;

#define BAD(change)                                                                        \
	do {                                                                               \
		p = sample;                                                                \
		change;                                                                    \
		cr_assert_eq(linktest_plan_check(&p), KM_ERR_RANGE, "%s", #change);        \
	} while (0)
	BAD(p.sizes = 0);
	BAD(p.sizes = LINKTEST_SIZES_MAX + 1);
	BAD(p.sizes = 2); /* and a third one behind */
	BAD(p.sizes = 4);
	BAD(p.rates = 0);
	BAD(p.rates = 1);
	BAD(p.rates = LINKTEST_RATES_MAX + 1);
	BAD(p.size[0] = LINKTEST_SIZE_MIN - 1);
	BAD(p.size[1] = 512);
	BAD(p.rate_kbps[0] = LINKTEST_RATE_KBPS_MIN - 1);
	BAD(p.rate_kbps[1] = 100000);
	BAD(p.step_ms = LINKTEST_STEP_MS_MIN - 1);
	BAD(p.step_ms = LINKTEST_STEP_MS_MAX + 1);
	BAD(p.pause_ms = LINKTEST_PAUSE_MS_MIN - 1);
	BAD(p.pause_ms = LINKTEST_PAUSE_MS_MAX + 1);
	BAD(p.burst_first = 0);
	BAD(p.bursts = 0);
	BAD(p.bursts = LINKTEST_BURSTS_MAX + 1);
#undef BAD
	p = sample;
	p.bursts = 0;
	p.burst_first = 0;
	cr_assert_eq(linktest_plan_check(&p), KM_OK);
}

Test(linktest, frames_round_trip)
{
	const struct linktest_frame kinds[] = {
		{.run = 0xa1b2c3d4, .seq = 7, .step = 0, .kind = LINKTEST_LOAD},
		{.run = 1, .seq = 400000, .kind = LINKTEST_HELLO},
		{.run = 2, .seq = 500000, .step = 9, .kind = LINKTEST_OVER},
		{.run = 3,
		 .seq = 600000,
		 .step = 5,
		 .kind = LINKTEST_END,
		 .flags = LINKTEST_SLOWER | LINKTEST_LAST,
		 .sent = 12345,
		 .elapsed_ns = UINT64_C(1) << 40},
	};
	uint8_t frame[2048], bytes[LINKTEST_PLAN_LEN], again[LINKTEST_PLAN_LEN];
	struct linktest_known known = {.any = true};
	struct linktest_plan plan;
	struct linktest_frame got;

	linktest_plan_encode(bytes, &sample);
	cr_assert_eq(linktest_plan_decode(&plan, bytes), KM_OK);
	linktest_plan_encode(again, &plan);
	cr_assert_arr_eq(again, bytes, sizeof(bytes));
	memcpy(known.plan, bytes, sizeof(bytes));
	known.crc = crc32_add(0, bytes, sizeof(bytes));
	for (size_t i = 0; i < KM_COUNT(kinds); i++) {
		size_t len = make(frame, &sample, &kinds[i], 500);

		for (int k = 0; k < 2; k++) {
			memset(&got, 0, sizeof(got));
			cr_assert_eq(read(&got, frame, len, k ? &known : NULL), KM_OK);
			cr_assert(got.run == kinds[i].run && got.seq == kinds[i].seq &&
				  got.step == kinds[i].step && got.kind == kinds[i].kind &&
				  got.flags == kinds[i].flags &&
				  got.sent == kinds[i].sent &&
				  got.elapsed_ns == kinds[i].elapsed_ns);
		}
	}
}

Test(linktest, renumbered_is_encoded_again)
{
	struct linktest_frame f = {.run = 9, .seq = 1, .step = 2, .kind = LINKTEST_LOAD};
	uint8_t bytes[LINKTEST_PLAN_LEN], a[300], b[300];

	linktest_plan_encode(bytes, &sample);
	make(a, &sample, &f, 200);
	linktest_renumber(a, 77777, crc32_add(0, bytes, sizeof(bytes)));
	f.seq = 77777;
	make(b, &sample, &f, 200);
	cr_assert_arr_eq(a, b, WIRE_HEADER_LEN + 200);
}

/* Every bit of header and body counts, but for the link id; none behind them. */
Test(linktest, every_bit_is_covered)
{
	const struct linktest_frame f = {
		.run = 5, .seq = 3000000, .step = 1, .kind = LINKTEST_END, .sent = 3};
	uint8_t frame[400];
	size_t len = make(frame, &sample, &f, 300);
	struct linktest_frame got;

	for (size_t bit = 0; bit < len * 8; bit++) {
		size_t at = bit / 8;
		bool free_byte =
			at == WIRE_AAD_LEN || at >= WIRE_HEADER_LEN + WIRE_LINKTEST_BODY;

		frame[at] ^= (uint8_t)(1u << bit % 8);
		cr_assert_eq(read(&got, frame, len, NULL) == KM_OK, free_byte,
			     "byte %zu bit %zu", at, bit % 8);
		frame[at] ^= (uint8_t)(1u << bit % 8);
	}
}

Test(linktest, fields_of_another_kind)
{
	const struct linktest_frame wrong[] = {
		{.kind = 0},
		{.kind = LINKTEST_OVER + 1},
		{.kind = LINKTEST_HELLO, .step = 1},
		{.kind = LINKTEST_LOAD, .flags = LINKTEST_CUT},
		{.kind = LINKTEST_LOAD, .sent = 1},
		{.kind = LINKTEST_OVER, .elapsed_ns = 1},
		{.kind = LINKTEST_END, .flags = 8},
	};
	uint8_t frame[400];
	struct linktest_frame got;

	for (size_t i = 0; i < KM_COUNT(wrong); i++) {
		size_t len = make(frame, &sample, &wrong[i], 300);

		cr_assert_eq(read(&got, frame, len, NULL), KM_ERR_MALFORMED, "%zu", i);
	}
}

Test(linktest, cut_and_random_bytes)
{
	const struct linktest_frame f = {.run = 5, .seq = 3, .kind = LINKTEST_LOAD};
	uint8_t frame[400];
	size_t len = make(frame, &sample, &f, WIRE_LINKTEST_BODY);
	struct linktest_frame got;
	struct seeded rng;

	for (size_t n = 0; n < len; n++) {
		uint8_t *exact = malloc(n ? n : 1);

		memcpy(exact, frame, n);
		cr_assert_neq(read(&got, exact, n, NULL), KM_OK);
		free(exact);
	}
	seeded_init(&rng, "linktest.cut_and_random_bytes");
	for (unsigned i = 0; i < 20000; i++) {
		seeded_bytes(&rng, frame + WIRE_HEADER_LEN, WIRE_LINKTEST_BODY);
		cr_assert_neq(read(&got, frame, len, NULL), KM_OK);
	}
}
