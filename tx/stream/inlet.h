// SPDX-License-Identifier: ISC
/*
 * inlet: the producers of one stream channel: who may connect, what they bring, as messages of
 * common/wire/stream.h into the pair whose other end is the source's. Nothing is ever sent to a
 * producer. No producer waits for another: each connection has one read a turn, and what is read
 * is in the pair, or in the one buffer of the channel, before the next read.
 *
 * When the pair is full, a channel with overflow = wait reads no more, so that the kernel tells
 * its producers to wait; with overflow = drop it reads on, and the offsets leave a gap.
 *
 * One thread of tx stream. Time is the caller's; nothing blocks.
 */
#ifndef INLET_H
#define INLET_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "stats.h"
#include "stream.h"
#include "tx_config.h"

/*
 * Bytes of a message: what one read takes. A few symbols of the largest frame, a dozen of the
 * smallest: that makes a system call on each of the five hops between producer and consumer cheap
 * beside the bytes, and one message is still no more than a tenth of a small window.
 */
#define INLET_CHUNK 16384u
#define INLET_ALIVE_NS UINT64_C(1000000000)
/* So often ALIVE says that nothing is open, in case the last CLOSE was lost. */
#define INLET_EMPTY_ROUNDS 5u
/* A FIFO without a writer shows as readable all the time, and so does a listener that we cannot
 * take from: they are looked at so often. */
#define INLET_LOOK_NS UINT64_C(50000000)
/* Descriptors that inlet_poll() may ask for. */
#define INLET_POLL_MAX (STREAM_OPEN_MAX + 2u)

#define INLET_COUNTS(X)                                                                    \
	X(INLET_OPEN, "open")	    /* connections now */                                  \
	X(INLET_OPENED, "opened")   /* ever */                                             \
	X(INLET_BROKEN, "broken")   /* of these: reset, or their producer vanished */      \
	X(INLET_REFUSED, "refused") /* beyond `connections` */                             \
	X(INLET_NOT_ALLOWED, "not_allowed")                                                \
	X(INLET_BYTES, "bytes")		  /* handed on */                                  \
	X(INLET_DROPPED, "dropped_bytes") /* overflow = drop: there was no room */         \
	X(INLET_WAITS, "waits")		  /* overflow = wait: reading stopped so often */

enum inlet_count { INLET_COUNTS(STATS_ENUM_ROW) INLET_COUNT };

struct inlet_conn {
	int fd;		 /* -1: closed, its CLOSE is still to be said */
	uint64_t number; /* 0: the place is free, or the FIFO has no writer */
	uint64_t offset; /* of the next byte */
	bool open_due, close_due;
	uint8_t end; /* enum stream_end, of the CLOSE that is due */
	uint8_t source_len, source[STREAM_SOURCE];
	unsigned polled; /* place in the last poll set, 0: none */
};

struct inlet {
	const struct tx_config_live *conf;
	int listen, feed; /* borrowed */
	bool fifo;
	bool closing; /* takes no new connections */
	bool full;    /* the pair had no room */
	bool held;    /* a message of DATA that found none waits in `room` */
	bool alive_due;
	uint32_t run;
	uint64_t newest;
	uint64_t alive_ns, look_ns; /* when they are due */
	unsigned turn, rounds;
	unsigned held_by; /* whose message waits */
	size_t held_len;
	uint64_t count[INLET_COUNT];
	int polled_listen, polled_feed; /* place in the last poll set, -1: none */
	struct inlet_conn conn[STREAM_OPEN_MAX];
	uint8_t room[STREAM_DATA_HEAD + INLET_CHUNK];
};

/* Zero before. LISTEN, FEED: non-blocking, borrowed. RUN: random. */
void inlet_open(struct inlet *in, const struct tx_config_live *conf, int listen, int feed,
		uint32_t run, uint64_t now_ns);

/* What is worth waiting for, into FDS[INLET_POLL_MAX]; how many. Lowers *DUE_NS to when inlet_run()
 * has something to do even without. */
unsigned inlet_poll(struct inlet *in, struct pollfd *fds, uint64_t now_ns,
		    uint64_t *due_ns);

/* A turn, with what poll() said of FDS. True: something moved. */
bool inlet_run(struct inlet *in, const struct pollfd *fds, uint64_t now_ns);

/* No new connections. */
void inlet_stop(struct inlet *in);

/* Ends every connection as stopped by us; true once all of it is said. */
bool inlet_finish(struct inlet *in);

#endif
