// SPDX-License-Identifier: ISC
/*
 * A receiver in one process for tests and fuzzing: the decode engine between a pump ring
 * that the test fills, a keeper that really opens announces, and a publish that copies
 * each message with its bytes and releases it. Also the other side: a small encoder that
 * makes announces, windows with repairs, and control frames out of common/ and fec/
 * alone. Time is the test's.
 */
#ifndef RIG_H
#define RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deliver.h"
#include "frame.h"
#include "keys.h"
#include "record.h"
#include "rx_engine.h"
#include "seal.h"

#define RIG_SYMBOL 512u
#define RIG_MS UINT64_C(1000000)
#define RIG_CHANNEL 7u
#define RIG_LIVE 9u
#define RIG_LIVE_HOLD_NS (50 * RIG_MS)
#define RIG_LANE_CONTROL 0u
#define RIG_LANE_LIVE 1u
#define RIG_LANE_DATA 3u

/* A message as publish got it. */
struct rig_msg {
	struct deliver_msg msg;
	uint8_t *bytes; /* copy of what pos/len named */
};

struct rig {
	struct rx_engine e;
	struct rx_engine_plan plan;
	struct rx_engine_maps maps;
	struct ring pump, publish, questions, answers, sink;
	struct keys_sign_secret identity;
	struct keys_box_secret receiver;
	uint64_t now_ns;
	bool keeper_dead, publish_asleep;
	uint32_t verdict;	 /* not 0: what the keeper says */
	struct ask_answer extra; /* floors that the keeper adds */
	struct ask floors;	 /* the last the keeper was told */
	unsigned asked;
	struct rig_msg *msgs;
	size_t msgs_n, msgs_cap;
};

/* SLOTS of the pool; channel RIG_CHANNEL and RIG_CHANNEL + 1 are ours, and the live channel
 * RIG_LIVE, whose messages stay in the ring of the sink. */
struct rig *rig_new(unsigned slots, uint64_t hold_bytes);
void rig_free(struct rig *rig);

/* A link frame into the pump; runs the engine first when the pump is full. */
void rig_push(struct rig *rig, const uint8_t *frame, size_t len);
/* Advance time and run until nothing more happens; every conserved sum is checked. */
void rig_run(struct rig *rig, uint64_t ns);
/* The same without the check: for many frames in a row, of which the last is checked. */
void rig_turn(struct rig *rig, uint64_t ns);
/* rig_run() for long times, in steps of 20 ms; checked at the end: a sum that does not hold stays
 * so, and recounting a quiet receiver was most of what fuzzing did. */
void rig_wait(struct rig *rig, uint64_t ns);
uint64_t rig_count(const struct rig *rig, enum decode_count row);
/* Messages of TYPE so far; FROM for searching on. */
size_t rig_messages(const struct rig *rig, enum deliver_type type);
const struct rig_msg *rig_find(const struct rig *rig, enum deliver_type type, size_t nth);
void rig_forget(struct rig *rig);

/* ---- the sending side -------------------------------------------------------------- */

struct rig_frame {
	uint8_t *p;
	size_t len;
	struct frame_header h;
};

struct rig_frames {
	struct rig_frame *v;
	size_t n, cap;
};

void rig_frames_free(struct rig_frames *f);

struct rig_tx {
	struct rig *rig;
	uint8_t secret[32], transcript[32];
	uint8_t announce[WIRE_ANNOUNCE_MAX];
	size_t announce_len;
	uint32_t tag;
	struct seal *lane[WIRE_LANES_MAX];
	uint64_t seq[WIRE_LANES_MAX];
	uint32_t control_window;
};

struct rig_tx *rig_tx_new(struct rig *rig, uint64_t epoch);
void rig_tx_free(struct rig_tx *tx);
/* The announce as a link frame, appended to OUT. */
void rig_tx_announce(struct rig_tx *tx, struct rig_frames *out);
/* Seal H (seq, tag, version filled in) with LEN payload bytes. */
void rig_tx_frame(struct rig_tx *tx, struct rig_frames *out, struct frame_header h,
		  const uint8_t *payload, size_t len);
/* A control symbol with these bytes. */
void rig_tx_control(struct rig_tx *tx, struct rig_frames *out, const uint8_t *payload,
		    size_t len);
void rig_tx_heartbeat(struct rig_tx *tx, struct rig_frames *out, uint8_t flags);
void rig_tx_close(struct rig_tx *tx, struct rig_frames *out, uint16_t channel,
		  uint8_t stream, uint32_t window, uint32_t symbols, uint16_t repairs);

struct rig_window {
	uint16_t channel;
	uint8_t stream;
	uint32_t number;
	unsigned depth, M, m;
	uint32_t symbols;  /* N */
	unsigned last_len; /* payload of the last symbol; 0 = full */
	uint16_t lane;	   /* 0 = RIG_LANE_DATA */
};

/* Source and repair frames of a window: symbol t carries one fragment (ledger: manifest)
 * record of object number + 1 at offset t * 64 K with bytes that follow from t. No close
 * record. */
void rig_tx_window(struct rig_tx *tx, struct rig_frames *out, const struct rig_window *w);

/* Bytes of the fragment in symbol T of window NUMBER; returns the length. */
size_t rig_fragment(uint8_t *out, uint32_t number, uint32_t t, size_t symbol_len);

/* How many different source symbols of window NUMBER have arrived whole, each byte
 * right. */
uint32_t rig_arrived(const struct rig *rig, const struct rig_window *w, bool *have);

/* A seeded generator; the seed comes from KM_SEED or the clock and is printed. */
uint64_t rig_seed(void);
uint64_t rig_random(uint64_t *state);

#endif
