// SPDX-License-Identifier: ISC
/*
 * datagram_in: the taking end of a live channel: a socket that the supervisor made, read in
 * batches, and what is let in: sources, sizes, rates. It is that of the producers, UDP or Unix,
 * or one end of a pair at the other end of which a role of ours puts its messages in. The queue is the kernel's
 * (receive_buffer): nothing is stored here beyond the batch in hand, so a flood costs its
 * sender and nobody else. What is dropped is counted by its reason. It never waits.
 * One thread of the source role.
 */
#ifndef DATAGRAM_IN_H
#define DATAGRAM_IN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "km_err.h"
#include "tx_config.h"
#include "wire_limits.h"

#define DATAGRAM_BATCH 32u

/* X(field, meaning): what one channel counts; messages, where nothing else is said. */
#define DATAGRAM_COUNTS(X)                                                                 \
	X(messages, "taken, numbered and sealed")                                          \
	X(bytes, "of these messages")                                                      \
	X(overflow, "dropped by the kernel: the socket's queue was full")                  \
	X(over_rate, "dropped: above max_messages or max_rate")                            \
	X(too_long, "dropped: longer than max_size")                                       \
	X(not_allowed, "dropped: from a source that is not in allow")                      \
	X(cut_off, "numbered in a session that ended before they were sealed")

#define DATAGRAM_FIELD(field, meaning) uint64_t field;
struct datagram_counts {
	DATAGRAM_COUNTS(DATAGRAM_FIELD)
};
#undef DATAGRAM_FIELD

/* A token bucket: `rate` units a second, bursts of at most 100 ms, or of one message. Pure. */
struct datagram_limit {
	uint64_t rate;	       /* 0: no limit */
	uint64_t credit, most; /* in units * 10^6 */
	uint64_t at_us;
};
void datagram_limit_init(struct datagram_limit *limit, uint64_t rate, uint64_t largest,
			 uint64_t now_ns);
/* Takes COST (<= largest) units if they are there. */
bool datagram_limit_take(struct datagram_limit *limit, uint64_t cost, uint64_t now_ns);

struct datagram_in {
	const struct tx_config_live *conf;
	struct datagram_counts *counts;
	int fd; /* borrowed */
	struct datagram_limit messages, bytes;
	uint32_t drops;			/* the kernel's counter as last seen */
	uint8_t *room;			/* DATAGRAM_BATCH * (max_size + 1) */
	uint8_t let_in[DATAGRAM_BATCH]; /* places in the batch of what policy takes */
	unsigned count, next;		/* of these */
	struct mmsghdr head[DATAGRAM_BATCH];
	struct iovec piece[DATAGRAM_BATCH];
	struct sockaddr_in from[DATAGRAM_BATCH];
	bool addressed; /* messages come from addresses */
};

struct datagram_message {
	const uint8_t *data; /* until the next datagram_in_done() */
	size_t len;
	uint8_t source[WIRE_SOURCE_IPV4];
	uint8_t source_len; /* 0: it came by a socket of this host */
};

/* CONF and COUNTS are borrowed. */
KM_MUST_CHECK int datagram_in_open(struct datagram_in *in,
				   const struct tx_config_live *conf, int fd,
				   struct datagram_counts *counts, uint64_t now_ns,
				   struct km_err *err);
void datagram_in_close(struct datagram_in *in);

/*
 * The message that is next; it stays so until datagram_in_done(). False: none waits, or of a
 * whole batch none was let in (poll() then says at once that there is more).
 */
bool datagram_in_peek(struct datagram_in *in, struct datagram_message *message,
		      uint64_t now_ns);
void datagram_in_done(struct datagram_in *in);

/* Bytes of the batch in hand that are not done. */
uint64_t datagram_in_waiting(const struct datagram_in *in);

/* True when a message is in hand that was let in but is not done. */
static inline bool datagram_in_holds(const struct datagram_in *in)
{
	return in->next < in->count;
}

/* Read the kernel's drop counter: about every second. */
void datagram_in_look(struct datagram_in *in);

#endif
