// SPDX-License-Identifier: ISC
/*
 * fec_loops: the four operations of fec_kern.h written once over a vector type. Not an
 * interface and not for inclusion anywhere but in a kern_<isa>.c, which first defines
 *
 *   VEC_BYTES                     bytes in a vector, dividing FEC_LINE
 *   vec, struct vec_factor        a vector; a constant ready to multiply by
 *   vec_zero()  vec_xor(a, b)
 *   vec_load(p) vec_store(p, v)   any address
 *   vec_load_part(p, n) vec_store_part(p, v, n)   n < VEC_BYTES bytes, touching no others
 *   vec_factor_of(c) vec_mul(v, factor)
 *   struct vec_split, vec_split_of(v), vec_mul_split(split, factor)   vec_mul in two halves,
 *                                 the first of which many products of one vector share
 *   LOOPS_RADIX_LOG               3, or 4 with 32 registers and factors of one: the rows of a
 *                                 pass of a transform are 2 to the power of this
 *   LOOPS_COLUMNS                 1: transforms of up to 32 rows go column by column, for which
 *                                 vec_factor_at(i) = vec_factor_of(w(i)) must be one load; else 0
 *   LOOPS_DOT_VECS                vectors of each row that dot makes at once: 1 or 2
 *
 * the functions as static inline, and then closes with FEC_LOOPS_OPS.
 */
#ifndef FEC_LOOPS_H
#define FEC_LOOPS_H

#include <stdbool.h>

#include "fec_field.h"
#include "fec_kern.h"

#if defined(__GNUC__) && !defined(__clang__)
/* gcc's -fanalyzer (12) does not follow an array of vectors that an unrolled loop fills. */
#pragma GCC diagnostic ignored "-Wanalyzer-use-of-uninitialized-value"
#endif

#define FEC_INLINE inline __attribute__((always_inline))
#define LOOPS_RADIX (1u << LOOPS_RADIX_LOG)

static inline vec vec_muladd(vec sum, vec v, struct vec_factor f)
{
	return vec_xor(sum, vec_mul(v, f));
}

static void loops_xor(uint8_t *dst, const uint8_t *src, size_t n)
{
	size_t t = 0;

	for (; n - t >= VEC_BYTES; t += VEC_BYTES)
		vec_store(dst + t, vec_xor(vec_load(dst + t), vec_load(src + t)));
	if (t < n)
		vec_store_part(dst + t,
			       vec_xor(vec_load_part(dst + t, n - t),
				       vec_load_part(src + t, n - t)),
			       n - t);
}

static void loops_muladd(uint8_t *dst, const uint8_t *src, uint8_t c, size_t n)
{
	const struct vec_factor f = vec_factor_of(c);
	size_t t = 0;

	if (c == 1) {
		loops_xor(dst, src, n);
		return;
	}
	for (; n - t >= VEC_BYTES; t += VEC_BYTES)
		vec_store(dst + t, vec_muladd(vec_load(dst + t), vec_load(src + t), f));
	if (t < n)
		vec_store_part(dst + t,
			       vec_muladd(vec_load_part(dst + t, n - t),
					  vec_load_part(src + t, n - t), f),
			       n - t);
}

/* ---- matrix ---- */

/* R rows, V vectors of each, from all sources: a step of dot. */
static FEC_INLINE void dot_step(uint8_t *const *dst, const uint8_t *const *src,
				const uint8_t *coef, size_t pitch, unsigned count,
				size_t off, size_t t, const unsigned R, const unsigned V)
{
	vec sum[FEC_DOT_ROWS * LOOPS_DOT_VECS];

	for (unsigned i = 0; i < R * V; i++)
		sum[i] = vec_zero();
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *p = src[i] + off + t;
		struct vec_split v[LOOPS_DOT_VECS];

		for (unsigned u = 0; u < V; u++)
			v[u] = vec_split_of(vec_load(p + u * VEC_BYTES));
		for (unsigned r = 0; r < R; r++) {
			const struct vec_factor f = vec_factor_of(coef[r * pitch + i]);

			for (unsigned u = 0; u < V; u++)
				sum[r * V + u] =
					vec_xor(sum[r * V + u], vec_mul_split(v[u], f));
		}
	}
	for (unsigned r = 0; r < R; r++)
		for (unsigned u = 0; u < V; u++)
			vec_store(dst[r] + t + u * VEC_BYTES, sum[r * V + u]);
}

/* The last bytes, fewer than a vector. */
static void dot_tail(uint8_t *dst, const uint8_t *const *src, const uint8_t *coef,
		     unsigned count, size_t at, size_t t, size_t n)
{
	vec sum = vec_zero();

	for (unsigned i = 0; i < count; i++)
		sum = vec_muladd(sum, vec_load_part(src[i] + at, n),
				 vec_factor_of(coef[i]));
	vec_store_part(dst + t, sum, n);
}

static FEC_INLINE void dot_rows(uint8_t *const *dst, const uint8_t *const *src,
				const uint8_t *coef, size_t pitch, unsigned count,
				size_t off, size_t n, const unsigned R)
{
	const size_t step = LOOPS_DOT_VECS * VEC_BYTES;
	size_t t = 0;

	for (; n - t >= step; t += step)
		dot_step(dst, src, coef, pitch, count, off, t, R, LOOPS_DOT_VECS);
	for (; n - t >= VEC_BYTES; t += VEC_BYTES)
		dot_step(dst, src, coef, pitch, count, off, t, R, 1);
	if (t < n)
		for (unsigned r = 0; r < R; r++)
			dot_tail(dst[r], src, coef + r * pitch, count, off + t, t, n - t);
}

static void loops_dot(uint8_t *const *dst, unsigned rows, const uint8_t *const *src,
		      const uint8_t *coef, size_t pitch, unsigned count, size_t off,
		      size_t n)
{
	if (rows == 4)
		dot_rows(dst, src, coef, pitch, count, off, n, 4);
	else if (rows == 3)
		dot_rows(dst, src, coef, pitch, count, off, n, 3);
	else if (rows == 2)
		dot_rows(dst, src, coef, pitch, count, off, n, 2);
	else if (rows == 1)
		dot_rows(dst, src, coef, pitch, count, off, n, 1);
}

/* ---- transform ---- */

/*
 * A pass does up to LOOPS_RADIX_LOG layers at once: R = 2^log rows that lie 2^shift rows
 * apart, one vector of each in registers, R - 1 factors. kern_scalar.c has the plain form,
 * one layer at a time, and says what the factors are.
 */

/* Layer j of a pass over v[R]; its R / 2^(j+1) factors. */
static FEC_INLINE void layer_ifft(vec *v, const struct vec_factor *f, const unsigned R,
				  const unsigned j)
{
	for (unsigned i = 0; i < R / 2; i++) {
		const unsigned low = (i >> j << (j + 1)) | (i & ((1u << j) - 1));
		const unsigned high = low + (1u << j);

		v[high] = vec_xor(v[high], v[low]);
		v[low] = vec_muladd(v[low], v[high], f[i >> j]);
	}
}

static FEC_INLINE void layer_fft(vec *v, const struct vec_factor *f, const unsigned R,
				 const unsigned j)
{
	for (unsigned i = 0; i < R / 2; i++) {
		const unsigned low = (i >> j << (j + 1)) | (i & ((1u << j) - 1));
		const unsigned high = low + (1u << j);

		v[low] = vec_muladd(v[low], v[high], f[i >> j]);
		v[high] = vec_xor(v[high], v[low]);
	}
}

/* Factors of layer j of the pass whose first row stands at `first` in steps of the pass. */
static FEC_INLINE void layer_factors(struct vec_factor *f, const unsigned R, unsigned first,
				     const unsigned j)
{
	for (unsigned i = 0; i < R / 2 >> j; i++)
		f[i] = vec_factor_of(fec_table_point[(first >> j) + 2 * i]);
}

/* Where each layer's factors stand among the pass's R - 1. */
#define LAYER_AT(R, j) ((R) - ((R) >> (j)))

struct loops_pass {
	const uint8_t *from[LOOPS_RADIX];
	uint8_t *to[LOOPS_RADIX];
	unsigned first; /* (base + first row) >> shift */
	size_t ahead;
};

enum loops_way { IFFT_STORE, IFFT_ADD, FFT_STORE };

static FEC_INLINE void pass_vectors(const struct loops_pass *p, const struct vec_factor *f,
				    size_t t, const unsigned R, const enum loops_way way)
{
	vec v[LOOPS_RADIX];

	for (unsigned i = 0; i < R; i++)
		v[i] = vec_load(p->from[i] + t);
	if (way == FFT_STORE) {
		if (R >= 16)
			layer_fft(v, f + LAYER_AT(R, 3), R, 3);
		if (R >= 8)
			layer_fft(v, f + LAYER_AT(R, 2), R, 2);
		layer_fft(v, f + LAYER_AT(R, 1), R, 1);
		layer_fft(v, f, R, 0);
	} else {
		layer_ifft(v, f, R, 0);
		layer_ifft(v, f + LAYER_AT(R, 1), R, 1);
		if (R >= 8)
			layer_ifft(v, f + LAYER_AT(R, 2), R, 2);
		if (R >= 16)
			layer_ifft(v, f + LAYER_AT(R, 3), R, 3);
	}
	for (unsigned i = 0; i < R; i++)
		vec_store(p->to[i] + t,
			  way == IFFT_ADD ? vec_xor(v[i], vec_load(p->to[i] + t)) : v[i]);
}

static FEC_INLINE void pass_run(const struct loops_pass *p, size_t n, const unsigned R,
				const enum loops_way way)
{
	struct vec_factor f[LOOPS_RADIX];

	layer_factors(f, R, p->first, 0);
	layer_factors(f + LAYER_AT(R, 1), R, p->first, 1);
	if (R >= 8)
		layer_factors(f + LAYER_AT(R, 2), R, p->first, 2);
	if (R >= 16)
		layer_factors(f + LAYER_AT(R, 3), R, p->first, 3);
	for (size_t t = 0; t < n; t += FEC_LINE) {
		if (p->ahead)
			for (unsigned i = 0; i < R; i++)
				__builtin_prefetch(p->from[i] + t + p->ahead);
		for (unsigned u = 0; u < FEC_LINE; u += VEC_BYTES)
			pass_vectors(p, f, t + u, R, way);
	}
}

static void pass_any(const struct loops_pass *p, size_t n, unsigned log, enum loops_way way)
{
	if (log == 2 && way == IFFT_STORE)
		pass_run(p, n, 4, IFFT_STORE);
	else if (log == 2 && way == IFFT_ADD)
		pass_run(p, n, 4, IFFT_ADD);
	else if (log == 2)
		pass_run(p, n, 4, FFT_STORE);
	else if (log == 3 && way == IFFT_STORE)
		pass_run(p, n, 8, IFFT_STORE);
	else if (log == 3 && way == IFFT_ADD)
		pass_run(p, n, 8, IFFT_ADD);
	else if (log == 3)
		pass_run(p, n, 8, FFT_STORE);
#if LOOPS_RADIX_LOG == 4
	else if (way == IFFT_STORE)
		pass_run(p, n, 16, IFFT_STORE);
	else if (way == IFFT_ADD)
		pass_run(p, n, 16, IFFT_ADD);
	else
		pass_run(p, n, 16, FFT_STORE);
#endif
}

/* Layers of the next pass when `left` are to do: never one alone. */
static unsigned pass_log(unsigned left)
{
	if (left <= LOOPS_RADIX_LOG)
		return left;
	return left - LOOPS_RADIX_LOG >= 2 ? LOOPS_RADIX_LOG : left - 2;
}

#if LOOPS_COLUMNS

/*
 * With 32 registers a chunk of 8, 16 or 32 sources goes through all its layers in one
 * column of VEC_BYTES, and the column of the sum stays at hand over all chunks of the
 * call: a source byte is loaded once and nothing but the sum is stored.
 */

/* Without being told, gcc 12 leaves loops of constant length over v[] in memory. */
#define LOOPS_UNROLL _Pragma("GCC unroll 32")
/* Bytes ahead in each source that are fetched while a column is worked on: the next column.
 * 128 to 1024 measured no better out of the caches and up to a third worse in them. */
#define LOOPS_FETCH 64u

static FEC_INLINE void column_layer(vec *v, unsigned at, const unsigned R, const unsigned j)
{
	const unsigned half = 1u << j, blocks = R / 2 / half;

	LOOPS_UNROLL
	for (unsigned b = 0; b < blocks; b++) {
		const struct vec_factor f = vec_factor_at((at >> j) + 2 * b);

		LOOPS_UNROLL
		for (unsigned i = 0; i < half; i++) {
			const unsigned low = 2 * half * b + i, high = low + half;

			v[high] = vec_xor(v[high], v[low]);
			v[low] = vec_muladd(v[low], v[high], f);
		}
	}
}

/* Byte t of R sources, the first at point number `at`, to coefficients. */
static FEC_INLINE void column_ifft(vec *v, const uint8_t *const *src, size_t t, unsigned at,
				   const unsigned R)
{
	LOOPS_UNROLL
	for (unsigned i = 0; i < R; i++) {
		v[i] = vec_load(src[i] + t);
		__builtin_prefetch(src[i] + t + LOOPS_FETCH);
	}
	column_layer(v, at, R, 0);
	column_layer(v, at, R, 1);
	column_layer(v, at, R, 2);
	if (R == 16)
		column_layer(v, at, R, 3);
}

/* Half a chunk of 32 in memory: the other half needs the registers. */
static __attribute__((noinline)) void column_half(vec *half, const uint8_t *const *src,
						  size_t t, unsigned at)
{
	vec v[16];

	column_ifft(v, src, t, at, 16);
	LOOPS_UNROLL
	for (unsigned i = 0; i < 16; i++)
		half[i] = v[i];
}

/* A chunk of 32: two halves and the layer that joins them. */
static FEC_INLINE void column_add_32(vec *sum, const uint8_t *const *src, size_t t,
				     unsigned at)
{
	const struct vec_factor f = vec_factor_at(at >> 4);
	vec low[16], v[16];

	column_half(low, src, t, at);
	column_ifft(v, src + 16, t, at + 16, 16);
	LOOPS_UNROLL
	for (unsigned i = 0; i < 16; i++) {
		v[i] = vec_xor(v[i], low[i]);
		sum[i] = vec_xor(sum[i], vec_muladd(low[i], v[i], f));
		sum[16 + i] = vec_xor(sum[16 + i], v[i]);
	}
}

static FEC_INLINE void column_add(vec *sum, const uint8_t *const *src, size_t t,
				  unsigned at, const unsigned M)
{
	vec v[16];

	if (M == 32) {
		column_add_32(sum, src, t, at);
		return;
	}
	column_ifft(v, src, t, at, M);
	LOOPS_UNROLL
	for (unsigned i = 0; i < M; i++)
		sum[i] = vec_xor(sum[i], v[i]);
}

static FEC_INLINE void columns_run(const struct fec_chunk *c, size_t n, const unsigned M)
{
	for (size_t t = 0; t < n; t += VEC_BYTES) {
		vec sum[32];

		LOOPS_UNROLL
		for (unsigned i = 0; i < M; i++)
			sum[i] = c->first ? vec_zero()
					  : vec_load(c->sum + i * c->sum_stride + t);
		for (unsigned i = 0; i < c->count * M; i += M)
			column_add(sum, c->src + i, t, c->base + i, M);
		LOOPS_UNROLL
		for (unsigned i = 0; i < M; i++)
			vec_store(c->sum + i * c->sum_stride + t, sum[i]);
	}
}

/* False: not a size for columns. */
static bool columns_any(const struct fec_chunk *c, size_t n)
{
	if (c->M == 8)
		columns_run(c, n, 8);
	else if (c->M == 16)
		columns_run(c, n, 16);
	else if (c->M == 32)
		columns_run(c, n, 32);
	return c->M <= 32;
}

#endif

static unsigned log_of(unsigned M)
{
	return (unsigned)__builtin_ctz(M);
}

/* One chunk, pass after pass over n bytes of all its rows. */
static void chunk_by_passes(const struct fec_chunk *c, size_t n)
{
	const unsigned layers = log_of(c->M);
	unsigned shift = 0, log;

	for (; shift < layers; shift += log) {
		log = pass_log(layers - shift);
		const bool last = shift + log == layers;
		uint8_t *to = last ? c->sum : c->work;
		const size_t to_stride = last ? c->sum_stride : c->work_stride;
		struct loops_pass p = {.ahead = shift ? 0 : c->ahead};

		for (unsigned r = 0; r < c->M; r++) {
			if (r >> shift & ((1u << log) - 1))
				continue;
			for (unsigned i = 0; i < 1u << log; i++) {
				const unsigned row = r + (i << shift);

				p.from[i] = shift ? c->work + row * c->work_stride
						  : c->src[row];
				p.to[i] = to + row * to_stride;
			}
			p.first = (c->base + r) >> shift;
			pass_any(&p, n, log, last && !c->first ? IFFT_ADD : IFFT_STORE);
		}
	}
}

static void loops_ifft_add(const struct fec_chunk *c, size_t n)
{
	struct fec_chunk one = *c;

#if LOOPS_COLUMNS
	if (columns_any(c, n))
		return;
#endif
	for (unsigned i = 0; i < c->count; i++) {
		chunk_by_passes(&one, n);
		one.src += c->M;
		one.base += c->M;
		one.first = 0;
	}
}

static void loops_fft(uint8_t *rows, size_t stride, unsigned M, unsigned base, size_t n)
{
	unsigned shift = log_of(M), log;

	for (; shift > 0;) {
		struct loops_pass p = {.ahead = 0};

		log = pass_log(shift);
		shift -= log;
		for (unsigned r = 0; r < M; r++) {
			if (r >> shift & ((1u << log) - 1))
				continue;
			for (unsigned i = 0; i < 1u << log; i++)
				p.from[i] = p.to[i] = rows + (r + (i << shift)) * stride;
			p.first = (base + r) >> shift;
			pass_any(&p, n, log, FFT_STORE);
		}
	}
}

#define FEC_LOOPS_OPS                                                                      \
	{                                                                                  \
		.muladd = loops_muladd, .dot = loops_dot, .ifft_add = loops_ifft_add,      \
		.fft = loops_fft                                                           \
	}

#endif
