// SPDX-License-Identifier: ISC
/*
 * histogram.h: how often which value was seen, in buckets of constant relative width.
 *
 * Log-linear: each power of two is cut into HISTOGRAM_SUB equal buckets, values below
 * HISTOGRAM_SUB have a bucket each. So a quantile is right within 1/16 of itself (the method of
 * HdrHistogram, G. Tene), whatever the range; larger values than HISTOGRAM_MAX count as that.
 * Unit and meaning are the owner's. Fixed size, no allocation, no clock; one thread.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 4u
#define HISTOGRAM_SUB (1u << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_BITS 40u
#define HISTOGRAM_MAX ((UINT64_C(1) << HISTOGRAM_BITS) - 1)
#define HISTOGRAM_BUCKETS ((HISTOGRAM_BITS - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB)

struct histogram {
	uint64_t count;
	uint64_t most; /* the largest value, exact; 0 when there is none */
	uint32_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *h);

/* A bucket that is full (2^32 - 1) stays so. */
void histogram_add(struct histogram *h, uint64_t value);

/*
 * The least value that at least PER_MILLE thousandths of all in A and B do not exceed, as the upper
 * end of its bucket but never more than the largest value; 0 when both are empty. B may be NULL.
 */
uint64_t histogram_quantile(const struct histogram *a, const struct histogram *b,
			    unsigned per_mille);

#endif
