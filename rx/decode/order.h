// SPDX-License-Identifier: ISC
/*
 * order: the messages of one live channel of one session, put back in order. A message is
 * handed on as soon as it is whole and every one before it was handed on or given up. A gap
 * holds back what is behind it only while it may still be filled by repair: `hold` from when
 * the first message behind it came, less when a later window than that message's was seen (tx
 * sends all repairs of a window before the next one begins): ORDER_REORDER_NS from then.
 * Each number is handed on once or named lost, never both; what comes after that is late.
 *
 * At every moment: next - first = handed on + lost (counted by the callbacks).
 *
 * Pure: the clock is an argument, memory is laid out by the caller. Not for several threads.
 */
#ifndef ORDER_H
#define ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "record.h"
#include "rx_arena.h"

/* How far a message may run ahead of the oldest gap; then that is given up. */
#define ORDER_AHEAD 4096u
/* What is held back lies in cells; 4 MiB for a channel. A message takes at most 64. */
#define ORDER_CELL 1024u
#define ORDER_CELLS 4096u
#define ORDER_PIECES (WIRE_MESSAGE_MAX / ORDER_CELL + 1u)
/* Disjoint parts of one message; lost symbols between them are at most m + 1 runs a block. */
#define ORDER_SPANS 16u
/* Longer than a block of the receive ring waits to be handed over (retire, 2 ms): by that ring
 * come the datagrams that the kernel has joined. */
#define ORDER_REORDER_NS UINT64_C(10000000)

/* A message that is handed on. The pieces are its bytes, valid during the call. */
struct order_out {
	uint64_t number, tx_time_ns;
	uint8_t source[WIRE_SOURCE_IPV6];
	uint8_t source_len;
	bool repaired; /* at least one symbol of it was restored */
	uint32_t total;
	unsigned pieces;
	struct iovec piece[ORDER_PIECES];
};

typedef void order_out_fn(void *ctx, const struct order_out *message);
/* FIRST .. LAST, both included, are given up for ever. */
typedef void order_lost_fn(void *ctx, uint64_t first, uint64_t last);

struct order_entry {
	bool begun, repaired;
	uint8_t source_len, spans;
	uint32_t total, got;
	uint32_t window; /* of the piece that came first */
	uint32_t cell;	 /* first of its chain */
	uint64_t tx_time_ns;
	uint64_t seen_ns, last_ns; /* when its first, its newest piece came */
	uint8_t source[WIRE_SOURCE_IPV6];
	struct {
		uint32_t from, to;
	} span[ORDER_SPANS];
};

struct order {
	struct order_entry *entry; /* number % ORDER_AHEAD */
	uint8_t *bytes;		   /* ORDER_CELLS * ORDER_CELL */
	uint32_t *link;		   /* next cell of a chain, or of the free ones */
	uint32_t free_cell, free_cells;
	uint64_t next; /* the oldest number not yet handed on or given up */
	uint64_t end;  /* highest number known + 1 */
	uint64_t hold_ns;
	uint64_t told_ns;   /* when `end` was last raised by word only */
	uint64_t due_ns;    /* the gap at `next` is given up; CLOCK_NEVER: there is none */
	uint32_t newest;    /* window */
	uint64_t newest_ns; /* when its first symbol came */
	uint64_t late;	    /* pieces that came too late, or twice */
	uint64_t malformed; /* pieces that contradict what is known of their message */
	order_out_fn *out;
	order_lost_fn *lost;
	void *ctx;
};

void order_lay(struct order *o, struct rx_arena *arena);

/* Begin a session at number FIRST; nothing may be open (order_settle()). */
void order_begin(struct order *o, uint64_t first, uint64_t hold_ns, order_out_fn *out,
		 order_lost_fn *lost, void *ctx);

/* A piece of a message, from a symbol of WINDOW. */
void order_take(struct order *o, const struct record_message *m, uint32_t window,
		bool repaired, uint64_t now_ns);

/* tx says that it has sent the numbers up to LAST. */
void order_told(struct order *o, uint64_t last, uint64_t now_ns);

/* Give up what is due. */
void order_tick(struct order *o, uint64_t now_ns);

/* Hand on what is whole, give up everything else. */
void order_settle(struct order *o);

/* For tests: cells and entries recounted. */
bool order_check(const struct order *o);

#endif
