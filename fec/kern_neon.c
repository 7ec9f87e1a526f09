// SPDX-License-Identifier: ISC
/* 16 bytes at a time: a product is two 16-entry look-ups (TBL), one per nibble. */
#include <arm_neon.h>
#include <string.h>

#include "fec_field.h"

#define VEC_BYTES 16u

typedef uint8x16_t vec;

struct vec_factor {
	vec low, high;
};

static inline vec vec_zero(void)
{
	return vdupq_n_u8(0);
}

static inline vec vec_xor(vec a, vec b)
{
	return veorq_u8(a, b);
}

static inline vec vec_load(const uint8_t *p)
{
	return vld1q_u8(p);
}

static inline void vec_store(uint8_t *p, vec v)
{
	vst1q_u8(p, v);
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
	return (struct vec_split){vandq_u8(v, vdupq_n_u8(0x0f)), vshrq_n_u8(v, 4)};
}

static inline vec vec_mul_split(struct vec_split v, struct vec_factor f)
{
	return vec_xor(vqtbl1q_u8(f.low, v.low), vqtbl1q_u8(f.high, v.high));
}

static inline vec vec_mul(vec v, struct vec_factor f)
{
	return vec_mul_split(vec_split_of(v), f);
}

#define LOOPS_RADIX_LOG 3
#define LOOPS_COLUMNS 0
#define LOOPS_DOT_VECS 1

#include "fec_loops.h"

const struct fec_ops fec_ops_neon = FEC_LOOPS_OPS;
