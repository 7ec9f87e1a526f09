// SPDX-License-Identifier: ISC
/*
 * metrics.h: the counters page as a file that node_exporter's textfile collector reads, so that a
 * hardened host serves nothing itself. Written beside and renamed: a reader sees one whole
 * state. Not synced: after a power cut it is stale or gone, and written again at once. One
 * thread, the supervisor's.
 */
#ifndef METRICS_H
#define METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "stats.h"

#define METRICS_EVERY_NS UINT64_C(5000000000)

struct metrics {
	const char *path;   /* NULL, "" = none; borrowed */
	const char *prefix; /* of every name; borrowed */
	uint64_t due_ns;
	bool failed; /* and said */
};

/* Writes it when it is due. What fails is said once, until it works again: metrics.failed. */
void metrics_tick(struct metrics *metrics, const struct stats_map *map, uint64_t now_ns);

/* When the daemon stops: a file that nobody writes any more must not look alive. */
void metrics_end(const struct metrics *metrics);

#endif
