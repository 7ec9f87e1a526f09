// SPDX-License-Identifier: ISC
/* 32 bytes at a time: a product is two 16-entry look-ups (VPSHUFB), one per nibble. */
#include <immintrin.h>
#include <string.h>

#include "fec_field.h"

#define VEC_BYTES 32u

typedef __m256i vec;

struct vec_factor {
	vec low, high;
};

static inline vec vec_zero(void)
{
	return _mm256_setzero_si256();
}

static inline vec vec_xor(vec a, vec b)
{
	return _mm256_xor_si256(a, b);
}

static inline vec vec_load(const uint8_t *p)
{
	return _mm256_loadu_si256((const __m256i *)p);
}

static inline void vec_store(uint8_t *p, vec v)
{
	_mm256_storeu_si256((__m256i *)p, v);
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

static inline __m256i both_lanes(const uint8_t *p)
{
	return _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)p));
}

static inline struct vec_factor vec_factor_of(uint8_t c)
{
	return (struct vec_factor){both_lanes(fec_table_nibble[c]),
				   both_lanes(fec_table_nibble[c] + 16)};
}

struct vec_split {
	vec low, high; /* nibbles */
};

static inline struct vec_split vec_split_of(vec v)
{
	const vec nibble = _mm256_set1_epi8(0x0f);

	return (struct vec_split){_mm256_and_si256(v, nibble),
				  _mm256_and_si256(_mm256_srli_epi64(v, 4), nibble)};
}

static inline vec vec_mul_split(struct vec_split v, struct vec_factor f)
{
	return vec_xor(_mm256_shuffle_epi8(f.low, v.low),
		       _mm256_shuffle_epi8(f.high, v.high));
}

static inline vec vec_mul(vec v, struct vec_factor f)
{
	return vec_mul_split(vec_split_of(v), f);
}

#define LOOPS_RADIX_LOG 3
#define LOOPS_COLUMNS 0
#define LOOPS_DOT_VECS 1

#include "fec_loops.h"

const struct fec_ops fec_ops_avx2 = FEC_LOOPS_OPS;
