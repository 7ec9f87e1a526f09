// SPDX-License-Identifier: ISC
/*
 * live: all live channels of the source, as its loop sees them. They are one class (realtime)
 * and take turns; the loop gives them their turn before every share of the other classes.
 * One thread of the source role.
 */
#ifndef LIVE_H
#define LIVE_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "datagram.h"

struct live {
	struct datagram *channel[TX_LIVES_MAX];
	unsigned count;
	unsigned turn; /* who goes first */
	struct lane_out *out;
};

/* fds: the socket of each datagram channel of the configuration, borrowed. */
KM_MUST_CHECK int live_open(struct live *live, const struct tx_config *config,
			    const int *fds, struct lane_out *out, struct control *control,
			    struct counts *counts, struct km_err *err);
void live_close(struct live *live);
void live_session(struct live *live);

/* One turn of each. Returns the bytes put into the lane. */
uint64_t live_step(struct live *live, bool drain, uint64_t now_ns);

/* When live_step() next has something to close. */
uint64_t live_next(const struct live *live);
bool live_busy(const struct live *live);

/* True when what is in hand waits for room in the lane: the sockets need not be looked at. */
bool live_stuck(const struct live *live, uint64_t now_ns);

/* One entry per channel for poll(); returns how many. */
unsigned live_poll(const struct live *live, struct pollfd *fds);

/* Bytes of FEC windows. */
size_t live_pool_bytes(const struct live *live);

#endif
