// SPDX-License-Identifier: ISC
/*
 * cores.h: which processor a busy thread of a daemon has for itself. A rule over the processors
 * that the process may run on, so that every role comes to the same result by itself, and
 * taskset, CPUAffinity= or a container narrow it.
 *
 * The rule: busy threads get the last processors, in the order of their slots and neighbours of
 * each other, one each; the first ones stay for the rest of the host and, at a receiver, for
 * the interrupt of the port. Where that does not go up, nothing is pinned: threads that have to
 * share are better moved about by the scheduler.
 */
#ifndef CORES_H
#define CORES_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

struct cores {
	cpu_set_t allowed;
	unsigned count; /* of allowed */
	unsigned busy;	/* threads, slots 0 .. busy - 1 */
	unsigned spare; /* processors that stay free of them */
	bool wanted;	/* by the configuration */
};

/* Pure. Slots and spares of the two daemons: tx_config_cores(), rx_config_cores(). */
void cores_plan(struct cores *cores, const cpu_set_t *allowed, unsigned busy,
		unsigned spare, bool wanted);

/* The same with what this process may run on. An unpinned thread must call it. */
void cores_plan_here(struct cores *cores, unsigned busy, unsigned spare, bool wanted);

/* The processor of a slot; -1: it is not pinned. */
int cores_of(const struct cores *cores, unsigned slot);

/* Pins the calling thread to its slot, where the plan says so. Its number, -1: not pinned. */
int cores_pin(const struct cores *cores, unsigned slot);

/* "3 busy threads on processors 1, 2, 3" or why not; returns buf. */
char *cores_describe(const struct cores *cores, char *buf, size_t len);

#endif
