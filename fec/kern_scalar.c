// SPDX-License-Identifier: ISC
/* The portable kernel, and the plainest: one table look-up per byte, two rows a step. */
#include <string.h>

#include "fec_field.h"
#include "fec_kern.h"

static void scalar_muladd(uint8_t *dst, const uint8_t *src, uint8_t c, size_t n)
{
	const uint8_t *times_c = fec_table_mul[c];

	if (c == 1) {
		for (size_t t = 0; t < n; t++)
			dst[t] ^= src[t];
		return;
	}
	for (size_t t = 0; t < n; t++)
		dst[t] ^= times_c[src[t]];
}

/* Source by source: each 256-byte row of the table serves a whole row of symbols. */
static void scalar_dot(uint8_t *const *dst, unsigned rows, const uint8_t *const *src,
		       const uint8_t *coef, size_t pitch, unsigned count, size_t off,
		       size_t n)
{
	for (unsigned r = 0; r < rows; r++) {
		memset(dst[r], 0, n);
		for (unsigned i = 0; i < count; i++)
			scalar_muladd(dst[r], src[i] + off, coef[r * pitch + i], n);
	}
}

/*
 * One layer of either transform pairs row r with row r + half inside blocks of 2 * half
 * rows. Its factor is s_j at the block's first point: s_j(w(i)) = w(i >> j), half = 2^j, a
 * property of the Cantor basis that makes the whole twiddle table the table of points.
 */
static uint8_t layer_factor(unsigned first_index, unsigned j)
{
	return fec_table_point[first_index >> j];
}

static void scalar_ifft(uint8_t *rows, size_t stride, unsigned M, unsigned base, size_t n)
{
	for (unsigned j = 0, half = 1; half < M; j++, half *= 2) {
		for (unsigned r = 0; r < M; r++) {
			uint8_t *low = rows + r * stride;
			uint8_t *high = low + half * stride;

			if (r & half)
				continue;
			scalar_muladd(high, low, 1, n);
			scalar_muladd(low, high, layer_factor((base + r) & ~(half - 1), j),
				      n);
		}
	}
}

static void scalar_ifft_add(const struct fec_chunk *c, size_t n)
{
	for (unsigned at = 0; at < c->count * c->M; at += c->M) {
		for (unsigned i = 0; i < c->M; i++)
			memmove(c->work + i * c->work_stride, c->src[at + i], n);
		scalar_ifft(c->work, c->work_stride, c->M, c->base + at, n);
		for (unsigned i = 0; i < c->M; i++) {
			uint8_t *sum = c->sum + i * c->sum_stride;

			if (c->first && at == 0)
				memset(sum, 0, n);
			scalar_muladd(sum, c->work + i * c->work_stride, 1, n);
		}
	}
}

static void scalar_fft(uint8_t *rows, size_t stride, unsigned M, unsigned base, size_t n)
{
	unsigned j = 0, half = 1;

	for (; half < M; half *= 2)
		j++;
	while (j-- > 0) {
		half /= 2;
		for (unsigned r = 0; r < M; r++) {
			uint8_t *low = rows + r * stride;
			uint8_t *high = low + half * stride;

			if (r & half)
				continue;
			scalar_muladd(low, high, layer_factor((base + r) & ~(half - 1), j),
				      n);
			scalar_muladd(high, low, 1, n);
		}
	}
}

const struct fec_ops fec_ops_scalar = {
	.muladd = scalar_muladd,
	.dot = scalar_dot,
	.ifft_add = scalar_ifft_add,
	.fft = scalar_fft,
};
