// SPDX-License-Identifier: ISC
/*
 * Sixteen messages, one in each 32-bit lane of the 512-bit registers: all sixteen words of
 * the message schedule and the eight of the state stay in registers. A rotation is one
 * instruction, and so is every function of three bits (VPTERNLOGD).
 */
#include <immintrin.h>

#include "digest_kern.h"

#define LANES 16u

typedef __m512i vec;

#define ADD(x, y) _mm512_add_epi32(x, y)
#define ROR(x, n) _mm512_ror_epi32(x, n)
#define XOR3(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0x96)
/* x ? y : z, and the majority, bit by bit. */
#define CH(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0xca)
#define MAJ(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0xe8)
#define SUM0(x) XOR3(ROR(x, 2), ROR(x, 13), ROR(x, 22))
#define SUM1(x) XOR3(ROR(x, 6), ROR(x, 11), ROR(x, 25))
#define SIGMA0(x) XOR3(ROR(x, 7), ROR(x, 18), _mm512_srli_epi32(x, 3))
#define SIGMA1(x) XOR3(ROR(x, 17), ROR(x, 19), _mm512_srli_epi32(x, 10))

/* Rows i of a 16 x 16 matrix of words become its columns. */
static inline __attribute__((always_inline)) void transpose(vec r[LANES])
{
	vec t[LANES];

	for (unsigned i = 0; i < LANES; i += 2) {
		t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
		t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
	}
	for (unsigned i = 0; i < LANES; i += 4) {
		r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
		r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
		r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
		r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
	/* r[4 g + c] holds columns c, c + 4, c + 8, c + 12 of rows 4 g .. 4 g + 3. */
	for (unsigned c = 0; c < 4; c++) {
		vec a = _mm512_shuffle_i32x4(r[c], r[c + 4], 0x88);
		vec b = _mm512_shuffle_i32x4(r[c + 8], r[c + 12], 0x88);
		vec d = _mm512_shuffle_i32x4(r[c], r[c + 4], 0xdd);
		vec e = _mm512_shuffle_i32x4(r[c + 8], r[c + 12], 0xdd);

		t[c] = _mm512_shuffle_i32x4(a, b, 0x88);
		t[c + 8] = _mm512_shuffle_i32x4(a, b, 0xdd);
		t[c + 4] = _mm512_shuffle_i32x4(d, e, 0x88);
		t[c + 12] = _mm512_shuffle_i32x4(d, e, 0xdd);
	}
	for (unsigned i = 0; i < LANES; i++)
		r[i] = t[i];
}

static inline __attribute__((always_inline)) void
load(vec w[LANES], const uint8_t *const *data, size_t at)
{
	const vec big_endian = _mm512_broadcast_i32x4(
		_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));

	for (unsigned i = 0; i < LANES; i++)
		w[i] = _mm512_shuffle_epi8(_mm512_loadu_si512(data[i] + at), big_endian);
	transpose(w);
}

/* Round i of a part; what the state's words are called turns by one from round to round. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                                   \
	do {                                                                               \
		const vec wk = ADD(w[i], _mm512_set1_epi32((int)k[i]));                    \
		const vec t1 = ADD(ADD(ADD(h, wk), CH(e, f, g)), SUM1(e));                 \
                                                                                           \
		if (more)                                                                  \
			w[i] = ADD(ADD(w[i], SIGMA0(w[((i) + 1) % 16])),                   \
				   ADD(w[((i) + 9) % 16], SIGMA1(w[((i) + 14) % 16])));    \
		(d) = ADD(d, t1);                                                          \
		(h) = ADD(t1, ADD(SUM0(a), MAJ(a, b, c)));                                 \
	} while (0)

#define EIGHT_ROUNDS(i)                                                                    \
	do {                                                                               \
		ROUND(a, b, c, d, e, f, g, h, (i) + 0);                                    \
		ROUND(h, a, b, c, d, e, f, g, (i) + 1);                                    \
		ROUND(g, h, a, b, c, d, e, f, (i) + 2);                                    \
		ROUND(f, g, h, a, b, c, d, e, (i) + 3);                                    \
		ROUND(e, f, g, h, a, b, c, d, (i) + 4);                                    \
		ROUND(d, e, f, g, h, a, b, c, (i) + 5);                                    \
		ROUND(c, d, e, f, g, h, a, b, (i) + 6);                                    \
		ROUND(b, c, d, e, f, g, h, a, (i) + 7);                                    \
	} while (0)

/*
 * Sixteen rounds. With `more`, each word of the schedule is replaced by the one sixteen
 * later as soon as its round has used it: the rounds are one chain of dependencies, and this
 * work fits beside it.
 */
static inline __attribute__((always_inline)) void part(vec v[DIGEST_WORDS], vec w[LANES],
						       const uint32_t *k, int more)
{
	vec a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5], g = v[6], h = v[7];

	EIGHT_ROUNDS(0);
	EIGHT_ROUNDS(8);
	v[0] = a;
	v[1] = b;
	v[2] = c;
	v[3] = d;
	v[4] = e;
	v[5] = f;
	v[6] = g;
	v[7] = h;
}

static void blocks_avx512(uint32_t *state, const uint8_t *const *data, size_t count)
{
	vec *s = (vec *)(void *)state;
	vec v[DIGEST_WORDS], w[LANES];

	for (unsigned i = 0; i < DIGEST_WORDS; i++)
		v[i] = s[i];
	for (size_t at = 0; at < count * DIGEST_BLOCK; at += DIGEST_BLOCK) {
		load(w, data, at);
		for (unsigned i = 0; i < 3; i++)
			part(v, w, digest_k + i * LANES, 1);
		part(v, w, digest_k + 3 * LANES, 0);
		for (unsigned i = 0; i < DIGEST_WORDS; i++)
			s[i] = v[i] = ADD(v[i], s[i]);
	}
}

const struct digest_ops digest_ops_avx512 = {
	.name = "avx512", .lanes = LANES, .blocks = blocks_avx512};
