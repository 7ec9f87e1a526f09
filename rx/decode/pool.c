// SPDX-License-Identifier: ISC
#include "pool.h"

void pool_lay(struct pool *pool, const struct segment_plan *plan, uint8_t *segment,
	      struct rx_arena *arena)
{
	pool->segment = segment;
	pool->slots = plan->slots;
	pool->stride = plan->stride;
	pool->used = 0;
	pool->slot = rx_arena_take(arena, (size_t)plan->slots * sizeof(*pool->slot));
	if (!pool->slot)
		return;
	for (uint32_t i = 0; i < plan->slots; i++)
		pool->slot[i].next = i + 1 < plan->slots ? i + 1 : POOL_NONE;
	pool->free_head = plan->slots ? 0 : POOL_NONE;
}

uint32_t pool_take(struct pool *pool)
{
	uint32_t slot = pool->free_head;

	if (slot == POOL_NONE)
		return POOL_NONE;
	pool->free_head = pool->slot[slot].next;
	pool->slot[slot].next = POOL_NONE;
	pool->used++;
	return slot;
}

void pool_give(struct pool *pool, uint32_t slot)
{
	pool->slot[slot].next = pool->free_head;
	pool->free_head = slot;
	pool->used--;
}
