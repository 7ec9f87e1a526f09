// SPDX-License-Identifier: ISC
/*
 * Sessions on the receiving side: from an accepted announce to the end. A session has its
 * lanes (key and account each); frames find it by the tag in the clear header. Per tx
 * identity at most two live at a time, the older for 10 s more; eight in all. A session
 * that has ended keeps its place until that is needed, so that its announce and frames,
 * played again, are known for what they are.
 *
 * A frame costs at most one AES-GCM check before it is authentic, and changes nothing but
 * counters until then. Control records are handled here; data goes to window.h.
 */
#ifndef RX_SESSION_H
#define RX_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account.h"
#include "asker.h"
#include "decode_count.h"
#include "delivery.h"
#include "frame.h"
#include "record.h"
#include "rx_arena.h"
#include "seal.h"
#include "window.h"

#define RX_SESSIONS_MAX 8u
#define RX_SESSIONS_PER_TX 2u
#define RX_SESSION_LANES (WIRE_LANES_MAX / WIRE_LANE_CLASSES * FRAME_CLASS_COUNT)
#define RX_SESSION_REPLACED_NS UINT64_C(10000000000)
/* After a farewell: what was still under way may arrive, and the account settles (1
 * s). */
#define RX_SESSION_FAREWELL_NS UINT64_C(1500000000)
#define RX_CHANNEL_NONE UINT16_MAX

enum rx_session_state {
	RX_SESSION_FREE = 0,
	RX_SESSION_LIVE,
	RX_SESSION_ENDED,
};

enum rx_session_end {
	RX_SESSION_FAREWELL = 1,
	RX_SESSION_REPLACED = 2,
	RX_SESSION_VANISHED = 3,
	RX_SESSION_REVOKED = 4,
};

struct rx_sessions;

struct rx_lane {
	struct account account;
	struct seal *seal;
	struct rx_sessions *all;
	uint32_t tag;
	uint16_t number;
	uint64_t floor_said; /* account.opened when the keeper was last told */
};

struct rx_session {
	uint8_t state;
	bool farewell;
	bool permissive_said;
	uint8_t end_reason;
	uint16_t announce_len;
	uint32_t tag;
	uint64_t epoch;
	uint64_t ends_ns;	/* 0 = not foreseen */
	uint64_t port_received; /* of tx's diode port, last said */
	uint8_t identity[32];
	uint8_t announce[WIRE_ANNOUNCE_MAX];
	struct rx_lane *lane; /* RX_SESSION_LANES */
};

struct rx_sessions {
	struct rx_session session[RX_SESSIONS_MAX];
	uint32_t tags[RX_SESSIONS_MAX]; /* by index, also of ended ones */
	struct rx_session *current;	/* of the highest epoch, NULL = none yet */
	uint16_t *channel_index;	/* by channel number: 65,536 rows */
	const uint16_t *channel_numbers;
	struct windows *windows;
	struct live *live;
	struct asker *asker;
	struct delivery *delivery;
	struct decode_counts *counts;
	uint8_t *scratch; /* a control symbol, or one nobody wants */
	uint32_t landing; /* slot for the frame to be opened */
	uint32_t stride;
	uint64_t silent_ns;
	uint64_t heard_ns; /* last authentic frame, or start; monotonic */
	bool silent;
	uint64_t floors_ns;
};

void rx_sessions_lay(struct rx_sessions *ss, struct rx_arena *arena);

/* The session of TAG, live or ended; NULL = unknown. */
struct rx_session *rx_sessions_find(struct rx_sessions *ss, uint32_t tag);

/* The session whose announce these bytes are. */
struct rx_session *rx_sessions_announced(struct rx_sessions *ss, const uint8_t *p,
					 size_t len);

/* The keeper accepted an announce: asker_accept_fn with CTX = the rx_sessions. */
bool rx_sessions_accept(void *ctx, const struct asker_entry *entry,
			const struct ask_answer *answer, uint64_t now_ns);

/* The keeper's list: sessions of identities that are not on it end now. */
void rx_sessions_trust(struct rx_sessions *ss, const struct ask_answer *trusts);

/* A frame of S; SEALED is what follows its HEADER bytes. Returns the row to count it in:
 * COUNT_OPENED or a COUNT_REFUSED_.... */
enum decode_count rx_sessions_frame(struct rx_sessions *ss, struct rx_session *s,
				    const struct frame_header *h, const uint8_t *header,
				    const uint8_t *sealed, uint64_t now_ns);

/* Settle accounts, end what is to end, tell the keeper, notice silence. Every 10..100
 * ms. */
void rx_sessions_tick(struct rx_sessions *ss, uint64_t now_ns);

/* The process is about to leave: every account and window is settled and named. Sessions
 * go on (with another process), or, FOREVER (a recording is at its end), end. */
void rx_sessions_stop(struct rx_sessions *ss, bool forever);

/* Rows of the lanes and sessions. */
void rx_sessions_gauges(struct rx_sessions *ss);

/* The lane sums of all sessions. */
bool rx_sessions_check(const struct rx_sessions *ss);

#endif
