// SPDX-License-Identifier: ISC
/*
 * decode without a process around it: everything from a link frame to messages for
 * publish, driven by rx_engine_step() with the time as an argument. The role (decode.c),
 * the tests and the fuzz target drive it alike. All memory is laid out by
 * rx_engine_init().
 */
#ifndef RX_ENGINE_H
#define RX_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "asker.h"
#include "carrier.h"
#include "decode_count.h"
#include "delivery.h"
#include "feed.h"
#include "hold.h"
#include "km_err.h"
#include "live.h"
#include "rx_arena.h"
#include "rx_session.h"
#include "segment.h"
#include "window.h"

#define RX_ENGINE_BATCH 64u
#define RX_ENGINE_TICK_NS UINT64_C(20000000)
/* Between two looks at the realtime ring: at most that many other frames, or bytes; some
 * 100 us of opening and copying. */
#define RX_ENGINE_RUN 32u
#define RX_ENGINE_RUN_BYTES (288u << 10)

struct rx_engine_plan {
	uint16_t ethertype;
	uint16_t vlan; /* 0: untagged */
	bool udp;      /* frames stand in UDP datagrams on this path; ethertype is IPv4 */
	struct carrier_udp path;
	unsigned channels;
	uint16_t channel[WIRE_CHANNELS_MAX]; /* numbers, each once, none 0 */
	unsigned live; /* the last so many of these channels are live ones */
	uint64_t live_hold_ns[LIVE_CHANNELS];
	uint64_t hold_bytes;
	uint64_t silent_ns;
	struct segment_plan segment;
	struct intake_plan intake;
	bool replay; /* a recording: nothing is lost by waiting for the keeper */
};

struct rx_engine {
	struct rx_engine_plan plan;
	struct rx_arena arena;
	struct decode_counts counts;
	struct feed feed;     /* every frame, or what is not realtime's */
	struct feed realtime; /* form 0 where one ring serves */
	unsigned run;	      /* frames of feed between two looks at realtime */
	struct delivery delivery;
	struct asker asker;
	struct windows windows;
	struct live live;
	struct hold hold;
	struct rx_sessions sessions;
	uint8_t *bounce;
	uint64_t rss_plan; /* bytes of memory laid out, receive ring not counted */
	uint64_t now_ns;
	uint64_t tick_ns;
	uint64_t second_ns;
};

/* Shared memory, mapped by the caller for as long as the engine. */
struct rx_engine_maps {
	uint8_t *segment; /* segment_bytes() */
	void *deliver;	  /* deliver_bytes(), ring formatted */
	void *ask;	  /* ask_bytes(), rings formatted */
	void *sink;	  /* sink_bytes(), ring formatted; NULL: nothing takes live messages */
	void *pump;	  /* intake_pump_bytes(), or NULL: feed_ring_open() follows, and
			   * feed_slots_open() where there are two rings; or
			   * feed_xdp_open() */
};

/* Lay out, attach, fault in. -1 with the reason. The counts are the caller's to load
 * after. */
KM_MUST_CHECK int rx_engine_init(struct rx_engine *e, const struct rx_engine_plan *plan,
				 const struct rx_engine_maps *maps,
				 delivery_wait_fn *wait_fn, void *wait_ctx, uint64_t now_ns,
				 struct km_err *err);

/* The first landing slot; once publish owes no message of a process before this one. */
void rx_engine_begin(struct rx_engine *e);

/* One batch of frames, realtime first, answers, timers. Returns the number of frames. */
unsigned rx_engine_step(struct rx_engine *e, uint64_t now_ns);

/* Frames or answers may come soon: milliseconds to sleep at most. */
int rx_engine_idle_ms(const struct rx_engine *e);

/* Settle and name everything, flush; see rx_sessions_stop(). */
void rx_engine_stop(struct rx_engine *e, bool forever);

/* Set the gauges; then the counts may be stored. */
void rx_engine_gauges(struct rx_engine *e);

/* Every conserved sum. */
bool rx_engine_check(const struct rx_engine *e);

void rx_engine_free(struct rx_engine *e);

#endif
