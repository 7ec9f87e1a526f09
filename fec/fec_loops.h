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
 *
 * as static inline functions, and then closes with FEC_LOOPS_OPS.
 */
#ifndef FEC_LOOPS_H
#define FEC_LOOPS_H

#include "fec_field.h"
#include "fec_kern.h"

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

/* Four vectors abreast: fetching a factor is shared, and the adds do not queue up. */
static void loops_dot(uint8_t *dst, const uint8_t *const *src, const uint8_t *coef,
		      unsigned count, size_t off, size_t n)
{
	size_t t = 0;

	for (; n - t >= 4 * VEC_BYTES; t += 4 * VEC_BYTES) {
		vec s0 = vec_zero(), s1 = s0, s2 = s0, s3 = s0;

		for (unsigned i = 0; i < count; i++) {
			const struct vec_factor f = vec_factor_of(coef[i]);
			const uint8_t *p = src[i] + off + t;

			s0 = vec_muladd(s0, vec_load(p), f);
			s1 = vec_muladd(s1, vec_load(p + VEC_BYTES), f);
			s2 = vec_muladd(s2, vec_load(p + 2 * VEC_BYTES), f);
			s3 = vec_muladd(s3, vec_load(p + 3 * VEC_BYTES), f);
		}
		vec_store(dst + t, s0);
		vec_store(dst + t + VEC_BYTES, s1);
		vec_store(dst + t + 2 * VEC_BYTES, s2);
		vec_store(dst + t + 3 * VEC_BYTES, s3);
	}
	for (; n - t >= VEC_BYTES; t += VEC_BYTES) {
		vec sum = vec_zero();

		for (unsigned i = 0; i < count; i++)
			sum = vec_muladd(sum, vec_load(src[i] + off + t),
					 vec_factor_of(coef[i]));
		vec_store(dst + t, sum);
	}
	if (t < n) {
		vec sum = vec_zero();

		for (unsigned i = 0; i < count; i++)
			sum = vec_muladd(sum, vec_load_part(src[i] + off + t, n - t),
					 vec_factor_of(coef[i]));
		vec_store_part(dst + t, sum, n - t);
	}
}

/*
 * Transforms, two layers (j and j + 1) per pass over the rows: four rows in registers,
 * three factors. See kern_scalar.c for one layer at a time and for what the factors are.
 */
struct loops_quad {
	uint8_t *row[4];
	struct vec_factor first, second; /* layer j: rows 0-1, rows 2-3 */
	struct vec_factor outer;	 /* layer j + 1 */
};

static inline struct loops_quad loops_quad_at(uint8_t *rows, size_t stride, unsigned r,
					      unsigned base, unsigned j)
{
	const unsigned half = 1u << j, block = (base + r) & ~(4 * half - 1);
	struct loops_quad q;

	for (unsigned i = 0; i < 4; i++)
		q.row[i] = rows + (size_t)(r + i * half) * stride;
	q.first = vec_factor_of(fec_table_point[block >> j]);
	q.second = vec_factor_of(fec_table_point[(block >> j) + 2]);
	q.outer = vec_factor_of(fec_table_point[block >> (j + 1)]);
	return q;
}

static inline void loops_quad_ifft(const struct loops_quad *q, size_t n)
{
	for (size_t t = 0; t < n; t += VEC_BYTES) {
		vec a = vec_load(q->row[0] + t), b = vec_load(q->row[1] + t);
		vec c = vec_load(q->row[2] + t), d = vec_load(q->row[3] + t);

		b = vec_xor(b, a);
		d = vec_xor(d, c);
		a = vec_muladd(a, b, q->first);
		c = vec_muladd(c, d, q->second);
		c = vec_xor(c, a);
		d = vec_xor(d, b);
		a = vec_muladd(a, c, q->outer);
		b = vec_muladd(b, d, q->outer);
		vec_store(q->row[0] + t, a);
		vec_store(q->row[1] + t, b);
		vec_store(q->row[2] + t, c);
		vec_store(q->row[3] + t, d);
	}
}

static inline void loops_quad_fft(const struct loops_quad *q, size_t n)
{
	for (size_t t = 0; t < n; t += VEC_BYTES) {
		vec a = vec_load(q->row[0] + t), b = vec_load(q->row[1] + t);
		vec c = vec_load(q->row[2] + t), d = vec_load(q->row[3] + t);

		a = vec_muladd(a, c, q->outer);
		b = vec_muladd(b, d, q->outer);
		c = vec_xor(c, a);
		d = vec_xor(d, b);
		a = vec_muladd(a, b, q->first);
		c = vec_muladd(c, d, q->second);
		b = vec_xor(b, a);
		d = vec_xor(d, c);
		vec_store(q->row[0] + t, a);
		vec_store(q->row[1] + t, b);
		vec_store(q->row[2] + t, c);
		vec_store(q->row[3] + t, d);
	}
}

/* The odd layer when log2 M is odd: the last of the ifft (j > 0), the first of the fft. */
static inline void loops_pair(uint8_t *low, uint8_t *high, uint8_t factor, size_t n,
			      int inverse)
{
	const struct vec_factor f = vec_factor_of(factor);

	for (size_t t = 0; t < n; t += VEC_BYTES) {
		vec a = vec_load(low + t), b = vec_load(high + t);

		if (inverse) {
			b = vec_xor(b, a);
			a = vec_muladd(a, b, f);
		} else {
			a = vec_muladd(a, b, f);
			b = vec_xor(b, a);
		}
		vec_store(low + t, a);
		vec_store(high + t, b);
	}
}

static void loops_ifft(uint8_t *rows, size_t stride, unsigned M, unsigned base, size_t n)
{
	unsigned j = 0;

	for (; (4u << j) <= M; j += 2) {
		for (unsigned r = 0; r < M; r++) {
			if (r & (3u << j))
				continue;
			const struct loops_quad q = loops_quad_at(rows, stride, r, base, j);

			loops_quad_ifft(&q, n);
		}
	}
	if ((2u << j) <= M)
		for (unsigned r = 0; r < M / 2; r++)
			loops_pair(rows + r * stride, rows + (r + M / 2) * stride,
				   fec_table_point[base >> j], n, 1);
}

static void loops_fft(uint8_t *rows, size_t stride, unsigned M, unsigned base, size_t n)
{
	unsigned j = 0;

	while ((2u << j) <= M)
		j++;
	if (j % 2) {
		j--;
		for (unsigned r = 0; r < M / 2; r++)
			loops_pair(rows + r * stride, rows + (r + M / 2) * stride,
				   fec_table_point[base >> j], n, 0);
	}
	while (j >= 2) {
		j -= 2;
		for (unsigned r = 0; r < M; r++) {
			if (r & (3u << j))
				continue;
			const struct loops_quad q = loops_quad_at(rows, stride, r, base, j);

			loops_quad_fft(&q, n);
		}
	}
}

#define FEC_LOOPS_OPS                                                                      \
	{                                                                                  \
		.muladd = loops_muladd, .dot = loops_dot, .ifft = loops_ifft,              \
		.fft = loops_fft                                                           \
	}

#endif
