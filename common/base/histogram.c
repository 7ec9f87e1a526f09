// SPDX-License-Identifier: ISC
#include "histogram.h"

#include <stddef.h>
#include <string.h>

void histogram_clear(struct histogram *h)
{
	memset(h, 0, sizeof(*h));
}

static unsigned bucket_of(uint64_t value)
{
	unsigned top;

	if (value < HISTOGRAM_SUB)
		return (unsigned)value;
	top = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
	return (top + 1) * HISTOGRAM_SUB + (unsigned)(value >> top) - HISTOGRAM_SUB;
}

/* The largest value of a bucket. */
static uint64_t bucket_end(unsigned bucket)
{
	const unsigned top = bucket / HISTOGRAM_SUB;

	if (top == 0)
		return bucket;
	return ((uint64_t)(bucket % HISTOGRAM_SUB + HISTOGRAM_SUB + 1) << (top - 1)) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
	uint32_t *bucket;

	if (value > h->most)
		h->most = value;
	bucket = &h->bucket[bucket_of(value < HISTOGRAM_MAX ? value : HISTOGRAM_MAX)];
	if (*bucket == UINT32_MAX)
		return;
	(*bucket)++;
	h->count++;
}

uint64_t histogram_quantile(const struct histogram *a, const struct histogram *b,
			    unsigned per_mille)
{
	const uint64_t count = a->count + (b ? b->count : 0);
	const uint64_t most = b && b->most > a->most ? b->most : a->most;
	const uint64_t wanted =
		(count / 1000) * per_mille + ((count % 1000) * per_mille + 999) / 1000;
	uint64_t seen = 0;

	for (unsigned i = 0; count > 0 && i < HISTOGRAM_BUCKETS; i++) {
		seen += a->bucket[i] + (b ? (uint64_t)b->bucket[i] : 0);
		if (seen >= wanted && seen > 0)
			return bucket_end(i) < most ? bucket_end(i) : most;
	}
	return most;
}
