// SPDX-License-Identifier: ISC
/*
 * All memory of decode that is not shared: one mapping, laid out twice by the same code.
 * The first pass measures (take returns NULL), the second hands out. Every page is
 * faulted in at start; nothing is given back before the process ends. Not an allocator.
 */
#ifndef RX_ARENA_H
#define RX_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "km_err.h"

struct rx_arena {
	uint8_t *p; /* NULL while measuring */
	size_t len;
	size_t used;
};

/* BYTES of zeroed memory, 64-byte aligned; NULL while measuring. A layout that asks for
 * more in the second pass than in the first gets NULL too: a bug, checked by the
 * caller. */
void *rx_arena_take(struct rx_arena *arena, size_t bytes);

/* After measuring: map what was asked for. -1 with EX_OSERR. */
KM_MUST_CHECK int rx_arena_map(struct rx_arena *arena, struct km_err *err);

void rx_arena_unmap(struct rx_arena *arena);

#endif
