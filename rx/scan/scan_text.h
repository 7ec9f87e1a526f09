// SPDX-License-Identifier: ISC
/*
 * scan_text.h: what a program said and how it ended, as a verdict and one line for people.
 * Pure. What a program says is hostile: it may quote the object.
 */
#ifndef SCAN_TEXT_H
#define SCAN_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "scan.h"

/* The first line that is not empty, as far as there is room. Zero = nothing yet. */
struct scan_text {
	char line[SCAN_TEXT_MAX];
	size_t len;
	bool done;
};

/* The next n bytes of output. Anything but printable ASCII becomes '?'. */
void scan_text_add(struct scan_text *text, const char *bytes, size_t n);

/*
 * STATUS is waitpid()'s. Fills verdict and text of *answer: exit code 0 passes, 1 rejects; any
 * other end is an error, and one that we brought about a timeout.
 */
void scan_text_judge(const struct scan_text *text, int status, bool timed_out,
		     struct scan_answer *answer);

#endif
