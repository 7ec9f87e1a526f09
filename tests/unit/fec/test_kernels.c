// SPDX-License-Identifier: ISC
/*
 * Every kernel is scalar, faster: same bytes for every length, address and constant,
 * nothing outside the destination touched, nothing outside the source read. And a kernel
 * that is not is caught by the self-test.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fec_fixture.h"
#include "fec_kern.h"

/* Six times the widest vector: the four-vector loop, single vectors, and the tail. */
enum { LEN_MAX = 6 * 64, POISON = 24, SRC_MAX = 6 };

static uint8_t want[LEN_MAX + 2 * POISON], got[LEN_MAX + 2 * POISON];

static void same_poisoned_target(struct rng *rng)
{
	rng_fill(rng, want, sizeof(want));
	memcpy(got, want, sizeof(got));
}

static void check_muladd(const struct fec_ops *ops, const char *name, struct rng *rng)
{
	for (size_t n = 0; n <= LEN_MAX; n++)
		for (unsigned shift = 0; shift < 3; shift++) {
			uint8_t src[LEN_MAX + 2];
			const uint8_t c = (uint8_t)(n % 3 ? rng_next(rng) : shift);

			rng_fill(rng, src, sizeof(src));
			same_poisoned_target(rng);
			fec_ops_scalar.muladd(want + POISON - shift, src + shift, c, n);
			ops->muladd(got + POISON - shift, src + shift, c, n);
			cr_assert_arr_eq(got, want, sizeof(got), "%s n %zu shift %u c %u",
					 name, n, shift, c);
		}
}

/* Rows of targets, each with poison around. */
static uint8_t want_rows[FEC_DOT_ROWS][LEN_MAX + 2 * POISON];
static uint8_t got_rows[FEC_DOT_ROWS][LEN_MAX + 2 * POISON];

static void check_dot(const struct fec_ops *ops, const char *name, struct rng *rng)
{
	uint8_t data[SRC_MAX][LEN_MAX + 8], coef[FEC_DOT_ROWS * (SRC_MAX + 1)];
	uint8_t *want_at[FEC_DOT_ROWS], *got_at[FEC_DOT_ROWS];
	const uint8_t *src[SRC_MAX];

	rng_fill(rng, &data[0][0], sizeof(data));
	for (size_t n = 0; n <= LEN_MAX; n++) {
		const unsigned rows = 1 + n % FEC_DOT_ROWS;
		const unsigned count = rng_below(rng, SRC_MAX + 1), off = rng_below(rng, 4);

		for (unsigned i = 0; i < SRC_MAX; i++)
			src[i] = data[i] + rng_below(rng, 4);
		for (unsigned i = 0; i < sizeof(coef); i++)
			coef[i] = (uint8_t)(rng_below(rng, 8) ? rng_next(rng) : 0);
		for (unsigned r = 0; r < FEC_DOT_ROWS; r++) {
			want_at[r] = want_rows[r] + POISON - r;
			got_at[r] = got_rows[r] + POISON - r;
		}
		rng_fill(rng, want_rows[0], sizeof(want_rows));
		memcpy(got_rows, want_rows, sizeof(got_rows));
		fec_ops_scalar.dot(want_at, rows, src, coef, SRC_MAX + 1, count, off, n);
		ops->dot(got_at, rows, src, coef, SRC_MAX + 1, count, off, n);
		cr_assert(memcmp(got_rows, want_rows, sizeof(got_rows)) == 0,
			  "%s n %zu rows %u count %u", name, n, rows, count);
	}
}

/* The same operations with every buffer hard against an inaccessible page. */
static void check_guards(const struct fec_ops *ops, const char *name, struct rng *rng,
			 bool at_end)
{
	for (size_t n = 0; n <= LEN_MAX; n += n < 140 ? 1 : 13) {
		uint8_t *dst = guarded(n, at_end), *a = guarded(n, at_end);
		uint8_t *b = guarded(n, at_end), expect[LEN_MAX + 1] = {0};
		uint8_t *expected = expect;
		const uint8_t *const src[2] = {a, b};
		const uint8_t coef[2] = {0x57, 0xc3};

		rng_fill(rng, a, n);
		rng_fill(rng, b, n);
		fec_ops_scalar.dot(&expected, 1, src, coef, 2, 2, 0, n);
		ops->dot(&dst, 1, src, coef, 2, 2, 0, n);
		cr_assert(memcmp(dst, expect, n) == 0, "%s dot n %zu", name, n);
		fec_ops_scalar.muladd(expect, a, 0x91, n);
		ops->muladd(dst, a, 0x91, n);
		cr_assert(memcmp(dst, expect, n) == 0, "%s muladd n %zu", name, n);
		fec_ops_scalar.muladd(expect, b, 1, n);
		ops->muladd(dst, b, 1, n);
		cr_assert(memcmp(dst, expect, n) == 0, "%s xor n %zu", name, n);
	}
}

static uint8_t *lines_guarded(struct rng *rng, size_t n)
{
	uint8_t *p = guarded(n, true);

	rng_fill(rng, p, n);
	return p;
}

/* All transform sizes at all their places, rows with guard lines between, guard pages
 * around; sources at odd addresses, each against a page that must not be touched. */
static void check_ifft_add(const struct fec_ops *ops, const char *name, struct rng *rng,
			   unsigned M, const uint8_t *const *src)
{
	const size_t n = M <= 16 ? 3 * FEC_LINE : FEC_LINE, stride = n + FEC_LINE;
	const size_t total = M * stride - FEC_LINE;
	uint8_t *expect = lines_guarded(rng, total), *sum = lines_guarded(rng, total);
	uint8_t *work = lines_guarded(rng, M * stride);

	for (unsigned base = 0; base < FEC_POSITIONS; base += M)
		for (int first = 0; first < 2; first++) {
			/* one chunk, two, or all that follow */
			const unsigned room = (FEC_POSITIONS - base) / M;
			const unsigned count = base / M % 3 == 2 ? room
					       : room > 1	 ? 1 + base / M % 3
								 : 1;
			struct fec_chunk chunk = {
				.src = src,
				.work = work,
				.sum = expect,
				.work_stride = stride,
				.sum_stride = stride,
				.ahead = first ? n : 0,
				.M = M,
				.base = base,
				.count = count,
				.first = first,
			};

			memcpy(sum, expect, total);
			fec_ops_scalar.ifft_add(&chunk, n);
			chunk.sum = sum;
			ops->ifft_add(&chunk, n);
			cr_assert(memcmp(sum, expect, total) == 0,
				  "%s ifft_add M %u base %u first %d", name, M, base,
				  first);
		}
}

/* Sources may be the work rows themselves; and fft undoes it. */
static void check_round_trip(const struct fec_ops *ops, const char *name, struct rng *rng,
			     unsigned M, unsigned base)
{
	const size_t n = 2 * FEC_LINE, stride = 3 * FEC_LINE, total = M * stride;
	uint8_t *before = lines_guarded(rng, total), *work = lines_guarded(rng, total);
	uint8_t *rows = lines_guarded(rng, total);
	const uint8_t *src[FEC_ROWS_MAX];
	const struct fec_chunk chunk = {
		.src = src,
		.work = work,
		.sum = rows,
		.work_stride = stride,
		.sum_stride = stride,
		.M = M,
		.base = base,
		.count = 1,
		.first = 1,
	};

	memcpy(work, before, total);
	for (unsigned i = 0; i < M; i++)
		src[i] = work + i * stride;
	ops->ifft_add(&chunk, n);
	ops->fft(rows, stride, M, base, n);
	for (unsigned i = 0; i < M; i++)
		cr_assert(memcmp(rows + i * stride, before + i * stride, n) == 0,
			  "%s fft M %u base %u row %u", name, M, base, i);
}

static void check_transforms(const struct fec_ops *ops, const char *name, struct rng *rng)
{
	const uint8_t *src[FEC_POSITIONS];

	for (unsigned M = FEC_FFT_ROWS; M <= FEC_ROWS_MAX; M *= 2) {
		const size_t n = M <= 16 ? 3 * FEC_LINE : FEC_LINE;

		for (unsigned i = 0; i < FEC_POSITIONS; i++) {
			uint8_t *p = guarded(n + i % 2 * 5, i % 3 != 0);

			rng_fill(rng, p, n);
			src[i] = i % 3 ? p + i % 2 * 5 : p;
		}
		check_ifft_add(ops, name, rng, M, src);
		for (unsigned base = 0; base < FEC_POSITIONS; base += M)
			check_round_trip(ops, name, rng, M, base);
	}
}

static void check_one(enum fec_kernel kernel, struct rng *rng)
{
	const struct fec_ops *ops = fec_ops_of(kernel);
	const char *name = fec_kernel_name(kernel);

	if (!ops)
		cr_skip_test("kernel %s: not built, or not on this processor", name);
	check_muladd(ops, name, rng);
	check_dot(ops, name, rng);
	check_guards(ops, name, rng, true);
	check_guards(ops, name, rng, false);
	check_transforms(ops, name, rng);
	cr_assert_eq(fec_selftest(ops), 0);
}

/* One suite only: Criterion 2.4 leaks when a program has several, and ASan says so. */
#define KERNEL_TEST(kernel, number)                                                        \
	Test(fec_kernel, kernel##_gives_the_bytes_of_scalar, .timeout = 120)               \
	{                                                                                  \
		struct rng rng = rng_open("fec_kernel_" #kernel);                          \
                                                                                           \
		check_one(number, &rng);                                                   \
	}

KERNEL_TEST(scalar, FEC_KERNEL_SCALAR)
KERNEL_TEST(neon, FEC_KERNEL_NEON)
KERNEL_TEST(ssse3, FEC_KERNEL_SSSE3)
KERNEL_TEST(avx2, FEC_KERNEL_AVX2)
KERNEL_TEST(gfni256, FEC_KERNEL_GFNI256)
KERNEL_TEST(gfni512, FEC_KERNEL_GFNI512)

/* Scalar itself against arithmetic that shares nothing with it. */
Test(fec_kernel, scalar_multiplies_as_the_field_does)
{
	for (unsigned c = 0; c < 256; c++) {
		uint8_t all[256], product[256] = {0};

		for (unsigned x = 0; x < 256; x++)
			all[x] = (uint8_t)x;
		fec_ops_scalar.muladd(product, all, (uint8_t)c, 256);
		for (unsigned x = 0; x < 256; x++)
			cr_assert_eq(product[x], plain_mul((uint8_t)c, (uint8_t)x));
	}
}

/*
 * A whole block with each symbol, each row, the work memory and the encoder's memory of
 * the stated size and not a byte more, each against a guard page: every kernel, odd sizes.
 */
static void check_guarded_block(unsigned k, unsigned m, unsigned M, size_t size,
				struct rng *rng)
{
	const struct fec_geometry geo = {k, m, M};
	const size_t need = fec_scratch_bytes(M, size);
	const size_t need_enc = fec_encoder_bytes(M, size, FEC_FEED_SYMBOLS);
	uint8_t *scratch = guarded(need, true), *memory = guarded(need_enc, true);
	uint8_t *src[FEC_SOURCES_MAX], *repair[FEC_ROWS_MAX], present[FEC_BITMAP_BYTES];
	uint8_t *first = malloc(size);
	struct fec_encoder enc;

	memset(present, 0xff, sizeof(present));
	for (unsigned i = 0; i < k; i++) {
		src[i] = guarded(size, i % 2);
		rng_fill(rng, src[i], size);
	}
	for (unsigned j = 0; j < m; j++)
		repair[j] = guarded(size, j % 2);
	cr_assert_eq(fec_encode_block(&geo, size, (const uint8_t *const *)src, repair,
				      scratch, need),
		     FEC_OK);
	cr_assert_eq(fec_encode_begin(&enc, M, size, FEC_FEED_SYMBOLS, memory, need_enc),
		     FEC_OK);
	for (unsigned i = 0; i < k; i++)
		cr_assert_eq(fec_encode_add(&enc, i, src[i], size), FEC_OK);
	cr_assert_eq(fec_encode_finish(&enc), FEC_OK);
	for (unsigned j = 0; j < m; j++)
		cr_assert_arr_eq(fec_encode_row(&enc, j), repair[j], size);
	memcpy(first, src[0], size);
	for (unsigned i = 0; i < m && i < k; i++) {
		memset(src[i], 0, size);
		present[i / 8] &= (uint8_t) ~(1u << i % 8);
	}
	cr_assert_eq(fec_decode(&geo, size, src, present, (const uint8_t *const *)repair,
				scratch, need),
		     FEC_OK);
	cr_assert_arr_eq(src[0], first, size);
	free(first);
}

Test(fec_kernel, whole_blocks_stay_within_their_memory, .timeout = 240)
{
	struct rng rng = rng_open("whole_blocks_stay_within_their_memory");
	static const size_t sizes[] = {1, 15, 63, 64, 127, 500, 513, 1100};

	kernels_find();
	for (unsigned n = 0; kernels_here[n]; n++) {
		cr_assert_eq(fec_init(kernels_here[n], NULL), FEC_OK);
		for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			check_guarded_block(10, 3, 4, sizes[s], &rng);
			check_guarded_block(20, 8, 8, sizes[s], &rng);
			check_guarded_block(50, 13, 16, sizes[s], &rng);
			check_guarded_block(70, 64, 64, sizes[s], &rng);
		}
	}
}

/* ---- choosing ---- */

Test(fec_kernel, forcing_takes_or_refuses)
{
	for (unsigned i = FEC_KERNEL_SCALAR; i < FEC_KERNEL_COUNT; i++) {
		const enum fec_kernel kernel = (enum fec_kernel)i,
				      before = fec_kernel_now();
		const int rc = fec_init(kernel, NULL);
		struct fec_choice choice;

		cr_assert_eq(fec_init(kernel, &choice), rc);
		fprintf(stderr, "forced %s: %s\n", fec_kernel_name(kernel), choice.why);
		if (fec_ops_of(kernel)) {
			cr_assert_eq(rc, FEC_OK);
			cr_assert_eq(fec_kernel_now(), kernel);
			cr_assert_eq(choice.kernel, kernel);
			cr_assert_eq(choice.verdict[i], FEC_VERDICT_CHOSEN);
		} else {
			cr_assert_eq(rc, FEC_ERR_KERNEL);
			cr_assert_eq(fec_kernel_now(), before);
			cr_assert_eq(choice.kernel, FEC_KERNEL_AUTO);
			cr_assert(choice.verdict[i] == FEC_VERDICT_NOT_BUILT ||
				  choice.verdict[i] == FEC_VERDICT_NO_CPU);
			cr_assert_not_null(strstr(choice.why, fec_kernel_name(kernel)));
		}
	}
	cr_expect_eq(fec_init(FEC_KERNEL_COUNT, NULL), FEC_ERR_KERNEL);
	cr_expect_eq(fec_init((enum fec_kernel)99, NULL), FEC_ERR_KERNEL);
}

Test(fec_kernel, auto_takes_the_last_usable)
{
	struct fec_choice choice;
	unsigned best = FEC_KERNEL_COUNT - 1;

	while (!fec_ops_of((enum fec_kernel)best))
		best--;
	cr_assert_eq(fec_kernel_now(), FEC_KERNEL_SCALAR,
		     "scalar serves before fec_init()");
	cr_assert_eq(fec_init(FEC_KERNEL_AUTO, &choice), FEC_OK);
	fprintf(stderr, "auto: %s\n", choice.why);
	cr_expect_eq(choice.kernel, best);
	cr_expect_eq(fec_kernel_now(), best);
	cr_expect_eq(fec_ops_now(), fec_ops_of((enum fec_kernel)best));
	for (unsigned i = best + 1; i < FEC_KERNEL_COUNT; i++)
		cr_expect_neq(choice.verdict[i], FEC_VERDICT_UNTRIED);
	for (unsigned i = FEC_KERNEL_SCALAR; i < best; i++)
		cr_expect_eq(choice.verdict[i], FEC_VERDICT_UNTRIED);
}

Test(fec_kernel, names_go_both_ways)
{
	for (int i = FEC_KERNEL_AUTO; i < FEC_KERNEL_COUNT; i++)
		cr_expect_eq(fec_kernel_from_name(fec_kernel_name((enum fec_kernel)i)), i);
	cr_expect_eq(fec_kernel_from_name("avx"), FEC_ERR_KERNEL);
	cr_expect_eq(fec_kernel_from_name(""), FEC_ERR_KERNEL);
	cr_expect_str_eq(fec_kernel_name(FEC_KERNEL_COUNT), "?");
}

/* ---- broken kernels: scalar with one fault each ---- */

static void muladd_one_constant_wrong(uint8_t *dst, const uint8_t *src, uint8_t c, size_t n)
{
	fec_ops_scalar.muladd(dst, src, c == 0xb7 ? 0xb6 : c, n);
}

static void muladd_drops_tail(uint8_t *dst, const uint8_t *src, uint8_t c, size_t n)
{
	fec_ops_scalar.muladd(dst, src, c, n - n % 16);
}

static void muladd_overruns(uint8_t *dst, const uint8_t *src, uint8_t c, size_t n)
{
	fec_ops_scalar.muladd(dst, src, c, n);
	dst[n] ^= 1;
}

static void muladd_underruns(uint8_t *dst, const uint8_t *src, uint8_t c, size_t n)
{
	fec_ops_scalar.muladd(dst, src, c, n);
	dst[-1] ^= 1;
}

static void dot_forgets_last(uint8_t *const *dst, unsigned rows, const uint8_t *const *src,
			     const uint8_t *coef, size_t pitch, unsigned count, size_t off,
			     size_t n)
{
	fec_ops_scalar.dot(dst, rows, src, coef, pitch, count > 4 ? count - 1 : count, off,
			   n);
}

static void dot_ignores_offset(uint8_t *const *dst, unsigned rows,
			       const uint8_t *const *src, const uint8_t *coef, size_t pitch,
			       unsigned count, size_t off, size_t n)
{
	(void)off;
	fec_ops_scalar.dot(dst, rows, src, coef, pitch, count, 0, n);
}

static void dot_repeats_a_row(uint8_t *const *dst, unsigned rows, const uint8_t *const *src,
			      const uint8_t *coef, size_t pitch, unsigned count, size_t off,
			      size_t n)
{
	fec_ops_scalar.dot(dst, rows, src, coef, rows == 3 ? 0 : pitch, count, off, n);
}

static void ifft_first_chunk_only(const struct fec_chunk *chunk, size_t n)
{
	struct fec_chunk other = *chunk;

	other.count = 1;
	fec_ops_scalar.ifft_add(&other, n);
}

static void ifft_wrong_at_one_place(const struct fec_chunk *chunk, size_t n)
{
	struct fec_chunk other = *chunk;

	if (other.M == 64 && other.base == 128)
		other.base = 0;
	fec_ops_scalar.ifft_add(&other, n);
}

static void ifft_first_line_only(const struct fec_chunk *chunk, size_t n)
{
	fec_ops_scalar.ifft_add(chunk, n < FEC_LINE ? n : FEC_LINE);
}

static void ifft_never_adds(const struct fec_chunk *chunk, size_t n)
{
	struct fec_chunk other = *chunk;

	other.first = 1;
	fec_ops_scalar.ifft_add(&other, n);
}

static void fft_wrong_for_largest(uint8_t *rows, size_t stride, unsigned M, unsigned base,
				  size_t n)
{
	fec_ops_scalar.fft(rows, stride, M, base, n);
	rows[(M - 1) * stride] ^= M == 128;
}

Test(fec_kernel, selftest_rejects_every_broken_kernel)
{
	struct fec_ops broken[12];

	for (unsigned i = 0; i < 12; i++)
		broken[i] = fec_ops_scalar;
	broken[0].muladd = muladd_one_constant_wrong;
	broken[1].muladd = muladd_drops_tail;
	broken[2].muladd = muladd_overruns;
	broken[3].muladd = muladd_underruns;
	broken[4].dot = dot_forgets_last;
	broken[5].dot = dot_ignores_offset;
	broken[6].ifft_add = ifft_wrong_at_one_place;
	broken[7].ifft_add = ifft_first_line_only;
	broken[8].fft = fft_wrong_for_largest;
	broken[9].dot = dot_repeats_a_row;
	broken[10].ifft_add = ifft_never_adds;
	broken[11].ifft_add = ifft_first_chunk_only;
	for (unsigned i = 0; i < 12; i++)
		cr_expect_neq(fec_selftest(&broken[i]), 0, "fault %u passed", i);
	cr_expect_eq(fec_selftest(&fec_ops_scalar), 0);
}
