// SPDX-License-Identifier: ISC
#include "rig_memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "rx_arena.h"

#define KEPT 16u
#define ARENA_ALIGN 64u
#define PAGE 4096u
#define LARGE ((size_t)2 << 20) /* a table of the engine that is mostly not touched */
#define LARGE_MAX 8u

static struct {
	void *p;
	size_t len;
	bool used, clean;
} kept[KEPT];

/* In the arena that is being laid out: where large tables are. */
static struct {
	size_t at, len;
} large[LARGE_MAX];
static unsigned large_n;

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
		if (!kept[i].clean)
			make_zero(kept[i].p, len, touched);
		kept[i].used = true;
		kept[i].clean = false;
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

static void give(void *p, size_t len, bool clean)
{
	for (unsigned i = 0; i < KEPT; i++) {
		if (kept[i].p == p) {
			kept[i].used = false;
			kept[i].clean = clean;
			return;
		}
	}
	munmap(p, len);
}

void rig_memory_give(void *p, size_t len)
{
	give(p, len, false);
}

void rig_memory_give_used(void *p, size_t len, size_t used)
{
	const size_t last = len > PAGE ? len - PAGE : 0;

	memset(p, 0, used < len ? used : len);
	memset((uint8_t *)p + last, 0, len - last);
	give(p, len, true);
}

void *rx_arena_take(struct rx_arena *arena, size_t bytes)
{
	size_t at = arena->used;
	size_t want = (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);

	arena->used += want;
	if (arena->p && want >= LARGE && large_n < LARGE_MAX) {
		large[large_n].at = at;
		large[large_n++].len = want;
	}
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
	large_n = 0;
	return 0;
}

/* Zero again: the whole pages of large tables by giving them up, the rest by hand. */
static void arena_clean(struct rx_arena *arena)
{
	size_t at = 0;

	for (unsigned i = 0; i <= large_n; i++) {
		const size_t from = i < large_n ? large[i].at : arena->len;
		const size_t first = (from + PAGE - 1) / PAGE * PAGE;
		const size_t stop = i < large_n ? (from + large[i].len) / PAGE * PAGE : 0;

		memset(arena->p + at, 0, (first < arena->len ? first : arena->len) - at);
		if (i == large_n)
			break;
		make_zero(arena->p + first, stop - first, false);
		at = stop;
	}
}

void rx_arena_unmap(struct rx_arena *arena)
{
	if (arena->p) {
		arena_clean(arena);
		give(arena->p, arena->len, true);
	}
	memset(arena, 0, sizeof(*arena));
}
