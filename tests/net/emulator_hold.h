// SPDX-License-Identifier: ISC
/*
 * Frames that the emulator keeps for later: held back by a number of frames (reordering)
 * or by a time (delay). Both are first-in first-out queues of copies with a due value (a
 * frame count or nanoseconds), so one module serves both. Memory is mapped at start and
 * faulted in as it is used. One thread, no I/O.
 */
#ifndef EMULATOR_HOLD_H
#define EMULATOR_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct emulator_hold {
	uint8_t *memory;
	size_t bytes;	   /* of memory */
	size_t head, tail; /* offsets of the oldest entry and of the free space */
	size_t wrap;	   /* where the entries end when tail has gone round */
	uint64_t count;
};

/* Room for @bytes of frames (each takes 16 bytes more). 0, or -1 with errno. */
int emulator_hold_open(struct emulator_hold *h, size_t bytes);

/* Copy a frame in, @due not below that of the one before. False when there is no room. */
bool emulator_hold_push(struct emulator_hold *h, const uint8_t *p, size_t bytes,
			uint64_t due, bool twice);

/* The due value of the oldest frame. False when there is none. */
bool emulator_hold_due(const struct emulator_hold *h, uint64_t *due);

/* The oldest frame; valid until the push after the emulator_hold_drop() that follows.
 * Only when count > 0. */
uint8_t *emulator_hold_oldest(struct emulator_hold *h, size_t *bytes, bool *twice);

/* Forget the oldest frame. Only when count > 0. */
void emulator_hold_drop(struct emulator_hold *h);

void emulator_hold_close(struct emulator_hold *h);

#endif
