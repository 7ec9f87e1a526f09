// SPDX-License-Identifier: ISC
/*
 * stream_flow: from the table of a channel to its consumers: asks for a way to each, hands over
 * bytes as far as the consumer takes them, ends as the stream ended. What a consumer sends is read
 * and thrown away. Nobody is waited for: a turn does what can be done now.
 *
 * How a consumer sees the end: of a stream that is whole, an end of file. Of one that is not, on TCP
 * a reset; a Unix socket and a FIFO know no such thing.
 *
 * One thread of rx stream. Time is the caller's.
 */
#ifndef STREAM_FLOW_H
#define STREAM_FLOW_H

#include <poll.h>

#include "stream_table.h"

/* A connection that does not come about is given up, and tried again. */
#define STREAM_CONNECT_NS UINT64_C(5000000000)
/* Of a stream that has ended: a consumer that does not come, takes nothing, does not end its own
 * direction, has so long. */
#define STREAM_COME_NS UINT64_C(30000000000)
#define STREAM_LINGER_NS UINT64_C(10000000000)
/* How often one that lingers is looked at. */
#define STREAM_LOOK_NS UINT64_C(20000000)

/* Asks for a way to a consumer; the answer comes by stream_flow_answer(). False: not now. */
typedef bool stream_ask_fn(void *ctx, uint32_t ticket);

/* Lowers *DUE_NS to when stream_flow_run() has something to do without. What is worth waiting for
 * into FDS[STREAM_MOST]; how many. */
unsigned stream_flow_poll(struct stream_table *t, struct pollfd *fds, uint64_t *due_ns);

/* A turn, with what poll() said of FDS. TICKET: the last one given out, of all channels. */
void stream_flow_run(struct stream_table *t, const struct pollfd *fds, stream_ask_fn *ask,
		     void *ctx, uint32_t *ticket, uint64_t now_ns);

/* True: TICKET was of this channel, and FD (-1: none, for the reason ERROR) is its own now. */
bool stream_flow_answer(struct stream_table *t, uint32_t ticket, int fd, int error,
			uint64_t now_ns);

/* True: no consumer has anything to get. */
bool stream_flow_idle(const struct stream_table *t);

#endif
