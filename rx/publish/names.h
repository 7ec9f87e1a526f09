// SPDX-License-Identifier: ISC
/*
 * names.h: which object stands under which path of tree/, STATE/<channel>/names. A name
 * in tree/ is ours only when a row says so and what is there is what the row describes;
 * a row is on disk before the name changes. Rows of a path are linked backwards, so that
 * the generations of a path can be counted. Memory: 16 bytes per path, whatever its
 * length.
 *
 * rx publish and `verify`; one thread.
 */
#ifndef NAMES_H
#define NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "append.h"
#include "digest.h"
#include "wire_limits.h"

#define NAMES_NONE UINT64_MAX

/* The file under a path: chain 0 = none of ours. */
struct names_visible {
	uint64_t chain, number;
	uint64_t size, inode;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint8_t digest[DIGEST_LEN];
};

enum names_kind {
	NAMES_PLACED = 1, /* chain/number is about to be (or is) visible */
	NAMES_ASIDE =
		2, /* chain/number went to generations/ at once; visible is unchanged */
	NAMES_UNDONE = 3, /* chain/number could not be placed; visible is what was before */
};

struct names_row {
	uint8_t kind;
	uint64_t chain, number;
	struct names_visible visible;
	uint64_t prev; /* row before of the same path, NAMES_NONE */
};

struct names {
	struct append log;
	struct names_slot *slot;
	size_t slots, used; /* slots: power of two */
	bool bad;	    /* out of memory while reading */
};

KM_MUST_CHECK int names_open(struct names *names, int dir, struct km_err *err);

/* Reads only: names_find() and names_prev() work, nothing else. */
KM_MUST_CHECK int names_open_existing(struct names *names, int dir, struct km_err *err);

/* Latest row of a path. */
bool names_find(const struct names *names, const uint8_t *path, size_t len,
		struct names_row *row);

/* The row before ROW; false when there is none. */
bool names_prev(const struct names *names, const struct names_row *row,
		struct names_row *prev);

/* Appends a row (prev is filled in here); on disk after names_sync(). -1: no memory. */
KM_MUST_CHECK int names_put(struct names *names, const uint8_t *path, size_t len,
			    const struct names_row *row);
/* For tests and tools; place.c syncs names->log in the background. */
KM_MUST_CHECK int names_sync(struct names *names, struct km_err *err);

void names_close(struct names *names);

#endif
