// SPDX-License-Identifier: ISC
/*
 * stats.h: the counters page: one small shared file per daemon that anyone may read.
 *
 * A header, then one block per role: its name, pid, number of starts and up to
 * STATS_ENTRIES_MAX entries {name, value}. The page describes itself, so `status` and tests
 * print any daemon's page without knowing its counters. Counter tables are X-macro lists of
 * the owner:
 *
 *	#define OPEN_STATS(X) X(OPEN_STAT_FRAMES, "frames") X(OPEN_STAT_BAD_TAG, "bad_tag")
 *	enum open_stat { OPEN_STATS(STATS_ENUM_ROW) OPEN_STAT_COUNT };
 *	static const char *const open_stat_names[] = { OPEN_STATS(STATS_NAME_ROW) };
 *
 * One writer per block (the role, one thread); relaxed atomic stores, so readers see whole
 * values but no common instant. Readers treat the page as hostile: a role can scribble on
 * it. Not a metrics exporter, no history.
 */
#ifndef STATS_H
#define STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "km_err.h"

#define STATS_ROLES_MAX 16     /* blocks of a page; 16 x 8 KiB */
#define STATS_ENTRIES_MAX 128  /* counters of a role */
#define STATS_NAME_MAX 40      /* counter name with terminator */
#define STATS_ROLE_NAME_MAX 24 /* role name with terminator */

struct stats_entry {
	char name[STATS_NAME_MAX];
	_Atomic uint64_t value;
};

/* Shared layout; 8 KiB exactly so that each block has its own pages. */
struct stats_block {
	char role[STATS_ROLE_NAME_MAX];
	_Atomic uint32_t pid;
	_Atomic uint32_t entries;
	_Atomic uint64_t starts;   /* times a process claimed this block */
	_Atomic uint64_t since_ns; /* wall clock of the last claim */
	_Atomic uint64_t beats;	   /* goes up as long as the role's loop goes round */
	_Alignas(64) struct stats_entry entry[STATS_ENTRIES_MAX];
	uint8_t pad[8192 - 64 - sizeof(struct stats_entry) * STATS_ENTRIES_MAX];
};

struct stats_page; /* header and blocks, stats.c */

/* A mapping of the page. */
struct stats_map {
	struct stats_page *page; /* NULL = none */
	size_t len;
	uint32_t roles; /* blocks that the mapping really holds */
};

/* What a role writes through: pointers into its block. */
struct stats_writer {
	struct stats_block *block;
	uint32_t entries;
};

/* Row makers for an X(CONSTANT, "name", ...) list; further columns are the owner's. */
#define STATS_ENUM_ROW(constant, ...) constant,
#define STATS_NAME_ROW(constant, name, ...) name,

/*
 * Makes a page with `roles` empty blocks and returns its descriptor (read-write). With a
 * path: a file of mode 0644 put in place by rename, so that a reader of an older page keeps
 * that one; path NULL: a memfd.
 */
KM_MUST_CHECK int stats_create(const char *path, uint32_t roles, struct km_err *err);

/* Maps a page for writing (the role's side). fd stays the caller's. */
KM_MUST_CHECK int stats_map_rw(struct stats_map *map, int fd, struct km_err *err);

/* Maps the page at `path` read-only (status, tests). */
KM_MUST_CHECK int stats_map_ro(struct stats_map *map, const char *path, struct km_err *err);

/* Same from a descriptor. */
KM_MUST_CHECK int stats_map_ro_fd(struct stats_map *map, int fd, struct km_err *err);

void stats_unmap(struct stats_map *map);

/*
 * Takes block `index` for `role` with counters names[0..n). If the block already carries
 * this role and exactly these names (the role was restarted), the values go on; else they
 * start at 0. The writer lives as long as the mapping.
 */
KM_MUST_CHECK int stats_claim(struct stats_map *map, struct stats_writer *writer,
			      uint32_t index, const char *role, const char *const *names,
			      uint32_t n, struct km_err *err);

/* Writer side; id < n of stats_claim (an id beyond is ignored: never a wild write). */
static inline void stats_set(struct stats_writer *w, uint32_t id, uint64_t value)
{
	if (id < w->entries)
		atomic_store_explicit(&w->block->entry[id].value, value,
				      memory_order_relaxed);
}

static inline uint64_t stats_get(const struct stats_writer *w, uint32_t id)
{
	if (id >= w->entries)
		return 0;
	return atomic_load_explicit(&w->block->entry[id].value, memory_order_relaxed);
}

static inline void stats_add(struct stats_writer *w, uint32_t id, uint64_t delta)
{
	stats_set(w, id, stats_get(w, id) + delta);
}

/* Raises a high-water mark. */
static inline void stats_max(struct stats_writer *w, uint32_t id, uint64_t value)
{
	if (value > stats_get(w, id))
		stats_set(w, id, value);
}

/* Where the role of block `index` counts its beats (role.h): as long as the mapping; NULL when
 * there is no such block. */
_Atomic uint64_t *stats_beat_cell(struct stats_map *map, uint32_t index);

/* The beats that process `pid` counted in block `index`; false when the block is not its. */
bool stats_beats(const struct stats_map *map, uint32_t index, uint32_t pid,
		 uint64_t *beats);

/* Reader side: value of role/name, false when there is no such counter. */
bool stats_find(const struct stats_map *map, const char *role, const char *name,
		uint64_t *value);

/* The same of the page in RUN_DIR, mapped for the moment. UINT64_MAX: RUN_DIR is NULL, or there is
 * no page or no such counter. */
uint64_t stats_ask(const char *run_dir, const char *role, const char *name);

/* Everything, bounded and cleaned, to out: "role.name value" lines, or one JSON object
 * {"role": {"pid": .., "starts": .., "counters": {"name": value}}}. */
void stats_print_text(const struct stats_map *map, FILE *out);
void stats_print_json(const struct stats_map *map, FILE *out);

/* The same in Prometheus' text format: PREFIX_role_name, and the rows of one channel ("ch7_name") as
 * PREFIX_role_name{channel="7"}, each name's samples together. Their types are not told. */
void stats_print_prometheus(const struct stats_map *map, const char *prefix, FILE *out);

#endif
