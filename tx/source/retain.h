// SPDX-License-Identifier: ISC
/*
 * retain: how long sent files stay in DIR/.katamichi/sent for a resend. Until keep_ns,
 * keep_bytes or min_free, whichever comes first; oldest first. What age removes is in order;
 * what goes earlier than that for want of room is counted and named (spool.yield). It never
 * touches anything but sent/: what is unsent is not its business.
 * One thread. No memory per file: the oldest RETAIN_FRONT files are listed at a time.
 */
#ifndef RETAIN_H
#define RETAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counts.h"

#define RETAIN_FRONT 1024u
/* Removals per tick, so that a mass expiry does not stop the channel. */
#define RETAIN_BURST 256u
#define RETAIN_EVERY_NS UINT64_C(1000000000)

struct retain_file {
	uint64_t chain, number, bytes, at_ns; /* CLOCK_REALTIME when it was moved here */
};

struct retain {
	const char *channel; /* for messages; borrowed */
	struct counts *counts;
	int sent; /* borrowed */
	uint64_t keep_ns, keep_bytes, min_free;
	uint64_t files, bytes;			/* now kept */
	struct retain_file front[RETAIN_FRONT]; /* the oldest, in order */
	uint32_t front_at, front_count;
	uint64_t due_ns;
	/* The wall clock may be stepped; age runs on from the start by the boot clock. */
	uint64_t start_real_ns, start_boot_ns;
};

void retain_open(struct retain *retain, int sent, const char *channel, uint64_t keep_ns,
		 uint64_t keep_bytes, uint64_t min_free, struct counts *counts);

/* A file has come in. */
void retain_added(struct retain *retain, uint64_t bytes);

/* Remove what has to go; does something once a second. Returns when to call again. */
uint64_t retain_tick(struct retain *retain, uint64_t now_ns);

/* The same with time and free space given, at once: for tests and for the tick. */
void retain_apply(struct retain *retain, uint64_t real_ns, uint64_t free_bytes);

/* Read a name "<chain>-<number>" as used in work/ and sent/. */
bool retain_name_read(const char *name, uint64_t *chain, uint64_t *number);
#define RETAIN_NAME_MAX 44u
void retain_name(char out[RETAIN_NAME_MAX], uint64_t chain, uint64_t number);

#endif
