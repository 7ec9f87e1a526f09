// SPDX-License-Identifier: ISC
/* The code is the one that fec.h defines: by interpolation, by transform and by matrix. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "fec_fixture.h"
#include "fec_kern.h"

/* Every geometry that ships: the defaults of DESIGN section 8 and the tails of windows. */
static const struct fec_geometry shipped[] = {
	{32, 8, 8},  {64, 8, 8},  {160, 16, 16}, {200, 20, 32}, {224, 32, 32},	 {40, 6, 8},
	{40, 6, 16}, {255, 1, 1}, {252, 4, 4},	 {32, 32, 32},	{128, 128, 128}, {1, 6, 16},
};
#define SHIPPED (sizeof(shipped) / sizeof(shipped[0]))

Test(fec_generator, basis_is_the_published_one)
{
	static const uint8_t beta[8] = {0x01, 0xd6, 0x98, 0x92, 0x56, 0xc8, 0x58, 0xe6};

	for (unsigned j = 0; j < 8; j++)
		cr_assert_eq(plain_point(1u << j), beta[j], "beta %u", j);
}

/*
 * The vectors that docs/wire.md prints. They were computed by a separate program, in
 * another language, from the text of the definition (interpolation), not by this library.
 */
Test(fec_generator, entries_of_the_wire_document)
{
	static const struct {
		uint8_t M, row, esi, entry;
	} vector[] = {
		{1, 0, 0, 0x01},     {1, 0, 254, 0x01},	  {2, 1, 0, 0xd6},
		{4, 2, 7, 0x45},     {8, 5, 30, 0x73},	  {16, 0, 0, 0x25},
		{16, 3, 0, 0x54},    {16, 0, 1, 0x61},	  {16, 15, 159, 0x90},
		{32, 31, 223, 0x26}, {64, 17, 100, 0xd8}, {128, 127, 127, 0xe2},
		{128, 0, 0, 0xe2},
	};

	for (unsigned n = 0; n < sizeof(vector) / sizeof(vector[0]); n++)
		cr_expect_eq(fec_generator(vector[n].M, vector[n].row, vector[n].esi),
			     vector[n].entry, "vector %u", n);
}

/* Blocks whose source i has the bytes (17 i + 31 t + 1) mod 256. */
static void check_block_vector(unsigned k, unsigned m, unsigned M, size_t size,
			       const uint8_t *rows)
{
	static uint8_t scratch[FEC_SCRATCH_MAX], sources[FEC_SOURCES_MAX][8];
	const struct fec_geometry geo = {k, m, M};
	const uint8_t *src[FEC_SOURCES_MAX];
	uint8_t made[16][8], *repair[16];

	for (unsigned i = 0; i < k; i++) {
		for (unsigned t = 0; t < size; t++)
			sources[i][t] = (uint8_t)(17 * i + 31 * t + 1);
		src[i] = sources[i];
	}
	for (unsigned j = 0; j < m; j++)
		repair[j] = made[j];
	cr_assert_eq(fec_encode_block(&geo, size, src, repair, scratch, sizeof(scratch)),
		     FEC_OK);
	for (unsigned j = 0; j < m; j++)
		cr_assert_arr_eq(made[j], rows + j * size, size, "k %u row %u", k, j);
}

Test(fec_generator, blocks_of_the_wire_document)
{
	static const uint8_t few[3 * 8] = {
		0xde, 0xea, 0x70, 0x2b, 0x28, 0xb6, 0x6f, 0x5d, /* row 0 */
		0xfc, 0xe6, 0xba, 0x2f, 0x5c, 0x68, 0xb9, 0x3c, /* row 1 */
		0x92, 0xef, 0x49, 0x77, 0xbc, 0x79, 0xdd, 0xca, /* row 2 */
	};
	static const uint8_t tail[6 * 8] = {
		0xe6, 0x37, 0xf1, 0x79, 0xbb, 0x7e, 0x81, 0x21, /* row 0 */
		0xb1, 0xda, 0x5a, 0x4d, 0x82, 0x53, 0x72, 0x76, /* row 1 */
		0x0c, 0xd5, 0xe6, 0x1e, 0x82, 0xa8, 0xbb, 0x1a, /* row 2 */
		0xc3, 0x12, 0x73, 0xc0, 0xe0, 0x66, 0x06, 0xaa, /* row 3 */
		0x62, 0xcd, 0xff, 0x23, 0x3b, 0x19, 0x13, 0x5a, /* row 4 */
		0xab, 0xd8, 0x0d, 0xf9, 0x73, 0x2f, 0x40, 0x77, /* row 5 */
	};
	static const uint8_t bulk[16 * 4] = {
		0xf7, 0x45, 0x68, 0x25, 0xb7, 0xf2, 0xf6, 0x6e, /* rows 0, 1 */
		0x73, 0x31, 0x53, 0x84, 0x8e, 0x9d, 0x13, 0x66, /* rows 2, 3 */
		0x8b, 0x83, 0x86, 0x7d, 0x4d, 0xf3, 0x53, 0x2b, /* rows 4, 5 */
		0x1c, 0xca, 0xa2, 0xb9, 0x0b, 0x21, 0xd0, 0x50, /* rows 6, 7 */
		0x79, 0x45, 0xff, 0x01, 0x6e, 0xf2, 0x2f, 0xea, /* rows 8, 9 */
		0x3b, 0x31, 0x11, 0x08, 0x24, 0x9d, 0x02, 0xe9, /* rows 10, 11 */
		0x9c, 0x83, 0xa0, 0x9f, 0x55, 0xf3, 0xd8, 0x01, /* rows 12, 13 */
		0xa1, 0xca, 0x41, 0x70, 0x6c, 0x21, 0x63, 0x32, /* rows 14, 15 */
	};

	kernels_find();
	for (unsigned n = 0; kernels_here[n]; n++) {
		cr_assert_eq(fec_init(kernels_here[n], NULL), FEC_OK);
		check_block_vector(5, 3, 4, 8, few);
		check_block_vector(20, 6, 8, 8, tail);
		check_block_vector(160, 16, 16, 4, bulk);
	}
}

Test(fec_generator, outside_the_rules_is_zero)
{
	cr_expect_eq(fec_generator(0, 0, 0), 0);
	cr_expect_eq(fec_generator(3, 0, 0), 0);
	cr_expect_eq(fec_generator(256, 0, 0), 0);
	cr_expect_eq(fec_generator(8, 8, 0), 0);
	cr_expect_eq(fec_generator(8, 0, 248), 0);
	cr_expect_neq(fec_generator(8, 7, 247), 0);
	cr_expect_eq(fec_generator(8, 0, 0xfffffff8u), 0);
}

/* All entries of all codes, full length, against Lagrange interpolation. */
Test(fec_generator, matrix_is_lagrange_interpolation, .timeout = 120)
{
	for (unsigned M = 1; M <= FEC_ROWS_MAX; M *= 2)
		for (unsigned esi = 0; esi < FEC_POSITIONS - M; esi++)
			for (unsigned row = 0; row<M; row += M> 16 ? 5 : 1)
				cr_assert_eq(fec_generator(M, row, esi),
					     plain_generator(M, row, esi),
					     "M %u row %u esi %u", M, row, esi);
}

/*
 * Sources that are unit vectors (source i has a single 1, at byte i) make byte i of row j
 * the generator entry G(j, i): the whole matrix as the encoder really applies it.
 */
static void check_encoder_matrix(unsigned M, unsigned k)
{
	const struct fec_geometry geo = {k, M, M};
	const size_t need = fec_scratch_bytes(M, k);
	uint8_t *sources = calloc(k, k), *rows = calloc(M, k), *scratch = malloc(need);
	const uint8_t *src[FEC_SOURCES_MAX];
	uint8_t *repair[FEC_ROWS_MAX];

	for (unsigned i = 0; i < k; i++) {
		sources[i * k + i] = 1;
		src[i] = sources + i * k;
	}
	for (unsigned j = 0; j < M; j++)
		repair[j] = rows + j * k;
	cr_assert_eq(fec_encode_block(&geo, k, src, repair, scratch, need), FEC_OK);
	for (unsigned j = 0; j < M; j++)
		for (unsigned i = 0; i < k; i++)
			cr_assert_eq(repair[j][i], fec_generator(M, j, i),
				     "M %u k %u row %u esi %u", M, k, j, i);
	free(sources);
	free(rows);
	free(scratch);
}

Test(fec_generator, encoder_applies_exactly_that_matrix, .timeout = 120)
{
	kernels_find();
	for (unsigned n = 0; kernels_here[n]; n++) {
		cr_assert_eq(fec_init(kernels_here[n], NULL), FEC_OK);
		for (unsigned M = 1; M <= FEC_ROWS_MAX; M *= 2) {
			check_encoder_matrix(M, FEC_POSITIONS - M);
			check_encoder_matrix(M, 1);
			check_encoder_matrix(M, M / 2 + 1);
			check_encoder_matrix(M, M + 1 < FEC_POSITIONS - M ? M + 1 : M);
		}
	}
}

/* The transform for M = 1, 2, 4 too, where the encoder takes the matrix; scalar can. */
Test(fec_generator, small_transforms_are_the_same_code)
{
	enum { STRIDE = FEC_LINE };
	_Alignas(64) uint8_t source[4 * STRIDE], work[4 * STRIDE], sum[4 * STRIDE];
	const uint8_t *src[4] = {source, source + STRIDE, source + 2 * STRIDE,
				 source + 3 * STRIDE};

	for (unsigned M = 1; M <= 4; M *= 2)
		for (unsigned esi = 0; esi < FEC_POSITIONS - M; esi++) {
			const unsigned place = M + esi;

			const struct fec_chunk chunk = {
				.src = src,
				.work = work,
				.sum = sum,
				.work_stride = STRIDE,
				.sum_stride = STRIDE,
				.M = M,
				.base = place / M * M,
				.count = 1,
				.first = 1,
			};

			memset(source, 0, sizeof(source));
			source[place % M * STRIDE] = 1;
			fec_ops_scalar.ifft_add(&chunk, STRIDE);
			fec_ops_scalar.fft(sum, STRIDE, M, 0, STRIDE);
			for (unsigned row = 0; row < M; row++)
				cr_assert_eq(sum[row * STRIDE], fec_generator(M, row, esi));
		}
}

/*
 * Random polynomials straight from the definition: f with coefficients of 1, x, x^2, ..,
 * degree < 256 - M, evaluated by Horner at every point; rows must be f at points 0..M-1.
 */
Test(fec_generator, codewords_are_polynomials_of_low_degree)
{
	struct rng rng = rng_open("codewords_are_polynomials_of_low_degree");

	for (unsigned M = 1; M <= FEC_ROWS_MAX; M *= 2) {
		const unsigned k = FEC_POSITIONS - M;
		const struct fec_geometry geo = {k, M, M};
		uint8_t coef[FEC_POSITIONS], value[FEC_POSITIONS], made[FEC_ROWS_MAX];
		const uint8_t *src[FEC_SOURCES_MAX];
		uint8_t *repair[FEC_ROWS_MAX];
		static uint8_t scratch[FEC_SCRATCH_MAX];

		rng_fill(&rng, coef, k);
		for (unsigned i = 0; i < FEC_POSITIONS; i++) {
			value[i] = 0;
			for (unsigned d = k; d-- > 0;)
				value[i] = plain_mul(value[i], plain_point(i)) ^ coef[d];
		}
		for (unsigned i = 0; i < k; i++)
			src[i] = value + M + i;
		for (unsigned j = 0; j < M; j++)
			repair[j] = made + j;
		cr_assert_eq(
			fec_encode_block(&geo, 1, src, repair, scratch, sizeof(scratch)),
			FEC_OK);
		cr_assert_arr_eq(made, value, M, "M %u", M);
	}
}

static void check_minor(unsigned M, const unsigned *row, const unsigned *esi, unsigned e)
{
	static uint8_t square[FEC_ROWS_MAX * FEC_ROWS_MAX];

	for (unsigned j = 0; j < e; j++)
		for (unsigned i = 0; i < e; i++)
			square[j * e + i] = fec_generator(M, row[j], esi[i]);
	cr_assert_eq(plain_rank(square, e), e,
		     "singular: M %u e %u first row %u first esi %u", M, e, row[0], esi[0]);
}

static unsigned members(unsigned set, unsigned *member)
{
	unsigned count = 0;

	for (unsigned i = 0; set >> i; i++)
		if (set >> i & 1)
			member[count++] = i;
	return count;
}

/* Every square minor of the codes with M <= 4, k <= 8, and of M = 8, k = 4. */
Test(fec_generator, every_small_minor_is_regular, .timeout = 120)
{
	unsigned row[32], esi[32];

	for (unsigned M = 1; M <= 8; M *= 2) {
		const unsigned k = M == 8 ? 4 : 8;

		for (unsigned rows = 1; rows < 1u << M; rows++)
			for (unsigned lost = 1; lost < 1u << k; lost++) {
				const unsigned e = members(rows, row);

				if (members(lost, esi) == e)
					check_minor(M, row, esi, e);
			}
	}
}

/* e different numbers below n. */
static void choose(struct rng *rng, unsigned *chosen, unsigned e, unsigned n)
{
	unsigned all[FEC_POSITIONS];

	for (unsigned i = 0; i < n; i++)
		all[i] = i;
	for (unsigned i = 0; i < e; i++) {
		const unsigned at = i + rng_below(rng, n - i);

		chosen[i] = all[at];
		all[at] = all[i];
	}
}

Test(fec_generator, random_minors_of_shipped_geometries_are_regular, .timeout = 120)
{
	struct rng rng = rng_open("random_minors_of_shipped_geometries_are_regular");

	for (unsigned g = 0; g < SHIPPED; g++)
		for (unsigned round = 0; round < 60; round++) {
			const struct fec_geometry *geo = &shipped[g];
			const unsigned most = geo->m < geo->k ? geo->m : geo->k;
			const unsigned e =
				round < 5 && most <= 32
					? most
					: 1 + rng_below(&rng, most < 32 ? most : 32);
			unsigned row[FEC_ROWS_MAX], esi[FEC_ROWS_MAX];

			choose(&rng, row, e, geo->m);
			choose(&rng, esi, e, geo->k);
			check_minor(geo->M, row, esi, e);
		}
}
