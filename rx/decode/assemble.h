// SPDX-License-Identifier: ISC
/*
 * The records of an opened (or repaired) symbol become messages to publish, or go to live.h. The bytes are
 * authentic but may still be anything a broken tx writes: they are read through the
 * checked cursor only, and what is not understood is counted.
 */
#ifndef ASSEMBLE_H
#define ASSEMBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode_count.h"
#include "delivery.h"
#include "live.h"

struct assemble_symbol {
	uint32_t session; /* tag */
	uint16_t channel;
	uint16_t lane; /* 0 for a repaired one */
	uint8_t stream;
	struct live *live; /* NULL: there are no live channels */
	uint16_t
		channel_index; /* the three of window_where and the window, for live ones */
	uint8_t session_index;
	uint32_t window;
	const uint8_t *p; /* LEN bytes, at byte POS of the segment */
	size_t len;
	uint64_t pos;
};

/* False when the symbol does not parse to its end; what stands before that is
 * delivered. */
bool assemble_deliver(const struct assemble_symbol *s, struct delivery *d,
		      struct decode_counts *counts);

#endif
