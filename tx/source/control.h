// SPDX-License-Identifier: ISC
/*
 * control: channel 0. The announce's schedule, heartbeats, the heads of all chains, close
 * records and the farewell. A control symbol is a window of its own (D = 1, no FEC) on the
 * control lane; safety against loss is repetition. It decides when these frames leave and
 * what they say; others only tell it facts (control_heads, control_closed). When the lane
 * has no room, what is due waits; close records are never dropped.
 * One thread of the source role.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "counts.h"
#include "km_err.h"
#include "lanes.h"
#include "record.h"

/* 10 announces over 108 ms come before the first frame of data (DESIGN section 4), so that
 * a receiver has several chances before anything depends on it. */
#define CONTROL_FIRST_ANNOUNCES 10u
#define CONTROL_FIRST_GAP_NS UINT64_C(12000000)
/* After that for ever; the promise is 1 s. */
#define CONTROL_ANNOUNCE_NS UINT64_C(500000000)
/* Frames between announces while the first window of a session is on its way. */
#define CONTROL_ANNOUNCE_FRAMES 256u
#define CONTROL_HEARTBEAT_NS UINT64_C(500000000)
/* A heartbeat leaves this soon after the last frame was released; the promise is 50 ms. */
#define CONTROL_QUIET_NS UINT64_C(20000000)
/* The second copy of a close record: long enough after the first to ride out a burst. */
#define CONTROL_CLOSE_AGAIN_NS UINT64_C(100000000)
#define CONTROL_CLOSES 512u /* second copies waiting; beyond it the oldest goes early */
#define CONTROL_FAREWELLS 3u

struct control_close {
	struct record_close record;
	uint64_t due_ns;
};

struct control {
	struct lanes *lanes;
	struct lane_out *out; /* the loop's */
	struct counts *counts;
	uint32_t symbol_size;
	uint8_t *symbol; /* symbol_size bytes */
	uint32_t window; /* next one */

	uint8_t announce[WIRE_ANNOUNCE_MAX];
	size_t announce_len;
	uint64_t announce_due_ns;
	unsigned announced;   /* announces of this session, capped */
	uint64_t frames_then; /* data frames when the last announce left */
	bool first_window;    /* no data window of the session has closed yet */

	uint64_t heartbeat_due_ns;
	uint64_t told_accepted; /* frames accepted that the last heartbeat told */
	uint64_t told_frames;	/* frames of that heartbeat itself */
	uint64_t active_ns;	/* when the lanes last were not drained */
	uint8_t config_digest[32];
	uint8_t flags; /* enum record_heartbeat_flags that hold for good */
	int port_fd;   /* rx_packets of the link interface, or -1 */

	struct record_heads heads[WIRE_CHANNELS_MAX];
	unsigned heads_count;

	struct record_live live[WIRE_CHANNELS_MAX];
	unsigned live_count;

	struct control_close again[CONTROL_CLOSES]; /* FIFO of second copies */
	unsigned again_first, again_count;
	struct record_close owed[CONTROL_CLOSES]; /* first copies that found no room */
	unsigned owed_count;
};

/* port_fd is borrowed. -1 when memory is out. */
KM_MUST_CHECK int control_open(struct control *control, struct lanes *lanes,
			       struct counts *counts, uint32_t symbol_size,
			       const uint8_t config_digest[32], uint8_t flags, int port_fd,
			       struct km_err *err);
void control_close(struct control *control);

/* A new session with these announce bytes: everything begins anew. */
void control_session(struct control *control, const uint8_t *announce, size_t len,
		     uint64_t now_ns);

/* True when the first announces have left: data may follow. */
bool control_ready(const struct control *control);

/* Place of a channel in the heads; call once per channel at start. */
unsigned control_add_channel(struct control *control, uint16_t channel);
void control_heads(struct control *control, unsigned place,
		   const struct record_heads *heads);

/* The same for a live channel, and how far it has come. */
unsigned control_add_live(struct control *control, uint16_t channel);
void control_live(struct control *control, unsigned place, uint64_t messages,
		  uint64_t dropped);

/* A window has closed: its close record leaves now and again 100 ms later. */
void control_closed(struct control *control, const struct record_close *record,
		    uint64_t now_ns);

/* Send what is due. KM_ERR_STATE when the rings are dead; room is waited for silently. */
KM_MUST_CHECK enum km_rc control_tick(struct control *control, uint64_t now_ns);

/* When control_tick() next has something to do. */
uint64_t control_next(const struct control *control);

/* Second copies of close records at once: before a session ends. True when none is left. */
bool control_flush(struct control *control, uint64_t now_ns);

/* One heartbeat now, with these further flags. KM_ERR_FULL: no room, try again. */
KM_MUST_CHECK enum km_rc control_heartbeat(struct control *control, uint8_t flags,
					   uint64_t now_ns);

#endif
