// SPDX-License-Identifier: ISC
/*
 * ledger_out: manifests on their way, in the ledger stream of a channel: the first time,
 * again after 1 s and 60 s, and the last 1,000 in turn while the channel is idle. Always the
 * bytes of the outbox. A manifest has windows of its own with strong FEC: up to 32 symbols
 * one block with m >= k, longer ones interleaved blocks of (32, 16).
 *
 * Repeats are paid from a budget of 2 % of the configured rate; one of more than 64 KiB only
 * while such repeats are under 1 % of all bytes of the lane, so that a transfer of many
 * small files keeps its bound on the wire. It does not make or sign manifests (files.c).
 * One thread of the source role.
 */
#ifndef LEDGER_OUT_H
#define LEDGER_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel.h"
#include "counts.h"
#include "km_err.h"

#define LEDGER_K 32u
#define LEDGER_M 16u
#define LEDGER_DEPTH_MAX 16u /* a longer manifest takes several windows */
#define LEDGER_AGAIN_1_NS UINT64_C(1000000000)
#define LEDGER_AGAIN_2_NS UINT64_C(60000000000)
#define LEDGER_LARGE 65536u
/* Idle: nothing new was sent for this long; then one manifest at a time, so far apart. */
#define LEDGER_IDLE_NS UINT64_C(1000000000)
#define LEDGER_CYCLE_NS UINT64_C(5000000000)
#define LEDGER_CYCLE 1000u
#define LEDGER_QUEUE 512u /* repeats waiting; the cycle covers what does not fit */

struct ledger_repeat {
	uint64_t number, due_ns;
};

struct ledger_out {
	struct channel channel;
	struct counts *counts;
	int outbox;	     /* borrowed */
	uint64_t budget_bps; /* bytes/s for repeats */

	uint8_t *data; /* the manifest on its way, NULL none */
	size_t len, at;
	uint64_t chain, number;
	bool ended;	       /* all in symbols, window closing */
	uint64_t bytes_before; /* lane bytes when it began */
	bool is_repeat;

	struct ledger_repeat queue[2][LEDGER_QUEUE]; /* FIFO per delay: due times rise */
	uint32_t first[2], count[2];
	int64_t tokens; /* bytes that repeats may take now */
	uint64_t tokens_ns;
	uint64_t large_bytes; /* that repeats over LEDGER_LARGE took so far */
	uint64_t cycle_due_ns, cycle_next;
	uint64_t active_ns; /* when the channel last sent something new */
};

KM_MUST_CHECK int ledger_open(struct ledger_out *ledger, struct lane_out *out,
			      struct control *control, struct counts *counts, bool fec,
			      uint32_t symbol, uint16_t channel, uint8_t class, int outbox,
			      uint64_t rate_bps, struct km_err *err);
void ledger_close(struct ledger_out *ledger);

/* A new session: a manifest on its way begins again. */
void ledger_session(struct ledger_out *ledger);

static inline bool ledger_busy(const struct ledger_out *ledger)
{
	return ledger->data || channel_busy(&ledger->channel);
}

/* Begin to send a manifest of the outbox; not while busy. */
KM_MUST_CHECK int ledger_send(struct ledger_out *ledger, uint64_t chain, uint64_t number,
			      struct km_err *err);

/* Remember to repeat it after 1 s and 60 s. */
void ledger_sent(struct ledger_out *ledger, uint64_t number, uint64_t now_ns);

/* Send at most about `frames`. KM_OK: nothing is on its way. KM_ERR_FULL: come back. */
KM_MUST_CHECK enum km_rc ledger_step(struct ledger_out *ledger, unsigned frames,
				     uint64_t now_ns);

/* Begin a repeat if one is due, the budget allows it and nothing is on its way. chain and highest
 * manifest of now; active: the channel has data to send. Returns when to call again. */
uint64_t ledger_tick(struct ledger_out *ledger, uint64_t chain, uint64_t highest,
		     bool active, uint64_t now_ns);

#endif
