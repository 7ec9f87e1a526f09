// SPDX-License-Identifier: ISC
/* Bytes from the network: header, its limits, and what rx computes from them. */
#include <string.h>

#include "frame.h"
#include "fuzz_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[WIRE_HEADER_LEN];
	struct frame_header h;

	if (frame_header_decode(&h, data, size) != KM_OK)
		return 0;
	FUZZ_ASSERT(frame_bytes(&h) <= size);
	frame_header_encode(again, &h);
	FUZZ_ASSERT(memcmp(again, data, sizeof(again)) == 0);
	FUZZ_ASSERT(frame_header_check(&h) == KM_OK);
	if (h.type == FRAME_ANNOUNCE || h.type == FRAME_TEST)
		return 0;
	FUZZ_ASSERT(h.depth >= 1 &&
		    h.index / h.depth <
			    WIRE_FEC_POINTS - (h.type == FRAME_SOURCE ? h.M : 0u));
	FUZZ_ASSERT(h.type != FRAME_REPAIR ||
		    (h.k >= 1 && h.k + h.M <= (int)WIRE_FEC_POINTS &&
		     h.index / h.depth < h.m && h.m <= h.M));
	FUZZ_ASSERT(h.length <= h.symbol_size && h.lane < WIRE_LANES_MAX);
	return 0;
}
