// SPDX-License-Identifier: ISC
/* 32 bytes at a time: a product by a constant is one bit-matrix step (GF2P8AFFINEQB). */
#include <immintrin.h>
#include <string.h>

#include "fec_field.h"

#define VEC_BYTES 32u

typedef __m256i vec;

struct vec_factor {
	vec matrix;
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

static inline struct vec_factor vec_factor_of(uint8_t c)
{
	return (struct vec_factor){_mm256_set1_epi64x((long long)fec_table_affine[c])};
}

static inline vec vec_mul(vec v, struct vec_factor f)
{
	return _mm256_gf2p8affine_epi64_epi8(v, f.matrix, 0);
}

struct vec_split {
	vec whole;
};

static inline struct vec_split vec_split_of(vec v)
{
	return (struct vec_split){v};
}

static inline vec vec_mul_split(struct vec_split v, struct vec_factor f)
{
	return vec_mul(v.whole, f);
}

#define LOOPS_RADIX_LOG 3
#define LOOPS_COLUMNS 0
#define LOOPS_DOT_VECS 2

#include "fec_loops.h"

const struct fec_ops fec_ops_gfni256 = FEC_LOOPS_OPS;
