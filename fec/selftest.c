// SPDX-License-Identifier: ISC
/*
 * A kernel earns trust by giving scalar's bytes on this very machine, at every start: a
 * compiler bug, a wrong CPU flag or a broken vector unit would otherwise turn repaired
 * data into garbage that only the manifest's hash would notice, hours later.
 */
#include <string.h>

#include "fec_kern.h"

enum {
	TEST_LEN = 4 * FEC_LINE + FEC_LINE / 2 +
		   7, /* four-vector loop, one-vector loop, tail */
	TEST_SRCS = 5,
	TEST_MARGIN = 3, /* bytes of odd address, and of guard on both sides */
	TEST_ROWS_BYTES = (int)FEC_ROWS_MAX * (int)FEC_LINE,
};

/* Numerical Recipes' 32-bit congruential generator; need only be fixed and unstructured. */
static void fill(uint8_t *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		p[i] = (uint8_t)(seed >> 24);
	}
}

static int muladd_differs(const struct fec_ops *ops)
{
	uint8_t want[TEST_LEN + 2 * TEST_MARGIN], got[sizeof(want)], src[sizeof(want)];
	size_t n = 0;

	fill(src, sizeof(src), 1);
	for (unsigned c = 0; c < 256; c++) {
		fill(want, sizeof(want), c);
		memcpy(got, want, sizeof(got));
		fec_ops_scalar.muladd(want + TEST_MARGIN, src + 1, (uint8_t)c, n);
		ops->muladd(got + TEST_MARGIN, src + 1, (uint8_t)c, n);
		if (memcmp(got, want, sizeof(got)) != 0)
			return -1;
		n = (n + 37) % (TEST_LEN + 1);
	}
	return 0;
}

static int dot_differs(const struct fec_ops *ops)
{
	uint8_t want[FEC_DOT_ROWS][TEST_LEN + 2 * TEST_MARGIN],
		got[FEC_DOT_ROWS][sizeof(*want)];
	uint8_t data[TEST_SRCS][sizeof(*want)], coef[FEC_DOT_ROWS * TEST_SRCS];
	uint8_t *want_row[FEC_DOT_ROWS], *got_row[FEC_DOT_ROWS];
	const uint8_t *src[TEST_SRCS];
	size_t n = TEST_LEN;

	fill(&data[0][0], sizeof(data), 2);
	for (unsigned i = 0; i < TEST_SRCS; i++)
		src[i] = data[i];
	for (unsigned r = 0; r < FEC_DOT_ROWS; r++) {
		want_row[r] = want[r] + TEST_MARGIN;
		got_row[r] = got[r] + TEST_MARGIN;
	}
	for (unsigned c = 0; c < 256; c++) {
		const unsigned count = c % (TEST_SRCS + 1), rows = c % FEC_DOT_ROWS + 1;

		fill(coef, sizeof(coef), c);
		coef[0] = (uint8_t)c;
		fill(want[0], sizeof(want), c);
		memcpy(got, want, sizeof(got));
		fec_ops_scalar.dot(want_row, rows, src, coef, TEST_SRCS, count, 1, n);
		ops->dot(got_row, rows, src, coef, TEST_SRCS, count, 1, n);
		if (memcmp(got, want, sizeof(got)) != 0)
			return -1;
		n = (n + 101) % (TEST_LEN + 1);
	}
	return 0;
}

struct transform_case {
	unsigned M, base;
	size_t n, stride;
};

/* Few rows leave room for a guard line behind each. */
static struct transform_case case_of(unsigned M, unsigned base)
{
	const size_t n = M <= FEC_ROWS_MAX / 4 ? 2 * FEC_LINE : FEC_LINE;

	return (struct transform_case){M, base, n,
				       M <= FEC_ROWS_MAX / 4 ? n + FEC_LINE : n};
}

static int ifft_add_differs(const struct fec_ops *ops)
{
	_Alignas(64) uint8_t want[TEST_ROWS_BYTES], got[TEST_ROWS_BYTES],
		work[TEST_ROWS_BYTES];
	uint8_t data[2 * TEST_ROWS_BYTES + TEST_MARGIN];
	const uint8_t *src[FEC_POSITIONS];

	fill(data, sizeof(data), 3);
	for (unsigned M = FEC_FFT_ROWS; M <= FEC_ROWS_MAX; M *= 2)
		for (unsigned base = 0; base < FEC_POSITIONS; base += M) {
			const struct transform_case at = case_of(M, base);
			struct fec_chunk chunk = {
				.src = src,
				.work = work,
				.sum = want,
				.work_stride = at.stride,
				.sum_stride = at.stride,
				.ahead = base % (2 * M) ? FEC_LINE : 0,
				.M = M,
				.base = base,
				.count = base + 2 * M <= FEC_POSITIONS ? 2 : 1,
				.first = base / M % 3 == 0,
			};

			for (unsigned i = 0; i < chunk.count * M; i++)
				src[i] = data + i % TEST_MARGIN + i * at.n;
			fill(want, sizeof(want), M + base);
			memcpy(got, want, sizeof(got));
			fec_ops_scalar.ifft_add(&chunk, at.n);
			chunk.sum = got;
			ops->ifft_add(&chunk, at.n);
			if (memcmp(got, want, sizeof(got)) != 0)
				return -1;
		}
	return 0;
}

static int fft_differs(const struct fec_ops *ops)
{
	_Alignas(64) uint8_t want[TEST_ROWS_BYTES], got[TEST_ROWS_BYTES];

	for (unsigned M = FEC_FFT_ROWS; M <= FEC_ROWS_MAX; M *= 2)
		for (unsigned base = 0; base < FEC_POSITIONS; base += M) {
			const struct transform_case at = case_of(M, base);

			fill(want, sizeof(want), M + base);
			memcpy(got, want, sizeof(got));
			fec_ops_scalar.fft(want, at.stride, M, base, at.n);
			ops->fft(got, at.stride, M, base, at.n);
			if (memcmp(got, want, sizeof(got)) != 0)
				return -1;
		}
	return 0;
}

int fec_selftest(const struct fec_ops *ops)
{
	if (muladd_differs(ops) || dot_differs(ops) || ifft_add_differs(ops) ||
	    fft_differs(ops))
		return -1;
	return 0;
}
