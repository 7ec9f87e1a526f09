// SPDX-License-Identifier: ISC
/*
 * bout.h: how often a count of what a flood can repeat is said: when it begins, then once a
 * minute with what has come since, the last time a minute after its end. Pure.
 */
#ifndef BOUT_H
#define BOUT_H

#include <stdbool.h>
#include <stdint.h>

#define BOUT_NS UINT64_C(60000000000)

/* Begins as zero. */
struct bout {
	bool said;
	uint64_t said_ns;
	uint64_t held; /* has come, and was not said yet */
};

/* N more have come by NOW_NS (monotonic); 0: nothing has. True: say *count now. */
bool bout_note(struct bout *bout, uint64_t n, uint64_t now_ns, uint64_t *count);

#endif
