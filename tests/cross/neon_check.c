// SPDX-License-Identifier: ISC
/*
 * neon_check: the NEON kernel against scalar, built for AArch64 by test_neon.py and run under
 * an emulator. No test framework: none is there for a foreign architecture. Prints TAP and its
 * seed; KM_SEED gives another. What an emulator cannot show is speed.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fec.h"

enum { SIZE_MAX_HERE = 1400, ROOM = SIZE_MAX_HERE + 64 };

static const struct fec_geometry shapes[] = {
	{10, 1, 1},    {20, 3, 4},    {64, 8, 8},      {160, 16, 16},
	{200, 20, 32}, {190, 64, 64}, {128, 128, 128},
};
static const size_t sizes[] = {1, 15, 16, 63, 64, 100, 513, 1400};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t state;
static uint8_t sources[FEC_SOURCES_MAX][ROOM], want[FEC_ROWS_MAX][ROOM],
	got[FEC_ROWS_MAX][ROOM];
static uint8_t restored[FEC_ROWS_MAX][ROOM];
static uint8_t scratch[FEC_SCRATCH_MAX];
static uint8_t encoder_work[2 * FEC_ROWS_MAX * (SIZE_MAX_HERE + 128) + 64];
static unsigned tests;

static uint32_t next(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33);
}

static int report(int good, const char *what)
{
	printf("%s %u - %s\n", good ? "ok" : "not ok", ++tests, what);
	return good;
}

/* Symbols start at any address. */
static void block_fill(const uint8_t **src, uint8_t **want_at, uint8_t **got_at)
{
	for (unsigned i = 0; i < FEC_SOURCES_MAX; i++) {
		src[i] = sources[i] + next() % 64;
		for (size_t t = 0; t < ROOM; t++)
			sources[i][t] = (uint8_t)next();
	}
	for (unsigned j = 0; j < FEC_ROWS_MAX; j++) {
		want_at[j] = want[j] + next() % 64;
		got_at[j] = got[j] + next() % 64;
	}
	memset(got, 0, sizeof(got));
}

static int rows_same(const struct fec_geometry *geo, size_t size, uint8_t *const *a,
		     uint8_t *const *b)
{
	for (unsigned j = 0; j < geo->m; j++)
		if (memcmp(a[j], b[j], size) != 0)
			return 0;
	return 1;
}

static int feed_same(const struct fec_geometry *geo, size_t size, const uint8_t *const *src,
		     uint8_t *const *rows)
{
	struct fec_encoder enc;

	if (fec_encode_begin(&enc, geo->M, size, FEC_FEED_SYMBOLS, encoder_work,
			     sizeof(encoder_work)) != FEC_OK)
		return 0;
	for (unsigned i = 0; i < geo->k; i++)
		if (fec_encode_add(&enc, i, src[i], size) != FEC_OK)
			return 0;
	if (fec_encode_finish(&enc) != FEC_OK)
		return 0;
	for (unsigned j = 0; j < geo->m; j++)
		if (memcmp(fec_encode_row(&enc, j), rows[j], size) != 0)
			return 0;
	return 1;
}

/* Every e from 1 to m would take an emulator minutes: few, the most, and one between. */
static int restores(const struct fec_geometry *geo, size_t size, const uint8_t *const *src,
		    uint8_t *const *rows, unsigned e)
{
	uint8_t present[FEC_BITMAP_BYTES], *at[FEC_SOURCES_MAX];
	const unsigned first = next() % (geo->k - e + 1);

	memset(present, 0xff, sizeof(present));
	for (unsigned i = 0; i < geo->k; i++)
		at[i] = (uint8_t *)src[i];
	for (unsigned i = first; i < first + e; i++) {
		at[i] = memset(restored[i - first], 0xe5, ROOM);
		present[i / 8] &= (uint8_t) ~(1u << i % 8);
	}
	if (fec_decode(geo, size, at, present, (const uint8_t *const *)rows, scratch,
		       sizeof(scratch)) != FEC_OK)
		return 0;
	for (unsigned i = first; i < first + e; i++)
		if (memcmp(at[i], src[i], size) != 0)
			return 0;
	return 1;
}

static int block_good(const struct fec_geometry *geo, size_t size)
{
	const uint8_t *src[FEC_SOURCES_MAX];
	uint8_t *want_at[FEC_ROWS_MAX], *got_at[FEC_ROWS_MAX];
	const unsigned most = geo->m < geo->k ? geo->m : geo->k;

	block_fill(src, want_at, got_at);
	if (fec_init(FEC_KERNEL_SCALAR, NULL) != FEC_OK ||
	    fec_encode_block(geo, size, src, want_at, scratch, sizeof(scratch)) != FEC_OK ||
	    fec_init(FEC_KERNEL_NEON, NULL) != FEC_OK ||
	    fec_encode_block(geo, size, src, got_at, scratch, sizeof(scratch)) != FEC_OK)
		return 0;
	return rows_same(geo, size, want_at, got_at) &&
	       feed_same(geo, size, src, want_at) && restores(geo, size, src, want_at, 1) &&
	       restores(geo, size, src, want_at, (most + 1) / 2) &&
	       restores(geo, size, src, want_at, most);
}

int main(void)
{
	const char *given = getenv("KM_SEED");
	struct fec_choice choice;
	int good;

	state = given ? strtoull(given, NULL, 0) : 20160914;
	printf("# KM_SEED=%llu\n", (unsigned long long)state);
	good = report(fec_init(FEC_KERNEL_AUTO, &choice) == FEC_OK &&
			      choice.kernel == FEC_KERNEL_NEON,
		      "neon passes its self-test and is chosen");
	for (unsigned g = 0; g < COUNT(shapes); g++) {
		char name[64];
		int same = 1;

		for (unsigned s = 0; s < COUNT(sizes); s++)
			same &= block_good(&shapes[g], sizes[s]);
		snprintf(name, sizeof(name), "(%u,%u) of %u rows: neon is scalar",
			 shapes[g].k, shapes[g].m, shapes[g].M);
		good &= report(same, name);
	}
	printf("1..%u\n", tests);
	return good ? 0 : 1;
}
