// SPDX-License-Identifier: ISC
/*
 * What the emulator tells: the list (one line per frame it touched) and the summary
 * (JSON). The formats are described in emulator.c's help text and read by harness/emu.py.
 * One thread. The list is buffered; it is complete after emulator_list_close().
 */
#ifndef EMULATOR_LIST_H
#define EMULATOR_LIST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "emulator_frame.h"
#include "emulator_model.h"

/* Everything is counted in frames of our EtherType unless it says otherwise. Conserved:
 * forwarded + held + send_failed = frames_in - lost + duplicated. */
struct emulator_counts {
	uint64_t frames_in, data_frames, other_frames, bytes_in;
	uint64_t forwarded, bytes_forwarded;
	uint64_t lost, lost_data, lost_by[EMULATOR_WHY_COUNT];
	uint64_t duplicated, reordered, corrupted, truncated;
	uint64_t foreign, foreign_forwarded; /* frames of other EtherTypes */
	uint64_t held;			     /* not sent yet: held back or delayed */
	uint64_t own_drops;    /* the kernel found our receive ring full, or we gave up */
	uint64_t link_down;    /* times the receiving interface went down */
	uint64_t send_failed;  /* the kernel refused it for good */
	uint64_t send_retries; /* ENOBUFS: the same frame was offered again */
	uint64_t abandoned;    /* 1: told twice to stop, what was still inside is gone */
};

/* What was done to one frame; bit, cut_bytes and distance count only with their flag. */
struct emulator_touch {
	const struct emulator_decision *decision;
	const struct emulator_frame *frame; /* NULL when unknown (prediction) */
	bool corrupted, truncated; /* what was really done: a 14-byte frame cannot be */
	uint64_t bit, cut_bytes;
	uint32_t distance;
};

/* One line of the list to @out; nothing when the frame was left alone. */
void emulator_list_write(FILE *out, const struct emulator_touch *t);

/* The summary as one JSON object on one line. */
void emulator_list_json(FILE *out, const struct emulator_counts *c, uint64_t seed);

/* The same into the file @path, which is either the old one or whole: written beside it,
 * flushed and renamed. 0, or -1 with errno. */
int emulator_list_summary(const char *path, const struct emulator_counts *c, uint64_t seed);

/* Flush and close @out. 0, or -1 when any line of it could not be written. */
int emulator_list_close(FILE *out);

#endif
