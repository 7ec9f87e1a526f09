// SPDX-License-Identifier: ISC
#include "jobs.h"

#include <stdlib.h>
#include <string.h>

int jobs_add(struct jobs *jobs, uint64_t chain, uint64_t number)
{
	if (jobs->n == jobs->cap && jobs->at > 0) {
		memmove(jobs->job, jobs->job + jobs->at,
			(jobs->n - jobs->at) * sizeof(*jobs->job));
		jobs->n -= jobs->at;
		jobs->at = 0;
	}
	if (jobs->n == jobs->cap) {
		size_t cap = jobs->cap ? jobs->cap * 2 : 1024;
		struct job *job = realloc(jobs->job, cap * sizeof(*job));

		if (!job)
			return -1;
		jobs->job = job;
		jobs->cap = cap;
	}
	jobs->job[jobs->n++] = (struct job){.chain = chain, .number = number};
	return 0;
}

void jobs_free(struct jobs *jobs)
{
	free(jobs->job);
	*jobs = (struct jobs){0};
}
