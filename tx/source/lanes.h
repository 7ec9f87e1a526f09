// SPDX-License-Identifier: ISC
/*
 * lanes: the lanes of all workers, as the source's loop sees them. Worker 0 is the loop itself;
 * the lanes of the others are lent to their threads while these work (worker.h), and the loop
 * then only reads their counts, which may be a little behind what the sender has done.
 * The loop's thread.
 */
#ifndef LANES_H
#define LANES_H

#include "lane_out.h"

struct lanes {
	struct lane_out out[LANE_WORKERS_MAX];
	bool lent[LANE_WORKERS_MAX];
	unsigned count; /* workers */
};

KM_MUST_CHECK int lanes_open(struct lanes *lanes, const struct lane_plan *plan,
			     const struct lane_out_memory *memory, const uint8_t *ether,
			     uint32_t ether_len, struct km_err *err);
void lanes_close(struct lanes *lanes);

/* lane_out_key() of all; none may be lent. */
KM_MUST_CHECK int lanes_key(struct lanes *lanes, const uint8_t secret[SEAL_SECRET_LEN],
			    const uint8_t transcript[SEAL_TRANSCRIPT_LEN],
			    struct km_err *err);

/* lane_out_refresh() of all that are not lent. */
void lanes_refresh(struct lanes *lanes);
/* The sender has released everything (as of refresh), and none is lent. */
bool lanes_drained(const struct lanes *lanes);
bool lanes_dead(const struct lanes *lanes);

/* Sums over all lanes of the session: frames sealed; accepted. */
uint64_t lanes_sealed(const struct lanes *lanes);
uint64_t lanes_accepted(const struct lanes *lanes);
/* Frames ever submitted, control not counted. */
uint64_t lanes_data(const struct lanes *lanes);
/* The highest sequence that any lane has come to. */
uint64_t lanes_highest(const struct lanes *lanes);

#endif
