// SPDX-License-Identifier: ISC
/*
 * A set of frame numbers kept as ranges: the bursts and the drop list of the emulator.
 * Allocates when something is added, never when it is asked. One thread.
 */
#ifndef EMULATOR_RANGES_H
#define EMULATOR_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct emulator_range {
	uint64_t first;
	uint64_t last; /* included */
};

/* Zero-initialised is empty. Sorted, disjoint and not touching at all times. */
struct emulator_ranges {
	struct emulator_range *v;
	size_t count;
	size_t room;
};

/* Add [@first, @last]; overlapping and touching ranges melt together. 0, or -1 when
 * memory is short or last < first (the set is then unchanged). */
int emulator_ranges_add(struct emulator_ranges *r, uint64_t first, uint64_t last);

/* The range that holds @n, or NULL. Valid until the next add. */
const struct emulator_range *emulator_ranges_find(const struct emulator_ranges *r,
						  uint64_t n);

/* Free the memory; the set is empty afterwards. */
void emulator_ranges_clear(struct emulator_ranges *r);

#endif
