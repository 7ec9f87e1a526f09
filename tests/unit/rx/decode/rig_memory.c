// SPDX-License-Identifier: ISC
#include "rig_memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "rx_arena.h"

#define KEPT 16u
#define ARENA_ALIGN 64u

static struct {
	void *p;
	size_t len;
	bool used;
} kept[KEPT];

/* Pages that will be touched anyway are kept, and zeroed; of the others there are none. */
static void make_zero(void *p, size_t len, bool touched)
{
	if (touched || madvise(p, len, MADV_DONTNEED) != 0)
		memset(p, 0, len);
}

static void *take(size_t len, bool touched)
{
	void *p;

	for (unsigned i = 0; i < KEPT; i++) {
		if (!kept[i].p || kept[i].used || kept[i].len != len)
			continue;
		make_zero(kept[i].p, len, touched);
		kept[i].used = true;
		return kept[i].p;
	}
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		perror("rig: mmap");
		abort();
	}
	for (unsigned i = 0; i < KEPT; i++) {
		if (kept[i].p)
			continue;
		kept[i].p = p;
		kept[i].len = len;
		kept[i].used = true;
		break;
	}
	return p;
}

void *rig_memory_take(size_t len)
{
	return take(len, false);
}

void rig_memory_give(void *p, size_t len)
{
	for (unsigned i = 0; i < KEPT; i++) {
		if (kept[i].p == p) {
			kept[i].used = false;
			return;
		}
	}
	munmap(p, len);
}

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
	(void)err;
	arena->len = arena->used ? arena->used : ARENA_ALIGN;
	arena->p = take(arena->len, true);
	arena->used = 0;
	return 0;
}

void rx_arena_unmap(struct rx_arena *arena)
{
	if (arena->p)
		rig_memory_give(arena->p, arena->len);
	memset(arena, 0, sizeof(*arena));
}
