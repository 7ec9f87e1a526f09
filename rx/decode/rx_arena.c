// SPDX-License-Identifier: ISC
#include "rx_arena.h"

#include <sys/mman.h>

#define ARENA_ALIGN 64u

void *rx_arena_take(struct rx_arena *arena, size_t bytes)
{
	size_t at = arena->used;
	size_t want = (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);

	arena->used += want;
	if (!arena->p || arena->used > arena->len)
		return NULL;
	return arena->p + at;
}

int rx_arena_map(struct rx_arena *arena, struct km_err *err)
{
	size_t len = arena->used ? arena->used : ARENA_ALIGN;
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		return km_err_set_errno(
			err, EX_OSERR,
			"cannot map %zu bytes for decode; lower hold_bytes or "
			"pool_bytes",
			len);
	arena->p = p;
	arena->len = len;
	arena->used = 0;
	return 0;
}

void rx_arena_unmap(struct rx_arena *arena)
{
	if (arena->p)
		munmap(arena->p, arena->len);
	arena->p = NULL;
	arena->len = 0;
	arena->used = 0;
}
