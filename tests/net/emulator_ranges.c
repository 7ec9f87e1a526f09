// SPDX-License-Identifier: ISC
#include "emulator_ranges.h"

#include <stdlib.h>
#include <string.h>

/* Index of the first range that ends at or behind @n; count when there is none. */
static size_t lower_bound(const struct emulator_ranges *r, uint64_t n)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r->v[mid].last < n)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int make_room(struct emulator_ranges *r)
{
	struct emulator_range *v;
	size_t room = r->room ? r->room * 2 : 16;

	if (r->count < r->room)
		return 0;
	v = realloc(r->v, room * sizeof(*v));
	if (!v)
		return -1;
	r->v = v;
	r->room = room;
	return 0;
}

int emulator_ranges_add(struct emulator_ranges *r, uint64_t first, uint64_t last)
{
	size_t at, end;

	if (last < first || make_room(r))
		return -1;
	/* a range that ends just before @first touches it, hence first - 1 */
	at = lower_bound(r, first ? first - 1 : 0);
	for (end = at; end < r->count; end++) {
		if (last != UINT64_MAX && r->v[end].first > last + 1)
			break;
		if (r->v[end].first < first)
			first = r->v[end].first;
		if (r->v[end].last > last)
			last = r->v[end].last;
	}
	memmove(r->v + at + 1, r->v + end, (r->count - end) * sizeof(*r->v));
	r->count = r->count - (end - at) + 1;
	r->v[at] = (struct emulator_range){first, last};
	return 0;
}

const struct emulator_range *emulator_ranges_find(const struct emulator_ranges *r,
						  uint64_t n)
{
	size_t at = lower_bound(r, n);

	if (at == r->count || r->v[at].first > n)
		return NULL;
	return r->v + at;
}

void emulator_ranges_clear(struct emulator_ranges *r)
{
	free(r->v);
	*r = (struct emulator_ranges){0};
}
