// SPDX-License-Identifier: ISC
/*
 * datagram: one channel of kind datagram, from its socket to sealed frames. Every message gets
 * the next number of the session, goes into the symbol in hand, and leaves as soon as nothing
 * more waits at the socket (or `gather` later); the window is closed when it is full or `close`
 * after its first message, and its repairs follow at once. Live data never waits on disk: what
 * the lane has no room for stays in the kernel's queue, and what that cannot hold is dropped
 * there and counted (datagram_in.h).
 * One thread of the source role.
 */
#ifndef DATAGRAM_H
#define DATAGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "channel.h"
#include "control.h"
#include "datagram_in.h"
#include "lane_out.h"
#include "tx_config.h"

/* Repairs per go; a full block has at most 128. */
#define DATAGRAM_FRAMES 128u
#define DATAGRAM_LOOK_NS UINT64_C(1000000000)

struct datagram {
	const struct tx_config_live *conf;
	struct lane_out *out;
	struct control *control;
	struct datagram_counts counts;
	struct datagram_in in;
	struct channel channel;
	unsigned place;	    /* in the heartbeat */
	uint64_t number;    /* of the last message that is whole in symbols, 0 = none */
	uint64_t sealed;    /* the last that has left with all of its pieces */
	uint32_t offset;    /* of the message in hand: put so far */
	uint64_t time_ns;   /* when it was taken, CLOCK_REALTIME */
	uint64_t gather_ns; /* when the symbol in hand got its first message */
	uint64_t look_ns;
};

/* FD: bound and non-blocking, borrowed. -1 with err. */
KM_MUST_CHECK int datagram_open(struct datagram *d, const struct tx_config *config,
				const struct tx_config_live *conf, int fd,
				struct lane_out *out, struct control *control,
				struct counts *counts, uint64_t now_ns, struct km_err *err);
void datagram_close(struct datagram *d);

/* Counts of a process before this one, which had the same socket. */
void datagram_resume(struct datagram *d, const struct datagram_counts *counts);

/* A new session: numbers and windows begin anew. */
void datagram_session(struct datagram *d);

/* Put about `budget` bytes of frames into the lane. drain: nothing is taken from the socket,
 * what is in hand leaves. Returns the bytes put. */
uint64_t datagram_step(struct datagram *d, uint64_t budget, bool drain, uint64_t now_ns);

/* When the window or the symbol in hand is to be closed; CLOCK_NEVER: nothing waits. */
uint64_t datagram_next(const struct datagram *d);

/* True while a window is open, its repairs are leaving or messages are in hand. */
bool datagram_busy(const struct datagram *d);

/* True when something is in hand that only waits for room in the lane. */
bool datagram_stuck(const struct datagram *d, uint64_t now_ns);

/* Messages that tx had to drop, by whatever reason. */
uint64_t datagram_dropped(const struct datagram *d);

#endif
