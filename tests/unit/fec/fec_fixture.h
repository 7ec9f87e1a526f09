// SPDX-License-Identifier: ISC
/*
 * fec_fixture: what the fec tests share: a seeded generator, memory with guard pages, and
 * the code of fec.h built a second time from its definition, by the slowest plain formulas
 * and without a line or table of fec/.
 */
#ifndef FEC_FIXTURE_H
#define FEC_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fec.h"

/* ---- random ---- */

struct rng {
	uint64_t state;
};

/* From KM_SEED if set, else from the clock; prints the seed with the test's name. */
struct rng rng_open(const char *test);
uint64_t rng_next(struct rng *rng);
/* Uniform enough in 0..limit-1. */
unsigned rng_below(struct rng *rng, unsigned limit);
void rng_fill(struct rng *rng, uint8_t *p, size_t n);

/* ---- memory ---- */

/*
 * n bytes between two inaccessible pages: flush against the upper one (at_end) or starting
 * right after the lower one. Lives until the test process ends.
 */
uint8_t *guarded(size_t n, bool at_end);

/* ---- the definition ---- */

/* Polynomial product modulo 0x11D, bit by bit. */
uint8_t plain_mul(uint8_t a, uint8_t b);
/* a to the power 254. */
uint8_t plain_inverse(uint8_t a);
/* w(i), from x^2 + x = beta. */
uint8_t plain_point(unsigned i);
/*
 * Value at w(row) of the Lagrange basis polynomial that is 1 at w(M + esi) and 0 at the
 * other points w(M)..w(255): the generator by interpolation.
 */
uint8_t plain_generator(unsigned M, unsigned row, unsigned esi);
/* Rank of an e x e matrix, which is destroyed. */
unsigned plain_rank(uint8_t *square, unsigned e);

/* ---- blocks ---- */

struct block {
	struct fec_geometry geo;
	size_t symbol_size;
	uint8_t *src[FEC_SOURCES_MAX];	   /* as sent */
	uint8_t *repair[FEC_ROWS_MAX];	   /* as sent */
	uint8_t *got[FEC_SOURCES_MAX];	   /* what the decoder works on */
	const uint8_t *rows[FEC_ROWS_MAX]; /* what the decoder gets: repair or NULL */
	uint8_t present[FEC_BITMAP_BYTES];
};

/* Random sources, at odd addresses, and their repairs from fec_encode_block(). */
void block_make(struct block *b, struct rng *rng, unsigned k, unsigned m, unsigned M,
		size_t symbol_size);
void block_free(struct block *b);

/* All received again: got = src, every row present. */
void block_reset(struct block *b);
/* Lose one; the source's buffer is filled with junk. */
void block_lose_source(struct block *b, unsigned esi);
void block_lose_row(struct block *b, unsigned row);

/* fec_decode() on it with work memory of exactly the stated size. */
int block_decode(struct block *b);
/* True if every source in got is as sent. */
bool block_restored(const struct block *b);

/* Every kernel this machine can run, for loops; ends with FEC_KERNEL_AUTO. */
extern enum fec_kernel kernels_here[FEC_KERNEL_COUNT + 1];
void kernels_find(void);

#endif
