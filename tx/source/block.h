// SPDX-License-Identifier: ISC
/*
 * block: the windows of one stream of one channel. A window is opened with its geometry
 * (depth D, code M, symbol size) final, source symbols are added and leave at once, and when
 * it is closed the repair symbols and the close record follow. Only one window of a stream
 * exists at a time: the next opens when the last repair of the former has left. It knows
 * nothing of what is in a symbol. Nothing is allocated after block_init().
 * One thread of the source role; only the numbers of windows are shared by several.
 *
 * Order on the wire: source t = ESI * D + block; repair r = row * D + block. Consecutive
 * frames hit different blocks, so a burst of n frames costs a block ceil(n / D) symbols.
 */
#ifndef BLOCK_H
#define BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control.h"
#include "counts.h"
#include "fec.h"
#include "frame.h"
#include "km_err.h"
#include "lane_out.h"

/* A lone block of few symbols needs more rows than its share (DESIGN section 3: k = 8, m = 1
 * loses 0.3 % at 1 % loss). */
#define BLOCK_ROWS_SHORT 6u /* k' up to BLOCK_SHORT */
#define BLOCK_ROWS_MIN 4u   /* longer ones */
#define BLOCK_SHORT 40u
/* From so many sources on a thin block's share is rounded down: at 1 % loss it then fails with
 * at most 7e-7 (89 + 8 symbols); shorter ones round up. */
#define BLOCK_ROUND_DOWN 80u
/* A repair is as long as a symbol: a window of few bytes takes smaller symbols, about this
 * many of them, but none under BLOCK_SYMBOL_FLOOR (the longest record, a begin with 1,024
 * bytes of path, takes 1,080). */
#define BLOCK_FEW_SYMBOLS 16u
#define BLOCK_SYMBOL_FLOOR 1152u

struct block_geometry {
	unsigned k, m;	    /* of a full block; m = 0: no FEC at all */
	unsigned depth_max; /* 1..255 */
	uint32_t symbol;    /* bytes of a full symbol */
	bool equal;	    /* a lone block has m' >= k' (ledger) */
	unsigned
		least; /* live: m' of a short block is its share, at least this; 0: as above */
};

enum block_phase {
	BLOCK_IDLE,   /* no window */
	BLOCK_OPEN,   /* takes source symbols */
	BLOCK_REPAIR, /* closed, repairs are leaving */
};

struct block {
	struct lane_out *out;
	struct control *control;
	struct counts *counts;
	struct block_geometry geo;
	unsigned M; /* rows of the generator, 0 = no FEC */
	uint16_t channel;
	uint8_t class, stream;

	enum block_phase phase;
	_Atomic uint32_t next;	   /* next free number of a window of the stream */
	_Atomic uint32_t *numbers; /* our own `next`, or that of the block we help */
	bool numbered;		   /* the window has its number, with its first symbol */
	uint32_t window;
	uint16_t depth;
	uint32_t symbol_size; /* of this window */
	uint32_t symbols;     /* sources so far */
	uint32_t repair;      /* next r to look at */
	uint64_t mark;	      /* lane's submitted count after the window's last frame */

	struct fec_encoder *encoder; /* depth_max */
	uint8_t *work;		     /* depth_max * work_bytes */
	size_t work_bytes;
	size_t pool;	     /* bytes of work */
	unsigned depth_room; /* of encoder */

	/* Without a control: the close record waits here for who has the block. */
	struct record_close closed;
	bool untold;
};

/* Pure parts, for tests and for `check`. */
unsigned block_rows(const struct block_geometry *geo); /* M, 0 = no FEC */
unsigned block_repairs(const struct block_geometry *geo, unsigned k,
		       bool lone); /* m' of k' */
unsigned block_depth(const struct block_geometry *geo, uint32_t symbol, uint64_t bytes);
uint32_t block_symbol(const struct block_geometry *geo, uint64_t bytes);
/* Bytes of pool that block_init() will take. */
size_t block_pool_bytes(const struct block_geometry *geo);

KM_MUST_CHECK int block_init(struct block *block, struct lane_out *out,
			     struct control *control, struct counts *counts,
			     const struct block_geometry *geo, uint16_t channel,
			     uint8_t class, uint8_t stream, struct km_err *err);
void block_fini(struct block *block);

/*
 * A block of a worker: room for windows of up to `pool` bytes and `depth` blocks, no channel
 * yet and no control. block_serve() makes it help another block, whose numbers it takes; the
 * geometry must fit the room. Phase must be BLOCK_IDLE.
 */
KM_MUST_CHECK int block_init_room(struct block *block, struct lane_out *out,
				  struct counts *counts, size_t pool, unsigned depth,
				  struct km_err *err);
void block_serve(struct block *block, struct block *helped, unsigned depth_max);

/* A new session: window numbers begin at 0; an open window is forgotten. */
void block_session(struct block *block);

/* Open a window for about `bytes` of payload (backlog, already bounded by rate * flush). Phase must be
 * BLOCK_IDLE. */
KM_MUST_CHECK enum km_rc block_begin(struct block *block, uint64_t bytes);

/* Source symbols the window still takes. */
uint32_t block_left(const struct block *block);

/*
 * Add and seal the next source symbol, len <= symbol_size (shorter: zeros follow for the
 * code). The first takes the window's number. KM_ERR_FULL: no room in the lane, nothing
 * happened.
 */
KM_MUST_CHECK enum km_rc block_add(struct block *block, const uint8_t *symbol, size_t len);

/* No more sources: the close record leaves, repairs begin. A window without any source just
 * disappears (a number that it has is used again). */
void block_end(struct block *block, uint64_t now_ns);

/*
 * Send repairs while there is room, at most `frames`. KM_OK: the window is finished (phase
 * BLOCK_IDLE); KM_ERR_FULL: more to do.
 */
KM_MUST_CHECK enum km_rc block_step(struct block *block, unsigned frames);

#endif
