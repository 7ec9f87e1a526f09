// SPDX-License-Identifier: ISC
/*
 * The wall between rx decode and rx publish, data: the window segment, one
 * memfd of `slots` slots of `stride` bytes, faulted in at start; decode maps it
 * read-write, publish read-only. A slot holds one opened (or repaired) symbol.
 * publish treats every byte as changing under its eyes: it copies once into
 * private memory and looks only at the copy.
 */
#ifndef SEGMENT_H
#define SEGMENT_H

#include <stdint.h>

struct segment_plan {
	uint32_t slots;
	uint32_t stride; /* odd number of cache lines, >= the largest symbol */
};

static inline uint64_t segment_bytes(const struct segment_plan *plan)
{
	return (uint64_t)plan->slots * plan->stride;
}

#endif
