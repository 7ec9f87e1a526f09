// SPDX-License-Identifier: ISC
/*
 * Random numbers for tests that can be had again: the seed comes from KM_SEED or the clock,
 * and is printed. Not for keys. Header only; one struct per test.
 */
#ifndef SEEDED_H
#define SEEDED_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct seeded {
	uint64_t state;
};

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014): any seed is good. */
static inline uint64_t seeded_u64(struct seeded *s)
{
	uint64_t z = s->state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

static inline void seeded_init(struct seeded *s, const char *test)
{
	const char *given = getenv("KM_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);

	s->state = seed;
	fprintf(stderr, "%s: KM_SEED=%llu\n", test, (unsigned long long)seed);
}

/* 0 .. bound - 1. */
static inline uint64_t seeded_below(struct seeded *s, uint64_t bound)
{
	return seeded_u64(s) % bound;
}

/* Any number of bits with equal chance, so that every varint length occurs. */
static inline uint64_t seeded_any_size(struct seeded *s)
{
	return seeded_u64(s) >> seeded_below(s, 64);
}

static inline void seeded_bytes(struct seeded *s, void *p, size_t len)
{
	uint8_t *at = p;

	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)(seeded_u64(s) >> 56);
}

#endif
