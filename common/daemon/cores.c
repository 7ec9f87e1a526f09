// SPDX-License-Identifier: ISC
#include "cores.h"

#include <stdio.h>
#include <string.h>

void cores_plan(struct cores *cores, const cpu_set_t *allowed, unsigned busy,
		unsigned spare, bool wanted)
{
	*cores = (struct cores){
		.allowed = *allowed,
		.count = (unsigned)CPU_COUNT(allowed),
		.busy = busy,
		.spare = spare,
		.wanted = wanted,
	};
}

void cores_plan_here(struct cores *cores, unsigned busy, unsigned spare, bool wanted)
{
	cpu_set_t allowed;

	/* More processors than the set has room for: the kernel refuses, nothing is pinned. */
	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		CPU_ZERO(&allowed);
	cores_plan(cores, &allowed, busy, spare, wanted);
}

static bool pinned(const struct cores *cores)
{
	return cores->wanted && cores->count >= cores->busy + cores->spare;
}

int cores_of(const struct cores *cores, unsigned slot)
{
	unsigned before = cores->count - cores->busy + slot;

	if (!pinned(cores) || slot >= cores->busy)
		return -1;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &cores->allowed) && before-- == 0)
			return i;
	return -1;
}

int cores_pin(const struct cores *cores, unsigned slot)
{
	const int core = cores_of(cores, slot);
	cpu_set_t one;

	if (core < 0)
		return -1;
	CPU_ZERO(&one);
	CPU_SET(core, &one);
	/* 0 is the calling thread. Refused: it runs where the scheduler likes. */
	return sched_setaffinity(0, sizeof(one), &one) == 0 ? core : -1;
}

char *cores_describe(const struct cores *cores, char *buf, size_t len)
{
	size_t at;
	int n;

	if (!cores->wanted) {
		(void)snprintf(buf, len, "threads not pinned: `cores = none`");
		return buf;
	}
	if (!pinned(cores)) {
		(void)snprintf(
			buf, len,
			"threads not pinned: %u busy ones and %u processor%s for the "
			"rest ask for %u processors, here are %u",
			cores->busy, cores->spare, cores->spare == 1 ? "" : "s",
			cores->busy + cores->spare, cores->count);
		return buf;
	}
	n = snprintf(buf, len, "%u busy threads have processors", cores->busy);
	at = n > 0 ? (size_t)n : 0;
	for (unsigned i = 0; i < cores->busy && at < len; i++) {
		n = snprintf(buf + at, len - at, "%s%d", i ? ", " : " ",
			     cores_of(cores, i));
		at += n > 0 ? (size_t)n : 0;
	}
	return buf;
}
