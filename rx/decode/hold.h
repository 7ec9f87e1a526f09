// SPDX-License-Identifier: ISC
/*
 * Frames of sessions whose announce has not been seen yet, in one fixed buffer: when it
 * is full the oldest go, because the newest are next to those that will be read at once.
 * Only frames whose clear header is in order come here; nothing in them is authentic.
 *
 * Not a queue of work: frames leave by replay (their session was accepted), by age, or
 * pushed out.
 */
#ifndef HOLD_H
#define HOLD_H

#include <stddef.h>
#include <stdint.h>

#include "rx_arena.h"

#define HOLD_AGE_NS UINT64_C(10000000000) /* 20 announce periods */

struct hold {
	uint8_t *p;
	uint64_t size;
	uint64_t head, tail; /* positions that only rise; modulo size */
	uint64_t frames;     /* alive */
};

typedef void hold_fn(void *ctx, const uint8_t *frame, size_t len);

void hold_lay(struct hold *h, uint64_t bytes, struct rx_arena *arena);

/* Keep a copy. Returns how many frames were dropped for it: older ones, or this one when
 * it is larger than the buffer. */
uint64_t hold_put(struct hold *h, uint32_t tag, const uint8_t *frame, size_t len,
		  uint64_t now_ns);

/* Hand every frame of TAG to FN in order of arrival and forget it; returns their number.
 * FN must not call hold_put(). FN NULL: only forget. */
uint64_t hold_replay(struct hold *h, uint32_t tag, hold_fn *fn, void *ctx);

/* Forget what is older than HOLD_AGE_NS; returns the number. */
uint64_t hold_expire(struct hold *h, uint64_t now_ns);

#endif
