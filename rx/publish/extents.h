// SPDX-License-Identifier: ISC
/*
 * extents.h: a set of numbers kept as sorted, merged ranges [from, to). Which bytes of
 * an object are there, which object numbers are settled, which manifests are stored: the
 * same question each time. Not a bitmap: memory follows the number of holes, and that is
 * bounded.
 *
 * rx publish and its tests; one thread. The caller owns the set; {0} is the empty one.
 */
#ifndef EXTENTS_H
#define EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "km_err.h"

/* Ranges of one set: 1 MiB of memory. A 64 GiB object at 1 % random loss has some 70,000
 * holes before its first repair; real windows are repaired long before that. */
#define EXTENTS_MAX 65536u

struct extent {
	uint64_t from, to;
};

struct extents {
	struct extent *v;
	size_t n, cap;
};

/*
 * Adds [from, to). KM_ERR_RANGE when from >= to, KM_ERR_LIMIT when a new range would be
 * one too many, KM_ERR_NOMEM; the set is then as before.
 */
KM_MUST_CHECK enum km_rc extents_add(struct extents *set, uint64_t from, uint64_t to);

/*
 * First hole within [from, to): true and [*hole_from, *hole_to), cut to what was
 * asked.
 */
bool extents_hole(const struct extents *set, uint64_t from, uint64_t to,
		  uint64_t *hole_from, uint64_t *hole_to);

/* True when all of [from, to) is in the set; the empty range always is. */
bool extents_covers(const struct extents *set, uint64_t from, uint64_t to);

/* True when any number of [from, to) is in the set. */
bool extents_touches(const struct extents *set, uint64_t from, uint64_t to);

/* End of the range that begins at START, or START when it is not in the set. */
uint64_t extents_run(const struct extents *set, uint64_t start);

/* One past the highest number, 0 for the empty set. */
uint64_t extents_end(const struct extents *set);

/* How many numbers are in the set; how many of them within [from, to). */
uint64_t extents_total(const struct extents *set);
uint64_t extents_within(const struct extents *set, uint64_t from, uint64_t to);

/* Makes `to`, which is empty, the same set. KM_ERR_NOMEM. */
KM_MUST_CHECK enum km_rc extents_copy(struct extents *to, const struct extents *from);

/* Forgets everything and the memory. */
void extents_free(struct extents *set);

#endif
