// SPDX-License-Identifier: ISC
#include "extents.h"

#include <stdlib.h>
#include <string.h>

/*
 * Index of the first range that ends at or after `at`: the first one that could touch
 * it.
 */
static size_t extents_find(const struct extents *set, uint64_t at)
{
	size_t low = 0, high = set->n;

	/* Bytes come mostly in order: look at the last range first. */
	if (high > 0 && set->v[high - 1].to < at)
		return high;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (set->v[mid].to < at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static enum km_rc extents_insert(struct extents *set, size_t at, uint64_t from, uint64_t to)
{
	if (set->n >= EXTENTS_MAX)
		return KM_ERR_LIMIT;
	if (set->n == set->cap) {
		size_t cap = set->cap ? set->cap * 2 : 2;
		struct extent *v = realloc(set->v, cap * sizeof(*v));

		if (!v)
			return KM_ERR_NOMEM;
		set->v = v;
		set->cap = cap;
	}
	memmove(&set->v[at + 1], &set->v[at], (set->n - at) * sizeof(set->v[0]));
	set->v[at] = (struct extent){.from = from, .to = to};
	set->n++;
	return KM_OK;
}

enum km_rc extents_add(struct extents *set, uint64_t from, uint64_t to)
{
	size_t first = extents_find(set, from), last = first;

	if (from >= to)
		return KM_ERR_RANGE;
	if (first == set->n || set->v[first].from > to)
		return extents_insert(set, first, from, to);
	/* [first, last] all touch or overlap: they become one. */
	while (last + 1 < set->n && set->v[last + 1].from <= to)
		last++;
	if (set->v[first].from > from)
		set->v[first].from = from;
	if (set->v[last].to > to)
		to = set->v[last].to;
	set->v[first].to = to;
	memmove(&set->v[first + 1], &set->v[last + 1],
		(set->n - last - 1) * sizeof(set->v[0]));
	set->n -= last - first;
	return KM_OK;
}

bool extents_hole(const struct extents *set, uint64_t from, uint64_t to,
		  uint64_t *hole_from, uint64_t *hole_to)
{
	size_t i;

	if (from >= to)
		return false;
	i = extents_find(set, from);
	if (i < set->n && set->v[i].from <= from) {
		from = set->v[i].to > from ? set->v[i].to : from;
		i++;
		if (from >= to)
			return false;
	}
	*hole_from = from;
	*hole_to = i < set->n && set->v[i].from < to ? set->v[i].from : to;
	return true;
}

bool extents_covers(const struct extents *set, uint64_t from, uint64_t to)
{
	uint64_t a, b;

	return !extents_hole(set, from, to, &a, &b);
}

bool extents_touches(const struct extents *set, uint64_t from, uint64_t to)
{
	uint64_t a, b;

	if (from >= to)
		return false;
	return !extents_hole(set, from, to, &a, &b) || a != from || b != to;
}

uint64_t extents_run(const struct extents *set, uint64_t start)
{
	size_t i = extents_find(set, start);

	/* The first that could touch may end at START: merged, none begins there. */
	if (i < set->n && set->v[i].from <= start && set->v[i].to > start)
		return set->v[i].to;
	return start;
}

uint64_t extents_end(const struct extents *set)
{
	return set->n ? set->v[set->n - 1].to : 0;
}

uint64_t extents_within(const struct extents *set, uint64_t from, uint64_t to)
{
	uint64_t total = 0;

	for (size_t i = extents_find(set, from); i < set->n && set->v[i].from < to; i++) {
		uint64_t a = set->v[i].from > from ? set->v[i].from : from;
		uint64_t b = set->v[i].to < to ? set->v[i].to : to;

		if (b > a)
			total += b - a;
	}
	return total;
}

uint64_t extents_total(const struct extents *set)
{
	return extents_within(set, 0, UINT64_MAX);
}

enum km_rc extents_copy(struct extents *to, const struct extents *from)
{
	*to = (struct extents){0};
	if (from->n == 0)
		return KM_OK;
	to->v = malloc(from->n * sizeof(*to->v));
	if (!to->v)
		return KM_ERR_NOMEM;
	memcpy(to->v, from->v, from->n * sizeof(*to->v));
	to->n = to->cap = from->n;
	return KM_OK;
}

void extents_free(struct extents *set)
{
	free(set->v);
	*set = (struct extents){0};
}
