// SPDX-License-Identifier: ISC
/*
 * channel: records into symbols, for one stream of a channel. What every kind of channel has
 * in common: a symbol is filled with whole records, sealed when the next record does not
 * fit, and a window is opened, filled and closed around the symbols. It does not know what
 * the records mean. Never waits: KM_ERR_FULL means that the lane has no room now.
 * One thread of the source role.
 *
 * Use: channel_window() until KM_OK, put records, channel_end() when nothing more is ready.
 * A put may end a window (KM_ERR_STATE): call channel_window() and begin again with the
 * facts that belong once into each window; `serial` tells windows apart.
 */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "block.h"
#include "cursor.h"
#include "record.h"
#include "tx_config.h"

struct channel {
	struct block block;
	uint8_t *symbol;      /* geometry's full symbol size */
	struct wr wr;	      /* into symbol; used > 0: there is something to seal */
	uint64_t serial;      /* counts windows opened, never repeats, sessions included */
	uint64_t flush_ns;    /* a window older than this is closed */
	uint64_t ahead_bytes; /* rate * flush: no window is meant for more */
	uint64_t opened_ns;
};

/* What an object costs beside its bytes: its begin record, and in each symbol the header of a
 * fragment. An estimate that falls short leaves a thin window behind, with repairs of its own. */
#define CHANNEL_BEGIN_BYTES 96u
#define CHANNEL_FRAGMENT_BYTES 16u

/* A window that keeps filling may last this many flush times: its depth was chosen for
 * one, and repairs of the window before and other channels take their share of the lane. */
#define CHANNEL_FLUSH_FACTOR 4u

/* Geometry of the windows of data of a files channel. */
struct block_geometry channel_geometry(const struct tx_config *config,
				       const struct tx_config_channel *conf);

KM_MUST_CHECK int channel_open(struct channel *channel, struct lane_out *out,
			       struct control *control, struct counts *counts,
			       const struct block_geometry *geo, uint16_t number,
			       uint8_t class, uint8_t stream, uint64_t flush_ns,
			       uint64_t rate_bps, struct km_err *err);
void channel_close(struct channel *channel);

/* A channel of a worker (block_init_room()), and whom its present job helps: depth_max bounds its
 * windows. A worker has the close records of it (block.untold). */
KM_MUST_CHECK int channel_open_room(struct channel *channel, struct lane_out *out,
				    struct counts *counts, uint32_t symbol, size_t pool,
				    unsigned depth, struct km_err *err);
void channel_serve(struct channel *channel, struct channel *helped, unsigned depth_max);

/* A new session: what is open is forgotten. */
void channel_session(struct channel *channel);

/*
 * Make sure a window is open; backlog is the number of bytes waiting, this record's
 * included. Repairs of the window before are sent first, at most `frames` per call.
 * KM_ERR_FULL: come back.
 */
KM_MUST_CHECK enum km_rc channel_window(struct channel *channel, uint64_t backlog,
					unsigned frames, uint64_t now_ns);

/* Put a record. KM_OK; KM_ERR_FULL no room in the lane, nothing put; KM_ERR_STATE: the window has
 * ended without it; KM_ERR_RANGE: it can never fit. */
KM_MUST_CHECK enum km_rc channel_begin(struct channel *channel,
				       const struct record_begin *b, uint64_t now_ns);
KM_MUST_CHECK enum km_rc channel_withdrawn(struct channel *channel,
					   const struct record_withdrawn *w,
					   uint64_t now_ns);

/*
 * The header of a fragment of up to `want` bytes; the caller puts *taken bytes at *data
 * before the next call. Errors as above.
 */
KM_MUST_CHECK enum km_rc channel_fragment(struct channel *channel, uint64_t chain,
					  uint64_t number, uint64_t offset, size_t want,
					  uint8_t **data, size_t *taken, uint64_t now_ns);
KM_MUST_CHECK enum km_rc channel_manifest(struct channel *channel, uint64_t chain,
					  uint64_t number, uint64_t total, uint64_t offset,
					  size_t want, uint8_t **data, size_t *taken,
					  uint64_t now_ns);

/*
 * A message or a piece of one: m->len bytes are left of it from m->offset on, *taken of them
 * the caller puts at *data. What fits into a symbol is never cut. Errors as above.
 */
KM_MUST_CHECK enum km_rc channel_message(struct channel *channel,
					 const struct record_message *m, uint8_t **data,
					 size_t *taken, uint64_t now_ns);

/* Seal the symbol in hand as short as it is; the window stays open if it has room. KM_ERR_FULL: no
 * room in the lane. */
KM_MUST_CHECK enum km_rc channel_flush(struct channel *channel, uint64_t now_ns);

/* Seal what is left and end the window. KM_ERR_FULL: the last symbol found no room. */
KM_MUST_CHECK enum km_rc channel_end(struct channel *channel, uint64_t now_ns);

/* Send repairs, at most `frames`. KM_OK: nothing of a closed window is left to send. */
KM_MUST_CHECK enum km_rc channel_step(struct channel *channel, unsigned frames);

/* True when the open window should be ended although it is not full. */
bool channel_overdue(const struct channel *channel, uint64_t now_ns);

/* True while a window is open or its repairs are leaving. */
static inline bool channel_busy(const struct channel *channel)
{
	return channel->block.phase != BLOCK_IDLE;
}

#endif
