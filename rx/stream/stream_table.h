// SPDX-License-Identifier: ISC
/*
 * stream_table: the streams of one channel as its messages tell of them (common/wire/stream.h):
 * which are open, what of each has come, and what a gap means to its consumer. Everything that a
 * message says is checked; nothing that it says can make one stream touch another.
 *
 * A message that comes twice (a sink that was started again) is known by its number. Whether bytes
 * are missing is known by their offset alone. Time is the caller's; no system call but close().
 * One thread of rx stream.
 */
#ifndef STREAM_TABLE_H
#define STREAM_TABLE_H

#include "outlet.h"
#include "rx_config.h"
#include "stats.h"
#include "stream.h"

/* Streams of one channel that go on: open ones, and as many that have ended on tx. */
#define STREAM_MOST (2u * STREAM_OPEN_MAX)
/* And as many that do not go on, and are open on tx. */
#define STREAM_TABLE (2u * STREAM_MOST)
/* Back-off while a consumer is not there. */
#define STREAM_WAIT_LEAST_NS UINT64_C(100000000)
#define STREAM_WAIT_MOST_NS UINT64_C(2000000000)

#define STREAM_COUNTS(X)                                                                   \
	X(STREAM_COUNT_OPEN, "open")	   /* streams that go on now */                    \
	X(STREAM_COUNT_OPENED, "opened")   /* ever */                                      \
	X(STREAM_COUNT_BYTES, "bytes")	   /* handed to consumers */                       \
	X(STREAM_COUNT_GAPS, "gaps")	   /* places where bytes were lost before us */    \
	X(STREAM_COUNT_SLOW, "slow")	   /* cut off: the consumer took too little */     \
	X(STREAM_COUNT_BROKEN, "broken")   /* the consumer went away, or never came */     \
	X(STREAM_COUNT_CROWDED, "crowded") /* beyond `connections` */                      \
	X(STREAM_COUNT_MALFORMED, "malformed")

enum stream_count { STREAM_COUNTS(STATS_ENUM_ROW) STREAM_COUNT };

enum stream_what {
	STREAM_NOTE_GAP,    /* bytes from..to were lost */
	STREAM_NOTE_LOST,   /* from on, and how many is not known */
	STREAM_NOTE_JOINED, /* what was before `to` went by before we were here */
	STREAM_NOTE_SLOW,   /* from..to is here, and the consumer does not take it */
	STREAM_NOTE_BROKEN, /* the consumer has gone: it may lack all from `from` on */
	STREAM_NOTE_ABSENT, /* nobody is there to be connected to */
	STREAM_NOTE_CROWDED,
	STREAM_NOTE_MALFORMED,
};

struct stream_note {
	enum stream_what what;
	uint64_t connection, from, to;
	int error; /* ABSENT, BROKEN: an errno, 0: none */
};

typedef void stream_note_fn(void *ctx, const struct stream_note *note);

struct stream_table {
	const struct rx_config_live *conf;
	stream_note_fn *note;
	void *ctx;
	bool met;      /* a message has come: session, number */
	bool followed; /* `before` was a session */
	uint32_t session, before;
	uint64_t number; /* of the last message */
	bool known;	 /* run is */
	uint32_t run;
	uint64_t joined; /* connections up to here began before we were there */
	uint64_t count[STREAM_COUNT];
	struct outlet outlet[STREAM_TABLE];
	struct stream_msg msg; /* in hand */
};

void stream_table_open(struct stream_table *t, const struct rx_config_live *conf,
		       stream_note_fn *note, void *ctx);

/* Streams that may go on at once, with those that have ended on tx. */
static inline unsigned stream_table_most(const struct stream_table *t)
{
	return 2u * t->conf->connections;
}

/* A message as it came: SESSION and NUMBER of its head, its bytes. */
void stream_table_take(struct stream_table *t, uint32_t session, uint64_t number,
		       const void *bytes, size_t len, uint64_t now_ns);

/* Gives up what is in O, counted as WHAT, named. */
void stream_table_lose(struct stream_table *t, struct outlet *o, enum stream_what what,
		       int error, uint64_t now_ns);

/* O has nothing more to do: FREE, or DEAD when tx has it open. */
void stream_table_done(struct stream_table *t, struct outlet *o);

#endif
