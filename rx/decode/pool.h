// SPDX-License-Identifier: ISC
/*
 * The slots of the window segment: which are free, and per slot what lies in it. A slot
 * is taken only for authenticated bytes (and one, the landing slot, for the frame being
 * opened). Eviction is window.c's. O(1), no allocation.
 */
#ifndef POOL_H
#define POOL_H

#include <stddef.h>
#include <stdint.h>

#include "rx_arena.h"
#include "segment.h"

#define POOL_NONE UINT32_MAX

struct pool_slot {
	uint32_t next; /* in the free list, or in the list of its block */
	uint8_t place; /* ESI of a source, row of a repair */
	uint8_t repair;
};

struct pool {
	uint8_t *segment;
	struct pool_slot *slot;
	uint32_t slots, stride;
	uint32_t free_head;
	uint32_t used;
};

/* Lay out in ARENA (see rx_arena.h); SEGMENT is mapped by the caller. */
void pool_lay(struct pool *pool, const struct segment_plan *plan, uint8_t *segment,
	      struct rx_arena *arena);

/* A free slot, or POOL_NONE. */
uint32_t pool_take(struct pool *pool);
void pool_give(struct pool *pool, uint32_t slot);

static inline uint64_t pool_pos(const struct pool *pool, uint32_t slot)
{
	return (uint64_t)slot * pool->stride;
}
static inline uint8_t *pool_at(const struct pool *pool, uint32_t slot)
{
	return pool->segment + pool_pos(pool, slot);
}

#endif
