// SPDX-License-Identifier: ISC
/*
 * live: the live channels of the receiver, from records to the ring of the sink. Each channel
 * follows the newest session that speaks to it; when a newer one does, the older is settled
 * first, so that messages of two sessions never mix. What is lost, and what the sink had no
 * room for, is named to publish by channel and message numbers (DELIVER_LIVE).
 *
 * A session that a process before this one has opened frames of is taken up in the middle: its
 * channels begin with the first message that comes, and the numbers before it are named as
 * another's. When the process ends in order, its last word is how far it has come.
 *
 * No clock, no allocation after live_lay(), nothing that was not authenticated.
 */
#ifndef LIVE_H
#define LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "delivery.h"
#include "order.h"
#include "record.h"
#include "ring.h"
#include "rx_arena.h"
#include "sink.h"
#include "timing.h"

#define LIVE_CHANNELS SINK_CHANNELS
#define LIVE_SESSIONS 8u

/* Per channel; messages where nothing else is said. */
#define LIVE_COUNTS(X)                                                                     \
	X(LIVE_DELIVERED, "delivered")	 /* given to the sink, each once and in order */   \
	X(LIVE_BYTES, "bytes")		 /* of these */                                    \
	X(LIVE_REPAIRED, "repaired")	 /* of these: with a symbol that was restored */   \
	X(LIVE_LOST, "lost")		 /* given up and named */                          \
	X(LIVE_LATE, "late")		 /* pieces that came after that, or twice */       \
	X(LIVE_SINK_FULL, "sink_full")	 /* came, but the sink was behind; named */        \
	X(LIVE_TX_DROPPED, "tx_dropped") /* tx says that it dropped so many itself */
enum live_count { LIVE_COUNTS(STATS_ENUM_ROW) LIVE_COUNT };

struct live_channel {
	uint16_t number;
	bool bound;  /* to a session */
	bool joined; /* it was taken up in the middle, no message has come yet */
	uint8_t session;
	uint32_t tag;
	uint64_t epoch;
	uint64_t hold_ns;
	uint64_t full_first,
		full_last; /* given up for want of room, not yet said; 0: none */
	uint64_t count[LIVE_COUNT];
	struct order order;
	struct timing_delays delays;
	struct live *live;
};

struct live_session {
	bool known, joined;
	uint32_t tag;
	uint64_t epoch;
	struct timing_clock clock;
};

struct live {
	struct live_channel channel[LIVE_CHANNELS];
	unsigned channels;
	unsigned first; /* channel index of channel[0] */
	struct live_session session[LIVE_SESSIONS];
	struct delivery *delivery;
	struct ring sink;
	bool has_sink;
	uint64_t now_ns;
	uint64_t wall_ns; /* what the wall clock is ahead of now_ns, modulo 2^64 */
};

/* NUMBER and HOLD_NS of CHANNELS channels; FIRST: the index that the rest of decode gives to the
 * first of them. */
void live_lay(struct live *live, unsigned first, const uint16_t *number,
	      const uint64_t *hold_ns, unsigned channels, struct rx_arena *arena);

/* Attach the ring of the sink. KM_ERR_* as ring_attach(). */
KM_MUST_CHECK enum km_rc live_attach(struct live *live, void *mem, size_t len,
				     struct delivery *delivery);

static inline bool live_owns(const struct live *live, unsigned index)
{
	return live && index >= live->first && index - live->first < live->channels;
}

/* The session at place AT: JOINED when frames of it were opened by another process. */
void live_session_begin(struct live *live, unsigned at, uint32_t tag, uint64_t epoch,
			bool joined);
void live_session_end(struct live *live, unsigned at);

/* What the heartbeat of the session at place AT says of tx's clock. */
void live_heard(struct live *live, unsigned at, uint64_t tx_time_ns);

/* A message record of channel INDEX (live_owns()), in a symbol of WINDOW. */
void live_take(struct live *live, unsigned index, unsigned session,
	       const struct record_message *m, uint32_t window, bool repaired);

/* A live record of the control channel. */
void live_told(struct live *live, unsigned index, unsigned session,
	       const struct record_live *l);

/* Behind each step, and at least every 20 ms; the step sets now_ns. DRAINED: the rings are
 * empty; a gap that is due waits for that, so that a process that had to stand still does not
 * give up what has come meanwhile. But for no longer than LIVE_BUSY_NS. */
#define LIVE_BUSY_NS UINT64_C(50000000)
void live_tick(struct live *live, bool drained);

/* When live_tick() has something to give up. */
uint64_t live_next(const struct live *live);

#endif
