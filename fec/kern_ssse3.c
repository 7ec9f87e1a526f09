// SPDX-License-Identifier: ISC
/* 16 bytes at a time: a product is two 16-entry look-ups (PSHUFB), one per nibble. */
#include <string.h>
#include <tmmintrin.h>

#include "fec_field.h"

#define VEC_BYTES 16u

typedef __m128i vec;

struct vec_factor {
	vec low, high;
};

static inline vec vec_zero(void)
{
	return _mm_setzero_si128();
}

static inline vec vec_xor(vec a, vec b)
{
	return _mm_xor_si128(a, b);
}

static inline vec vec_load(const uint8_t *p)
{
	return _mm_loadu_si128((const __m128i *)p);
}

static inline void vec_store(uint8_t *p, vec v)
{
	_mm_storeu_si128((__m128i *)p, v);
}

static inline vec vec_load_part(const uint8_t *p, size_t n)
{
	uint8_t whole[VEC_BYTES] = {0};

	memcpy(whole, p, n);
	return vec_load(whole);
}

static inline void vec_store_part(uint8_t *p, vec v, size_t n)
{
	uint8_t whole[VEC_BYTES];

	vec_store(whole, v);
	memcpy(p, whole, n);
}

static inline struct vec_factor vec_factor_of(uint8_t c)
{
	return (struct vec_factor){vec_load(fec_table_nibble[c]),
				   vec_load(fec_table_nibble[c] + 16)};
}

struct vec_split {
	vec low, high; /* nibbles */
};

static inline struct vec_split vec_split_of(vec v)
{
	const vec nibble = _mm_set1_epi8(0x0f);

	return (struct vec_split){_mm_and_si128(v, nibble),
				  _mm_and_si128(_mm_srli_epi64(v, 4), nibble)};
}

static inline vec vec_mul_split(struct vec_split v, struct vec_factor f)
{
	return vec_xor(_mm_shuffle_epi8(f.low, v.low), _mm_shuffle_epi8(f.high, v.high));
}

static inline vec vec_mul(vec v, struct vec_factor f)
{
	return vec_mul_split(vec_split_of(v), f);
}

#define LOOPS_RADIX_LOG 3
#define LOOPS_COLUMNS 0
#define LOOPS_DOT_VECS 1

#include "fec_loops.h"

const struct fec_ops fec_ops_ssse3 = FEC_LOOPS_OPS;
