// SPDX-License-Identifier: ISC
/*
 * The wall between rx decode and rx sink: one ring (base/ring.h), decode produces, the sink
 * consumes. A message takes as many consecutive slots as it needs, all submitted at once: the
 * head of the first slot, then its bytes, running over into the following slots. decode never
 * waits for the sink: what finds no room is given up, counted and named.
 *
 * decode may be hostile: the sink reads a head once, checks it against its own configuration
 * and the slots that are there, and ends the pair on what no honest decode can say. The bytes
 * are a consumer's business; they may change while they are sent.
 *
 * The sink releases what the kernel has taken: after a kill at most SINK_BATCH messages are
 * sent again.
 */
#ifndef SINK_H
#define SINK_H

#include <stddef.h>
#include <stdint.h>

#include "ring.h"
#include "wire_limits.h"

#define SINK_SLOT 2048u
#define SINK_SLOTS 4096u
#define SINK_CHANNELS 16u
#define SINK_BATCH 32u

struct sink_head {
	uint16_t place; /* of the channel among the live channels of the configuration */
	uint16_t reserved;
	uint32_t len; /* bytes that follow, <= WIRE_MESSAGE_MAX */
	uint64_t number, tx_time_ns;
	uint32_t session; /* tag */
	uint8_t source_len;
	uint8_t source[WIRE_SOURCE_IPV6];
	uint8_t pad[1];
};
_Static_assert(sizeof(struct sink_head) == 48, "layout of a head");

static inline uint32_t sink_slots(uint32_t len)
{
	return (uint32_t)(sizeof(struct sink_head) + len + SINK_SLOT - 1) / SINK_SLOT;
}

/* The sink memfd is one plain ring at offset 0 with its own bells. */
static inline size_t sink_bytes(void)
{
	return ring_bytes(SINK_SLOT, SINK_SLOTS);
}

#endif
