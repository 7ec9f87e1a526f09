// SPDX-License-Identifier: ISC
/*
 * jobs.h: object numbers in the order in which their turn may have come. Grows as needed, never
 * beyond what is in progress. Zero = empty.
 *
 * rx publish; one thread.
 */
#ifndef JOBS_H
#define JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "km_err.h"

struct job {
	uint64_t chain, number;
};

struct jobs {
	struct job *job; /* job[at] .. job[n - 1] wait */
	size_t at, n, cap;
};

static inline bool jobs_any(const struct jobs *jobs)
{
	return jobs->at < jobs->n;
}

static inline size_t jobs_count(const struct jobs *jobs)
{
	return jobs->n - jobs->at;
}

/* The first one; there is one. */
static inline const struct job *jobs_first(const struct jobs *jobs)
{
	return &jobs->job[jobs->at];
}

static inline void jobs_next(struct jobs *jobs)
{
	jobs->at++;
}

/* At the end. -1: no memory. */
KM_MUST_CHECK int jobs_add(struct jobs *jobs, uint64_t chain, uint64_t number);

void jobs_free(struct jobs *jobs);

#endif
