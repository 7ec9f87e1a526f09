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

struct fec_ops {
	/* dst[t] ^= c * src[t] for t < n. dst and src are equal or do not overlap. */
	void (*muladd)(uint8_t *dst, const uint8_t *src, uint8_t c, size_t n);

	/*
	 * dst[t] = sum over i < count of coef[i] * src[i][off + t], for t < n. One of the
	 * src[i] + off may equal dst; otherwise no overlap. count = 0 gives zeros.
	 */
	void (*dot)(uint8_t *dst, const uint8_t *const *src, const uint8_t *coef,
		    unsigned count, size_t off, size_t n);

	/*
	 * In place, over M rows of n bytes that start stride bytes apart, M a power of
	 * two, base a multiple of M, base + M <= 256; n and stride multiples of FEC_LINE,
	 * rows aligned to it. fft: coefficients d_0..d_(M-1) in the basis X_i(x) = product
	 * over the bits j set in i of s_j(x), s_0(x) = x, s_(j+1)(x) = s_j(x)^2 + s_j(x),
	 * become values at the points w(base)..w(base + M - 1). ifft: the reverse.
	 */
	void (*ifft)(uint8_t *rows, size_t stride, unsigned M, unsigned base, size_t n);
	void (*fft)(uint8_t *rows, size_t stride, unsigned M, unsigned base, size_t n);
};

extern const struct fec_ops fec_ops_scalar;
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
