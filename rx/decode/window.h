// SPDX-License-Identifier: ISC
/*
 * Windows: what arrived of each FEC window, repair of what did not, and their end.
 *
 * A window is known by (session, channel, stream, number). Its geometry is that of the
 * first symbol; a later one that says otherwise is counted and dropped. Records of a
 * source symbol are delivered at once, of a repaired one when it is repaired; the slots
 * stay until publish has released the messages that point to them, and until no block
 * needs them any more.
 *
 * N, the number of source symbols, follows from the close record, or from the k in repair
 * symbols (block b has k = ceil((N - b) / D)), which bound it from both sides.
 *
 * A window of which neither close record nor repairs came has no known end: when it has no
 * hole it is given up with 0 symbols missing (`windows_unended`, a part of
 * `windows_incomplete`); what its tail was only the account of the lane knows.
 *
 * A window ends (its losses named) when all N sources and all repairs have been seen,
 * when it saw nothing for WINDOW_IDLE_NS after its sources had ended, for WINDOW_OPEN_NS
 * otherwise, when it is the oldest of more than 2 open ones of its lane (ledger: of 8),
 * when the pool is full and it is the oldest of the lowest class, or with its session. A
 * symbol that comes after that is still delivered, alone, if it is a source
 * (`symbols_stray`).
 *
 * All memory is laid out at start; nothing here allocates, reads a clock, or sees a byte
 * that has not been authenticated.
 */
#ifndef WINDOW_H
#define WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode_count.h"
#include "delivery.h"
#include "fec.h"
#include "frame.h"
#include "live.h"
#include "pool.h"
#include "record.h"
#include "rx_arena.h"
#include "wire_limits.h"

#define WINDOW_IDLE_NS UINT64_C(2000000000)
#define WINDOW_OPEN_NS                                                                     \
	UINT64_C(10000000000) /* a slow producer may fill a window that long */
#define WINDOW_DATA_OPEN 2u   /* of a lane */
#define WINDOW_LEDGER_OPEN 8u
/* A class has a lane of each worker of tx, and windows of all of them are open at once. */
#define WINDOW_OPEN_MAX (WINDOW_DATA_OPEN * WIRE_LANES_MAX / WIRE_LANE_CLASSES)
#define WINDOW_RECENT 64u /* ended windows remembered per stream */
#define WINDOW_CLOSES 64u /* close records that came before their window, per stream */
#define WINDOW_STRAYS 1024u
#define WINDOW_TABLE_MIN 64u
#define WINDOW_TABLE_MAX 512u
#define WINDOW_PER_CHANNEL 24u

enum window_state {
	WINDOW_FREE = 0,
	WINDOW_OPEN,
	WINDOW_DONE, /* ended; its slots wait for publish */
};

struct window_block {
	uint32_t head;	  /* slots held: sources, repaired and repair symbols */
	uint16_t sources; /* received */
	uint16_t repaired;
	uint16_t repairs; /* received, also after the block was whole */
	uint8_t k;	  /* from a repair symbol; 0 = not known */
};

/* Which window a symbol belongs to; `session` and `channel_index` are small table
 * indexes. */
struct window_where {
	uint32_t tag;
	uint16_t channel;
	uint16_t channel_index;
	uint8_t session;
	uint8_t stream;
};

struct window {
	uint8_t state;
	uint8_t class;
	bool whole;   /* all N sources are there */
	bool closing; /* tx will add no more sources */
	struct window_where where;
	uint16_t lane; /* all of it travels in one */
	uint32_t number;
	uint16_t depth, symbol_size;
	uint8_t M;
	uint32_t n_min, n_max; /* N lies between, both included */
	uint32_t sources, repaired, repairs;
	uint32_t repairs_said; /* by the close record; UINT32_MAX = not known */
	uint32_t slots;	       /* held */
	uint64_t last_ns;
	uint64_t order;	   /* of opening */
	uint64_t last_msg; /* delivery_head() behind the last message into our slots */
	struct window_block block[WIRE_DEPTH_MAX];
	uint8_t source_seen[WIRE_WINDOW_SYMBOLS_MAX / 8 + 1];
	uint8_t repair_seen[WIRE_DEPTH_MAX * WIRE_FEC_M_MAX / 8 + 1];
};

struct window_close {
	uint32_t number, symbols;
	uint16_t repairs;
	bool used;
	uint64_t at_ns;
};

/* Of one (session, channel, stream). */
struct window_stream {
	struct window *open[WINDOW_OPEN_MAX];
	uint8_t open_n;
	uint8_t recent_n, recent_at;
	struct {
		uint32_t number;
		bool whole;
	} recent[WINDOW_RECENT];
	struct window_close close[WINDOW_CLOSES];
};

struct window_stray {
	uint32_t slot;
	uint64_t msg;
};

struct windows {
	struct pool pool;
	struct window *table;
	unsigned table_n;
	struct window_stream *stream;
	unsigned sessions, channels;
	struct window_stray *stray; /* ring of WINDOW_STRAYS */
	uint32_t stray_head, stray_tail;
	uint8_t *work; /* FEC_SCRATCH_MAX */
	uint64_t opened;
	struct delivery *delivery;
	struct live *live; /* NULL: there are no live channels */
	struct decode_counts *counts;
};

/* Lay out for SESSIONS x CHANNELS in ARENA; SEGMENT is mapped by the caller (NULL while
 * measuring). */
void windows_lay(struct windows *ws, unsigned sessions, unsigned channels,
		 const struct segment_plan *plan, uint8_t *segment, struct rx_arena *arena);
void windows_link(struct windows *ws, struct delivery *delivery, struct live *live,
		  struct decode_counts *counts);

/* A slot for a symbol to be opened into: waits for publish, or evicts, when there is
 * none. POOL_NONE only when the role is leaving, or when the pool is smaller than one
 * block. */
uint32_t windows_slot(struct windows *ws);

/* An authentic symbol of an own channel, H->length bytes in SLOT, which is ours from now
 * on. */
void windows_symbol(struct windows *ws, const struct window_where *where,
		    const struct frame_header *h, uint32_t slot, uint64_t now_ns);

/* An authentic close record. */
void windows_close(struct windows *ws, const struct window_where *where,
		   const struct record_close *c, uint64_t now_ns);

/* A session index is used anew; it ends: every window of it is ended and named. */
void windows_session_begin(struct windows *ws, unsigned session);
void windows_session_end(struct windows *ws, unsigned session, uint32_t tag,
			 const uint16_t *channel_numbers);

/* Ends what is overdue, frees what publish has released, sets gauges. Every 10..100
 * ms. */
void windows_tick(struct windows *ws, const uint32_t *session_tags,
		  const uint16_t *channel_numbers, uint64_t now_ns);

/* For tests: recount slots and windows, true when all agree. */
bool windows_check(const struct windows *ws);

#endif
