// SPDX-License-Identifier: ISC
#include "lane_in.h"

#include <string.h>

int lane_in_gather(struct ring *ring, const struct lane_plan *plan,
		   const struct lane_in_limits *limits, uint64_t allowance,
		   struct iovec *frames, bool *announce)
{
	uint64_t first, bytes = 0;
	uint32_t n, used = 0;

	if (ring_peek(ring, limits->batch, &first, &n) != KM_OK)
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *slot = ring_slot(ring, first + i);
		struct lane_desc desc;

		memcpy(&desc, slot, sizeof(desc)); /* once: it may change */
		if (desc.length < limits->least || desc.length > limits->most ||
		    desc.length > plan->stride - sizeof(desc))
			return -1;
		if (used > 0 && bytes + limits->head_len + desc.length > allowance)
			break;
		if (used == 0)
			*announce = (desc.flags & LANE_ANNOUNCE) != 0;
		frames[used].iov_base = (void *)(uintptr_t)(slot + sizeof(desc));
		frames[used++].iov_len = desc.length;
		bytes += limits->head_len + desc.length;
	}
	if (used < n && ring_cancel(ring, n - used) != KM_OK)
		return -1;
	return (int)used;
}
