// SPDX-License-Identifier: ISC
/*
 * The inner half of window.h: the table of windows, their slots and their ends. Called by
 * window.c only (which knows symbols and blocks).
 */
#ifndef WINDOW_TABLE_H
#define WINDOW_TABLE_H

#include "window.h"

/* What became of a number that is not open. */
enum window_past {
	WINDOW_PAST_NEVER, /* may be opened */
	WINDOW_PAST_WHOLE, /* ended whole: nothing is of use any more */
	WINDOW_PAST_GONE,  /* ended with holes, or too old to know */
};

struct window_stream *window_stream(struct windows *ws, const struct window_where *where);
struct window *window_find(const struct window_stream *st, uint32_t number);
/* LANE: that of the frame, or WINDOW_NO_LANE where it is not known (a close record). */
#define WINDOW_NO_LANE UINT16_MAX
enum window_past window_past(const struct window_stream *st,
			     const struct window_where *where, uint16_t lane,
			     uint32_t number);

/* Open NUMBER with the geometry of H, ending the oldest when there are too many. NULL
 * when the role is leaving. */
struct window *window_open(struct windows *ws, const struct window_where *where,
			   const struct frame_header *h, uint64_t now_ns);

/* End W, name what is missing. */
void window_finish(struct windows *ws, struct window *w);

/* A slot, never taken from KEEP (may be NULL). */
uint32_t window_slot(struct windows *ws, const struct window *keep);

/* Take the repair symbols (or, ALL, everything) of a block off its list and free them. */
void window_block_strip(struct windows *ws, struct window *w, struct window_block *b,
			bool all);

/* A whole window of which only the close record came: all SYMBOLS are missing. */
void window_never_seen(struct windows *ws, const struct window_where *where,
		       const struct window_close *c);

/* Symbols of block B of a window of N sources. */
static inline uint32_t window_block_k(uint32_t n, uint32_t depth, uint32_t b)
{
	return n <= b ? 0 : (n - b + depth - 1) / depth;
}

#endif
