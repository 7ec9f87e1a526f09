// SPDX-License-Identifier: ISC
/*
 * fec_kern: what a kernel is. Internal to fec/ (and its tests); callers use fec.h. A
 * kernel is the four operations that touch symbol bytes, once per instruction set, one
 * file each. All of them give the same bytes; kern_scalar.c is the reading that the others
 * are held to.
 *
 * Operations are pure: no state, no allocation, no alignment demand unless said.
 */
#ifndef FEC_KERN_H
#define FEC_KERN_H

#include <stddef.h>
#include <stdint.h>

#include "fec.h"

/* Bytes. Strides and lengths of transform rows are multiples of it, rows start on one. */
#define FEC_LINE 64u

/* Most rows that one call of dot makes: each source vector is loaded once for all. */
#define FEC_DOT_ROWS 4u
/* Fewest rows of a transform. Codes of fewer rows go by the matrix. */
#define FEC_FFT_ROWS 8u

/* Chunks of M sources on their way into the sum of chunks; see ifft_add. */
struct fec_chunk {
	const uint8_t *const *src; /* count * M, each n bytes at any address */
	uint8_t *work;		   /* M rows for what stands between two passes */
	uint8_t *sum;		   /* M rows */
	size_t work_stride, sum_stride;
	size_t ahead; /* bytes: where src goes on to be read next; fetched meanwhile. 0: no */
	unsigned M, base; /* base: of the first chunk; M more for each after it */
	unsigned count;	  /* chunks, at least 1 */
	int first;	  /* the sum is made, not added to */
};

struct fec_ops {
	/* dst[t] ^= c * src[t] for t < n. dst and src are equal or do not overlap. */
	void (*muladd)(uint8_t *dst, const uint8_t *src, uint8_t c, size_t n);

	/*
	 * dst[r][t] = sum over i < count of coef[r * pitch + i] * src[i][off + t], for
	 * r < rows <= FEC_DOT_ROWS, t < n. dst overlap neither src nor one another.
	 * count = 0 gives zeros.
	 */
	void (*dot)(uint8_t *const *dst, unsigned rows, const uint8_t *const *src,
		    const uint8_t *coef, size_t pitch, unsigned count, size_t off,
		    size_t n);

	/*
	 * The transforms: M a power of two, FEC_FFT_ROWS <= M <= FEC_ROWS_MAX, base a
	 * multiple of M, base + count * M <= 256; n and strides multiples of FEC_LINE, rows
	 * aligned to it. Coefficients d_0..d_(M-1) are in the basis X_i(x) = product over
	 * the bits j set in i of s_j(x), s_0(x) = x, s_(j+1)(x) = s_j(x)^2 + s_j(x).
	 *
	 * ifft_add: the sources of a chunk are values at the points w(base)..w(base + M - 1);
	 * the coefficients of all chunks are added to the sum. Nothing of src but n bytes is read; work and
	 * sum overlap nothing. fft: coefficients in rows become, in place, values at
	 * w(base)..w(base + M - 1).
	 */
	void (*ifft_add)(const struct fec_chunk *chunk, size_t n);
	void (*fft)(uint8_t *rows, size_t stride, unsigned M, unsigned base, size_t n);
};

extern const struct fec_ops fec_ops_scalar;
extern const struct fec_ops fec_ops_neon;
extern const struct fec_ops fec_ops_ssse3;
extern const struct fec_ops fec_ops_avx2;
extern const struct fec_ops fec_ops_gfni256;
extern const struct fec_ops fec_ops_gfni512;

/* The operations in use (dispatch.c). Never NULL. */
const struct fec_ops *fec_ops_now(void);

/*
 * Operations of one kernel if it is built and this machine can run it, else NULL. For
 * tests, which compare kernels directly; does not choose or self-test anything.
 */
const struct fec_ops *fec_ops_of(enum fec_kernel kernel);

/*
 * 0 if ops gives the same bytes as scalar on fixed pseudo-random input, covering every
 * constant, all transform sizes, tails and odd addresses, and writes nothing outside its
 * destination; -1 otherwise. About 40 KiB of stack.
 */
int fec_selftest(const struct fec_ops *ops) FEC_MUST_CHECK;

#endif
