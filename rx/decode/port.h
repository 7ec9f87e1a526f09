// SPDX-License-Identifier: ISC
/*
 * The first look at a link frame: is it ours, is its clear header in order, whose is it.
 * Everything here is unauthenticated; what can be refused is refused before any
 * cryptography, each reason with a counter (decode_count.h has the sums).
 */
#ifndef PORT_H
#define PORT_H

#include <stdint.h>

#include "feed.h"
#include "rx_engine.h"

/* Take what the kernel or capture gave: one frame, or the frames of one datagram. */
void port_take(struct rx_engine *e, const struct feed_frame *frame);

/* A session of TAG was accepted: the frames that waited for it. */
void port_take_held(struct rx_engine *e, uint32_t tag);

/* The announce behind TAG was refused, or frames are too old: they are given up. */
void port_expire_held(struct rx_engine *e);

#endif
