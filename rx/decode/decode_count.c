// SPDX-License-Identifier: ISC
#include "decode_count.h"

#include <string.h>

const char *const decode_count_names[COUNT_ROWS] = {DECODE_COUNTS(STATS_NAME_ROW)};

_Static_assert(COUNT_ROWS <= STATS_ENTRIES_MAX, "the stats block has room for all rows");
_Static_assert(COUNT_LANE1_HIGHEST - COUNT_LANE0_HIGHEST == DECODE_COUNT_LANE_ROWS,
	       "rows of one lane");

void decode_counts_load(struct decode_counts *c, const struct stats_writer *w)
{
	uint64_t held = stats_get(w, COUNT_HELD);

	memset(c, 0, sizeof(*c));
	for (uint32_t i = 0; i < COUNT_HELD; i++)
		c->v[i] = stats_get(w, i);
	c->v[COUNT_HOLD_DROPPED] += held;
	c->v[COUNT_REFUSED_UNKNOWN] += held;
	c->v[COUNT_MARGIN_WORST] = UINT64_MAX;
}

void decode_counts_store(const struct decode_counts *c, struct stats_writer *w)
{
	for (uint32_t i = 0; i < COUNT_ROWS; i++)
		stats_set(w, i, c->v[i]);
}

bool decode_counts_check(const struct decode_counts *c)
{
	uint64_t out = c->v[COUNT_OPENED] + c->v[COUNT_HELD];

	for (unsigned i = COUNT_REFUSED_SHORT; i <= COUNT_REFUSED_ANNOUNCE; i++)
		out += c->v[i];
	return c->v[COUNT_SEEN] == c->v[COUNT_FOREIGN] + c->v[COUNT_OURS] &&
	       c->v[COUNT_OURS] == out;
}
