// SPDX-License-Identifier: ISC
/*
 * rx_state_serve: the consumers of one channel: whoever connects gets every key as it is, and then
 * each change, a line each. A consumer that does not read fills its own buffer, and then only
 * falls behind: what changes meanwhile is replaced by what changes later, and the next line it takes
 * says how many changes it did not get. Nobody else waits for it, and it costs no more memory.
 *
 * What consumers send is never read. One thread of rx state.
 */
#ifndef RX_STATE_SERVE_H
#define RX_STATE_SERVE_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "rx_state_line.h"
#include "rx_state_table.h"

#define RX_STATE_CONSUMERS 16u
/* Lines on the way to one consumer: one of the longest, and many of usual ones. */
#define RX_STATE_BUFFER (512u << 10)
_Static_assert(RX_STATE_BUFFER >= RX_STATE_LINE_MAX, "a line fits");

struct rx_state_consumer {
	int fd;
	uint64_t seq;	 /* of the table: lines up to here are on their way */
	uint64_t began;	 /* what was so when it came */
	size_t from, to; /* bytes of the buffer that it has not taken */
	uint8_t *buffer;
};

struct rx_state_serve {
	const char *channel;
	int listener; /* borrowed; -1: nobody can come */
	unsigned n;
	struct rx_state_consumer consumer[RX_STATE_CONSUMERS];
	uint64_t lines, coalesced, refused; /* refused: there were RX_STATE_CONSUMERS */
	bool more;			    /* one had its turn, and could take more */
};

void rx_state_serve_init(struct rx_state_serve *s, const char *channel, int listener);
void rx_state_serve_free(struct rx_state_serve *s);

/* Takes those who want to connect. */
void rx_state_serve_accept(struct rx_state_serve *s, const struct rx_state_table *table);

/* Everybody gets what is new, as far as they take it. */
void rx_state_serve_give(struct rx_state_serve *s, const struct rx_state_table *table,
			 uint64_t now_ns);

/* Adds what is to be waited for; returns how many (RX_STATE_CONSUMERS + 1 at most). */
unsigned rx_state_serve_poll(const struct rx_state_serve *s, struct pollfd *fds);
/* Those N have been waited for, and nobody came or went in between: who has gone is let go. */
void rx_state_serve_polled(struct rx_state_serve *s, const struct pollfd *fds, unsigned n);

#endif
