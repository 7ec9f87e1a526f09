// SPDX-License-Identifier: ISC
/*
 * 64 bytes at a time: a product by a constant is one bit-matrix step (GF2P8AFFINEQB);
 * tails by mask.
 */
#include <immintrin.h>

#include "fec_field.h"

#define VEC_BYTES 64u

typedef __m512i vec;

struct vec_factor {
	vec matrix;
};

static inline vec vec_zero(void)
{
	return _mm512_setzero_si512();
}

static inline vec vec_xor(vec a, vec b)
{
	return _mm512_xor_si512(a, b);
}

static inline vec vec_load(const uint8_t *p)
{
	return _mm512_loadu_si512(p);
}

static inline void vec_store(uint8_t *p, vec v)
{
	_mm512_storeu_si512(p, v);
}

static inline __mmask64 first_bytes(size_t n)
{
	return (__mmask64)((UINT64_C(1) << n) - 1);
}

static inline vec vec_load_part(const uint8_t *p, size_t n)
{
	return _mm512_maskz_loadu_epi8(first_bytes(n), p);
}

static inline void vec_store_part(uint8_t *p, vec v, size_t n)
{
	_mm512_mask_storeu_epi8(p, first_bytes(n), v);
}

static inline struct vec_factor vec_factor_of(uint8_t c)
{
	return (struct vec_factor){_mm512_set1_epi64((long long)fec_table_affine[c])};
}

static inline struct vec_factor vec_factor_at(unsigned i)
{
	return (struct vec_factor){_mm512_set1_epi64((long long)fec_table_affine_point[i])};
}

static inline vec vec_mul(vec v, struct vec_factor f)
{
	return _mm512_gf2p8affine_epi64_epi8(v, f.matrix, 0);
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

#define LOOPS_RADIX_LOG 4
#define LOOPS_COLUMNS 1
#define LOOPS_DOT_VECS 2

#include "fec_loops.h"

const struct fec_ops fec_ops_gfni512 = FEC_LOOPS_OPS;
