// SPDX-License-Identifier: ISC
/*
 * base_seed.h: the seed of a random test: KM_SEED if set, else the clock; always printed, so
 * that a failure can be run again. Tests of common/ only.
 */
#ifndef BASE_SEED_H
#define BASE_SEED_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"

static inline uint64_t base_seed(const char *test)
{
	const char *env = getenv("KM_SEED");
	uint64_t seed = env ? strtoull(env, NULL, 0) : clock_real_ns();

	fprintf(stderr, "%s: KM_SEED=%" PRIu64 "\n", test, seed);
	return seed;
}

/* splitmix64 */
static inline uint64_t base_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

#endif
