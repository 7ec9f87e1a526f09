// SPDX-License-Identifier: ISC
/*
 * fec_field: the arithmetic of fec.h's definition as constant tables. Internal to fec/
 * (and its tests); callers use fec.h. The tables are written at build time by
 * gen_tables.c, which is also the place that states how each entry is computed; nothing
 * here is ever modified.
 */
#ifndef FEC_FIELD_H
#define FEC_FIELD_H

#include <stdint.h>

/* [a][b] = a * b. 64 KiB; set-up arithmetic and the scalar kernel, one 256-byte row a
 * pass. */
extern const uint8_t fec_table_mul[256][256];
/* [a] = 1 / a; [0] = 0. */
extern const uint8_t fec_table_inverse[256];
/* [a] = log of a to the base z (0x02), 0..254; [0] = 0 and never used. */
extern const uint8_t fec_table_log[256];
/* [n] = z to the power n, 0 <= n <= 254. */
extern const uint8_t fec_table_exp[255];
/* [i] = w(i), the evaluation point number i in the Cantor basis. */
extern const uint8_t fec_table_point[256];
/* [c]: c * 0x00..0x0f, then c * 0x00, c * 0x10, .. c * 0xf0; for byte shuffles. */
extern const uint8_t fec_table_nibble[256][32];
/* [c]: the 8 x 8 bit matrix of "times c" in the layout of GF2P8AFFINEQB. */
extern const uint64_t fec_table_affine[256];
/* [i] = fec_table_affine[w(i)]: every factor of every transform, by point number. */
extern const uint64_t fec_table_affine_point[256];

static inline uint8_t fec_mul(uint8_t a, uint8_t b)
{
	return fec_table_mul[a][b];
}

#endif
