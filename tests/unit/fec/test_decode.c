// SPDX-License-Identifier: ISC
/* Whatever is lost up to the number of rows comes back; more is refused by name. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "fec_fixture.h"

enum { SMALL_BLOCK = 12 };

/* Lose the positions in the set (sources first, then rows) and judge the outcome. */
static void check_set(struct block *b, unsigned set)
{
	const struct fec_geometry *geo = &b->geo;
	unsigned lost = 0, rows = geo->m;
	int rc;

	block_reset(b);
	for (unsigned i = 0; i < geo->k + geo->m; i++) {
		if (!(set >> i & 1))
			continue;
		if (i < geo->k) {
			block_lose_source(b, i);
			lost++;
		} else {
			block_lose_row(b, i - geo->k);
			rows--;
		}
	}
	rc = block_decode(b);
	cr_assert_eq(rc, lost <= rows ? FEC_OK : FEC_ERR_TOO_FEW,
		     "k %u m %u M %u set %x gave %d", geo->k, geo->m, geo->M, set, rc);
	cr_assert_eq(block_restored(b), lost <= rows, "k %u m %u M %u set %x", geo->k,
		     geo->m, geo->M, set);
}

static void check_every_set(unsigned k, unsigned m, unsigned M, size_t symbol_size)
{
	struct rng rng = {k * 1000 + m * 10 + M};
	struct block b;

	block_make(&b, &rng, k, m, M, symbol_size);
	for (unsigned set = 0; set < 1u << (k + m); set++)
		check_set(&b, set);
	block_free(&b);
}

/* Shortened always; punctured when m < M, both by rounding and on purpose. */
static void check_small_blocks(void)
{
	for (unsigned k = 1; k <= SMALL_BLOCK; k++)
		for (unsigned m = 0; k + m <= SMALL_BLOCK; m++) {
			const unsigned M = fec_rows_for(m);

			check_every_set(k, m, M, 3);
			check_every_set(k, m, 2 * M, 3);
			if (M < 16 && k <= 4)
				check_every_set(k, m, 16, 65);
		}
}

Test(fec_decode, every_loss_of_small_blocks_scalar, .timeout = 240)
{
	cr_assert_eq(fec_init(FEC_KERNEL_SCALAR, NULL), FEC_OK);
	check_small_blocks();
}

Test(fec_decode, every_loss_of_small_blocks_best, .timeout = 240)
{
	cr_assert_eq(fec_init(FEC_KERNEL_AUTO, NULL), FEC_OK);
	check_small_blocks();
}

/* e losses among sources; rows lost at random until `spare` are left over. */
static void lose(struct block *b, struct rng *rng, unsigned e, unsigned spare)
{
	unsigned rows = b->geo.m;

	block_reset(b);
	for (unsigned n = 0; n < e;) {
		const unsigned esi = rng_below(rng, b->geo.k);

		if (!(b->present[esi / 8] >> esi % 8 & 1))
			continue;
		block_lose_source(b, esi);
		n++;
	}
	while (rows > e + spare) {
		const unsigned row = rng_below(rng, b->geo.m);

		rows -= b->rows[row] != NULL;
		block_lose_row(b, row);
	}
}

static const struct fec_geometry shapes[] = {
	{32, 8, 8},   {64, 8, 8},    {160, 16, 16},   {200, 20, 32}, {224, 32, 32},
	{40, 6, 8},   {13, 6, 16},   {1, 6, 16},      {252, 4, 4},   {20, 4, 16},
	{1, 1, 1},    {1, 16, 16},   {1, 128, 128},   {255, 1, 1},   {17, 2, 2},
	{32, 32, 32}, {192, 55, 64}, {128, 128, 128}, {37, 3, 4},    {100, 5, 8},
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static const size_t sizes[] = {1, 2, 63, 64, 65, 255, 256, 257, 511, 512, 513, 1400};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void check_random(struct rng *rng, const struct fec_geometry *geo,
			 size_t symbol_size, unsigned rounds)
{
	const unsigned most = geo->m < geo->k ? geo->m : geo->k;
	struct block b;

	block_make(&b, rng, geo->k, geo->m, geo->M, symbol_size);
	for (unsigned round = 0; round < rounds; round++) {
		const unsigned e = round == 0 ? most : rng_below(rng, most + 1);

		lose(&b, rng, e, round % 3 ? rng_below(rng, geo->m) : 0);
		cr_assert_eq(block_decode(&b), FEC_OK);
		cr_assert(block_restored(&b), "k %u m %u M %u size %zu lost %u", geo->k,
			  geo->m, geo->M, symbol_size, e);
	}
	block_free(&b);
}

Test(fec_decode, random_losses_of_shipped_geometries, .timeout = 240)
{
	struct rng rng = rng_open("random_losses_of_shipped_geometries");

	kernels_find();
	for (unsigned n = 0; kernels_here[n]; n++) {
		cr_assert_eq(fec_init(kernels_here[n], NULL), FEC_OK);
		for (unsigned g = 0; g < SHAPES; g++) {
			check_random(&rng, &shapes[g], sizes[rng_below(&rng, SIZES)], 4);
			check_random(&rng, &shapes[g], 1 + rng_below(&rng, 1500), 4);
		}
	}
}

Test(fec_decode, every_k_with_six_rows, .timeout = 240)
{
	struct rng rng = rng_open("every_k_with_six_rows");

	cr_assert_eq(fec_init(FEC_KERNEL_AUTO, NULL), FEC_OK);
	for (unsigned k = 1; k <= 40; k++)
		for (unsigned M = 8; M <= 128; M *= 2)
			check_random(&rng, &(struct fec_geometry){k, 6, M}, 70, 3);
}

Test(fec_decode, large_symbols, .timeout = 240)
{
	struct rng rng = rng_open("large_symbols");

	cr_assert_eq(fec_init(FEC_KERNEL_AUTO, NULL), FEC_OK);
	check_random(&rng, &(struct fec_geometry){160, 16, 16}, 8900, 3);
	check_random(&rng, &(struct fec_geometry){33, 7, 8}, FEC_SYMBOL_MAX, 3);
	check_random(&rng, &(struct fec_geometry){9, 2, 4}, FEC_SYMBOL_MAX, 3);
}

/* Rows after the first e present are not read: junk in them changes nothing. */
Test(fec_decode, uses_exactly_as_many_rows_as_losses)
{
	struct rng rng = rng_open("uses_exactly_as_many_rows_as_losses");
	struct block b;

	for (unsigned e = 0; e <= 15; e++) {
		unsigned used = 0;

		block_make(&b, &rng, 50, 16, 16, 100);
		lose(&b, &rng, e, 1);
		for (unsigned row = 0; row < 16; row++)
			if (b.rows[row] && used++ >= e)
				b.rows[row] = guarded(0, true);
		cr_assert_eq(block_decode(&b), FEC_OK);
		cr_assert(block_restored(&b), "lost %u", e);
		block_free(&b);
	}
}

/* One row short: refused, and no buffer is touched. */
Test(fec_decode, too_few_rows_write_nothing)
{
	struct rng rng = rng_open("too_few_rows_write_nothing");
	struct block b;

	block_make(&b, &rng, 20, 8, 8, 77);
	for (unsigned e = 1; e <= 9; e++) {
		unsigned junk = 0;

		lose(&b, &rng, e, 0);
		for (unsigned row = 0, gone = 0; row < 8 && !gone; row++)
			if (b.rows[row]) {
				block_lose_row(&b, row);
				gone = 1;
			}
		cr_assert_eq(block_decode(&b), FEC_ERR_TOO_FEW);
		for (unsigned i = 0; i < 20; i++) {
			const bool kept = b.present[i / 8] >> i % 8 & 1;

			if (kept)
				cr_assert_arr_eq(b.got[i], b.src[i], 77);
			for (unsigned t = 0; !kept && t < 77; t++)
				junk += b.got[i][t] == 0xe5;
		}
		cr_assert_eq(junk, 77 * e);
	}
	block_free(&b);
}

Test(fec_decode, bits_beyond_k_are_ignored)
{
	struct rng rng = rng_open("bits_beyond_k_are_ignored");
	struct block b;

	block_make(&b, &rng, 11, 3, 4, 40);
	lose(&b, &rng, 3, 0);
	b.present[1] &= 0x07;
	memset(b.present + 2, 0, sizeof(b.present) - 2);
	cr_assert_eq(block_decode(&b), FEC_OK);
	cr_assert(block_restored(&b));
	block_free(&b);
}

Test(fec_decode, rules_are_enforced_by_name)
{
	static uint8_t work[FEC_SCRATCH_MAX];
	const struct fec_geometry good = {10, 2, 2};
	uint8_t present[FEC_BITMAP_BYTES], bytes[10][4];
	const uint8_t *rows[2] = {NULL, NULL};
	uint8_t *src[10];
	const size_t need = fec_work_bytes(&good, 4);

	memset(present, 0xff, sizeof(present));
	for (unsigned i = 0; i < 10; i++)
		src[i] = bytes[i];
	cr_expect_eq(fec_decode(&good, 4, src, present, rows, work, need), FEC_OK);
	cr_expect_eq(fec_decode(&good, 4, src, present, rows, work, need - 1),
		     FEC_ERR_WORK);
	cr_expect_eq(fec_decode(&good, 4, src, present, rows, NULL, need), FEC_ERR_WORK);
	cr_expect_eq(fec_decode(&good, 0, src, present, rows, work, need),
		     FEC_ERR_GEOMETRY);
	cr_expect_eq(fec_decode(&good, FEC_SYMBOL_MAX + 1, src, present, rows, work,
				sizeof(work)),
		     FEC_ERR_GEOMETRY);
	cr_expect_eq(fec_decode(&(struct fec_geometry){10, 2, 3}, 4, src, present, rows,
				work, sizeof(work)),
		     FEC_ERR_GEOMETRY);
	present[0] = 0xfe;
	cr_expect_eq(fec_decode(&good, 4, src, present, rows, work, need), FEC_ERR_TOO_FEW);
	cr_expect_eq(fec_decode(&(struct fec_geometry){10, 0, 1}, 4, src, present, NULL,
				work, need),
		     FEC_ERR_TOO_FEW);
}

Test(fec_decode, geometry_check_over_all_small_numbers)
{
	for (unsigned M = 0; M <= 300; M++)
		for (unsigned k = 0; k <= 300; k += k > 4 && k < 120 ? 8 : 1)
			for (unsigned m = 0; m <= 140; m += m > 4 && m < 120 ? 8 : 1) {
				const bool power = M == 1 || M == 2 || M == 4 || M == 8 ||
						   M == 16 || M == 32 || M == 64 ||
						   M == 128;
				const bool legal =
					power && m <= M && k >= 1 && k + M <= 256;

				cr_assert_eq(fec_geometry_check(k, m, M),
					     legal ? FEC_OK : FEC_ERR_GEOMETRY,
					     "k %u m %u M %u", k, m, M);
			}
	cr_expect_eq(fec_geometry_check(0xffffffffu, 1, 1), FEC_ERR_GEOMETRY);
	cr_expect_eq(fec_geometry_check(1, 0xffffffffu, 1), FEC_ERR_GEOMETRY);
	cr_expect_eq(fec_geometry_check(1, 1, 0x80000000u), FEC_ERR_GEOMETRY);
	for (unsigned m = 0; m <= 128; m++) {
		const unsigned M = fec_rows_for(m);

		cr_assert_eq(fec_geometry_check(1, m, M), FEC_OK);
		cr_assert(m == 0 ? M == 1 : M == 1 || M / 2 < m);
	}
	cr_expect_eq(fec_rows_for(129), 0);
}

Test(fec_decode, scratch_never_exceeds_the_constant)
{
	size_t most = 0;

	for (unsigned M = 1; M <= FEC_ROWS_MAX; M *= 2)
		for (size_t size = 1; size <= FEC_SYMBOL_MAX;
		     size += size < 2000 ? 1 : 997) {
			const size_t need = fec_scratch_bytes(M, size);

			cr_assert_gt(need, 0);
			most = need > most ? need : most;
		}
	cr_assert_leq(most, FEC_SCRATCH_MAX);
	cr_expect_eq(fec_scratch_bytes(3, 10), 0);
	cr_expect_eq(fec_scratch_bytes(4, 0), 0);
	cr_expect_eq(fec_scratch_bytes(4, FEC_SYMBOL_MAX + 1), 0);
}
