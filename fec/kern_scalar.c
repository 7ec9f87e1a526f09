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

/* By pieces, source by source: each 256-byte row of the table serves a whole piece. */
static void scalar_dot(uint8_t *dst, const uint8_t *const *src, const uint8_t *coef,
		       unsigned count, size_t off, size_t n)
{
	uint8_t sum[4 * FEC_LINE];

	for (size_t t = 0; t < n; t += sizeof(sum)) {
		const size_t piece = n - t < sizeof(sum) ? n - t : sizeof(sum);

		memset(sum, 0, piece);
		for (unsigned i = 0; i < count; i++)
			scalar_muladd(sum, src[i] + off + t, coef[i], piece);
		memcpy(dst + t, sum, piece);
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
	.ifft = scalar_ifft,
	.fft = scalar_fft,
};
