// SPDX-License-Identifier: ISC
/*
 * readahead: the one large piece of memory of the source role that large files are read
 * into, so that as many of their leaves are there at once as the digest has lanes
 * (digest_many.h). One feed has it at a time; another that finds it taken goes without. It
 * knows nothing of files. Faulted in by readahead_init(): a large file does not raise what
 * the role holds.
 * One thread.
 */
#ifndef READAHEAD_H
#define READAHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire_limits.h"

/* Lanes of the widest digest kernel: more leaves gain nothing. */
#define READAHEAD_LEAVES 16u
#define READAHEAD_MAX ((size_t)READAHEAD_LEAVES * WIRE_TREE_LEAF)

struct readahead {
	uint8_t *bytes; /* mapped, NULL: there is none */
	size_t size;	/* whole leaves, 0: there is none */
	bool taken;
};

/* Up to `bytes` of memory, whole leaves of it; under two leaves, or where the system has no
 * memory: none. */
void readahead_init(struct readahead *readahead, uint64_t bytes);
void readahead_close(struct readahead *readahead);

/* NULL: taken already, or there is none. *room: its bytes. */
uint8_t *readahead_take(struct readahead *readahead, size_t *room);
void readahead_give(struct readahead *readahead);

#endif
