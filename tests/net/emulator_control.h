// SPDX-License-Identifier: ISC
/*
 * Lines on standard input that change the schedule of a running emulator. Only splits the
 * input into lines; what they mean is the bridge's business. One thread.
 */
#ifndef EMULATOR_CONTROL_H
#define EMULATOR_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#define EMULATOR_LINE_BYTES 1024u

struct emulator_control {
	char line[EMULATOR_LINE_BYTES];
	size_t used;
	bool too_long; /* the line at hand is dropped up to its end */
};

/* Read what is there on @fd (which poll() found readable) and call @handle for each whole
 * line, without its newline; NULL stands for a line that was too long. False at end of
 * file. */
bool emulator_control_read(struct emulator_control *c, int fd,
			   void (*handle)(void *arg, char *line), void *arg);

#endif
