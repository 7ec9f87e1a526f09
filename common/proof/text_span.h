// SPDX-License-Identifier: ISC
/*
 * text_span: the first steps of a parser of signed text: a line off the cursor, a fixed beginning
 * off a line. A span points into the text and owns nothing. Any thread.
 */
#ifndef TEXT_SPAN_H
#define TEXT_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "cursor.h"

struct span {
	const char *p;
	size_t n; /* bytes */
};

/* The next line, without its LF; *number counts every call. False: no LF is left. */
static inline bool span_line(struct rd *rd, unsigned *number, struct span *line)
{
	const char *at = (const char *)rd->p + rd->used;
	const char *end = rd_left(rd) ? memchr(at, '\n', rd_left(rd)) : NULL;

	(*number)++;
	if (!end)
		return false;
	line->p = at;
	line->n = (size_t)(end - at);
	rd_skip(rd, line->n + 1);
	return true;
}

/* Takes PREFIX off the front of S. False: it does not begin so, and is as it was. */
static inline bool span_strip(struct span *s, const char *prefix)
{
	const size_t n = strlen(prefix);

	if (s->n < n || memcmp(s->p, prefix, n) != 0)
		return false;
	s->p += n;
	s->n -= n;
	return true;
}

#endif
