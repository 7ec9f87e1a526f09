// SPDX-License-Identifier: ISC
/*
 * outlet: one stream on its way to a consumer: how far it has come, and the bytes that the
 * consumer has not taken yet. No policy (stream_table.h), no system call but close().
 */
#ifndef OUTLET_H
#define OUTLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "km_err.h"

enum outlet_state {
	OUTLET_FREE,
	OUTLET_WANT,	/* no consumer yet */
	OUTLET_CONNECT, /* it is being connected to */
	OUTLET_LIVE,
	OUTLET_LINGER, /* all is handed over: the consumer has to take it */
	OUTLET_DEAD,   /* given up here, and open on tx: nothing of it goes on */
};

struct outlet {
	uint8_t state; /* enum outlet_state */
	uint8_t end;   /* enum stream_end, once `ended` */
	bool ended;    /* nothing more is taken: what is here goes on, and that is all */
	bool over;     /* tx has nothing more of it */
	bool old;      /* of a run before this one: its number may be another's by now */
	bool line;     /* the last byte was no end of a line */
	bool heard;    /* named by the ALIVE in hand */
	bool asked;    /* for a consumer */
	bool told;     /* that there is none */
	bool deaf;     /* the consumer has ended its direction */
	int fd;
	uint32_t ticket;
	uint64_t number;
	uint64_t next;	  /* offset of the next byte from tx */
	uint64_t sent;	  /* OUTLET_DEAD: from here on its consumer may have got nothing */
	uint64_t due_ns;  /* by state: ask, give up, look again */
	uint64_t end_ns;  /* given up at this time, 0: not to be */
	uint64_t wait_ns; /* before the next try to connect */
	int left;	  /* OUTLET_LINGER: bytes that were underway at the last look */
	unsigned polled;  /* place in the last poll set, 0: none */
	uint8_t *ring;	  /* of `room` bytes, `held` of them from `from` on */
	size_t room, from, held;
};

/* Zero, and without a descriptor. */
void outlet_clear(struct outlet *o);

/* Appends; the memory grows as far as LIMIT. KM_ERR_FULL: not one byte is taken. */
KM_MUST_CHECK enum km_rc outlet_put(struct outlet *o, const void *bytes, size_t len,
				    size_t limit);

/* The first bytes that lie in one piece; NULL when there are none. */
const uint8_t *outlet_first(const struct outlet *o, size_t *len);
void outlet_took(struct outlet *o, size_t len);

/* Closes and forgets what it holds: FREE when tx has nothing more of it, else DEAD. */
void outlet_drop(struct outlet *o);

#endif
