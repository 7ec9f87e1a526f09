// SPDX-License-Identifier: ISC
/*
 * A kernel earns trust by giving libcrypto's digests on this very machine, at every start: a
 * compiler bug, a wrong CPU flag or a broken vector unit would otherwise quarantine sound
 * files, or on tx sign what no receiver can confirm.
 */
#include <string.h>

#include "digest_kern.h"

enum {
	TEST_SHORT = 3 * (int)DIGEST_BLOCK,	 /* every length up to here: all paddings */
	TEST_LONG = 24 * (int)DIGEST_BLOCK + 17, /* schedule and state over many blocks */
	TEST_JOBS = 2 * (int)DIGEST_LANES_MAX + 3,
	TEST_ROUNDS = 24,
	TEST_BYTES = TEST_LONG + TEST_JOBS,
	TEST_GUARD = 0xa5,
};

/* Numerical Recipes' 32-bit congruential generator; need only be fixed and unstructured. */
static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static int differs(const struct digest_serve *serve, const struct digest_job *jobs,
		   uint8_t (*got)[DIGEST_LEN], unsigned n)
{
	uint8_t want[DIGEST_LEN];

	memset(got, TEST_GUARD, (size_t)(TEST_JOBS + 1) * DIGEST_LEN);
	digest_many_by(serve, jobs, n);
	for (unsigned i = 0; i < n; i++) {
		digest_sha256(want, jobs[i].p, jobs[i].len);
		if (memcmp(want, got[i], DIGEST_LEN) != 0)
			return -1;
	}
	for (unsigned i = 0; i < DIGEST_LEN; i++)
		if (got[n][i] != TEST_GUARD)
			return -1;
	return 0;
}

int digest_selftest(const struct digest_ops *ops)
{
	/* Alone: nothing may be drained away to another kernel. */
	const struct digest_serve serve = {.wide = ops, .narrow = NULL};
	uint8_t bytes[TEST_BYTES], got[TEST_JOBS + 1][DIGEST_LEN];
	struct digest_job jobs[TEST_JOBS];
	uint32_t seed = 1;
	unsigned len = 0;

	for (unsigned i = 0; i < TEST_BYTES; i++)
		bytes[i] = (uint8_t)next(&seed);
	while (len <= TEST_SHORT) {
		unsigned n = 0;

		for (; n < TEST_JOBS && len <= TEST_SHORT; n++)
			jobs[n] = (struct digest_job){bytes + n, len++, got[n]};
		if (differs(&serve, jobs, got, n) != 0)
			return -1;
	}
	for (unsigned round = 0; round < TEST_ROUNDS; round++) {
		/* First all lanes, of one length: the longest way in one call. */
		const unsigned n = round ? 2 + next(&seed) % (TEST_JOBS - 1) : TEST_JOBS;

		for (unsigned i = 0; i < n; i++)
			jobs[i] = (struct digest_job){
				bytes + i,
				round ? next(&seed) % (TEST_LONG + 1) : TEST_LONG, got[i]};
		if (differs(&serve, jobs, got, n) != 0)
			return -1;
	}
	return 0;
}
