// SPDX-License-Identifier: ISC
/*
 * Two messages by the SHA extensions, interleaved: each SHA256RNDS2 waits for the one
 * before it of the same message, so a second message fits into the gaps of the first.
 */
#include <immintrin.h>

#include "digest_kern.h"

#define LANES 2u

/* One message: the state as the instructions want it, and the schedule's last 16 words. */
struct message {
	__m128i abef, cdgh;
	__m128i w[4];
};

static inline __attribute__((always_inline)) struct message state_load(const uint32_t *s,
								       unsigned lane)
{
#define WORD(w) ((int)s[(w)*LANES + lane])
	struct message m = {
		.abef = _mm_set_epi32(WORD(0), WORD(1), WORD(4), WORD(5)),
		.cdgh = _mm_set_epi32(WORD(2), WORD(3), WORD(6), WORD(7)),
	};
#undef WORD

	return m;
}

static inline __attribute__((always_inline)) void state_store(uint32_t *s, unsigned lane,
							      const struct message *m)
{
	static const uint8_t abef[4] = {5, 4, 1, 0}, cdgh[4] = {7, 6, 3, 2};
	uint32_t one[4], two[4];

	_mm_storeu_si128((__m128i *)(void *)one, m->abef);
	_mm_storeu_si128((__m128i *)(void *)two, m->cdgh);
	for (unsigned i = 0; i < 4; i++) {
		s[abef[i] * LANES + lane] = one[i];
		s[cdgh[i] * LANES + lane] = two[i];
	}
}

static inline __attribute__((always_inline)) void words_load(struct message *m,
							     const uint8_t *p)
{
	const __m128i big_endian =
		_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);

	for (unsigned i = 0; i < 4; i++)
		m->w[i] = _mm_shuffle_epi8(
			_mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i)),
			big_endian);
}

/* Rounds 4 i .. 4 i + 3. */
static inline __attribute__((always_inline)) void four_rounds(struct message *m, unsigned i)
{
	const __m128i k =
		_mm_loadu_si128((const __m128i *)(const void *)(digest_k + 4 * i));
	__m128i wk = _mm_add_epi32(m->w[i % 4], k);

	m->cdgh = _mm_sha256rnds2_epu32(m->cdgh, m->abef, wk);
	wk = _mm_shuffle_epi32(wk, 0x0e);
	m->abef = _mm_sha256rnds2_epu32(m->abef, m->cdgh, wk);
}

/* Words 4 i .. 4 i + 3 of the schedule, i >= 4, in place of those sixteen before. */
static inline __attribute__((always_inline)) void schedule(struct message *m, unsigned i)
{
	const __m128i w1 = m->w[(i + 1) % 4], w2 = m->w[(i + 2) % 4],
		      w3 = m->w[(i + 3) % 4];
	__m128i next = _mm_sha256msg1_epu32(m->w[i % 4], w1);

	next = _mm_add_epi32(next, _mm_alignr_epi8(w3, w2, 4));
	m->w[i % 4] = _mm_sha256msg2_epu32(next, w3);
}

static void blocks_shani2(uint32_t *state, const uint8_t *const *data, size_t count)
{
	struct message x = state_load(state, 0), y = state_load(state, 1);

	for (size_t at = 0; at < count * DIGEST_BLOCK; at += DIGEST_BLOCK) {
		const struct message x0 = x, y0 = y;

		words_load(&x, data[0] + at);
		words_load(&y, data[1] + at);
#pragma GCC unroll 16
		for (unsigned i = 0; i < 16; i++) {
			if (i >= 4) {
				schedule(&x, i);
				schedule(&y, i);
			}
			four_rounds(&x, i);
			four_rounds(&y, i);
		}
		x.abef = _mm_add_epi32(x.abef, x0.abef);
		x.cdgh = _mm_add_epi32(x.cdgh, x0.cdgh);
		y.abef = _mm_add_epi32(y.abef, y0.abef);
		y.cdgh = _mm_add_epi32(y.cdgh, y0.cdgh);
	}
	state_store(state, 0, &x);
	state_store(state, 1, &y);
}

const struct digest_ops digest_ops_shani2 = {
	.name = "shani2", .lanes = LANES, .blocks = blocks_shani2};
