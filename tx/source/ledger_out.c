// SPDX-License-Identifier: ISC
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "ledger_out.h"
#include "outbox.h"

/* A record's header and the share of a symbol that is left empty, per KiB: generous. */
#define HEAD_PER_KIB 40u

int ledger_open(struct ledger_out *l, struct lane_out *out, struct control *control,
		struct counts *counts, bool fec, uint32_t symbol, uint16_t channel,
		uint8_t class, int outbox, uint64_t rate_bps, struct km_err *err)
{
	const uint64_t window = (uint64_t)LEDGER_K * symbol;
	const uint64_t depth = (WIRE_MANIFEST_MAX + window - 1) / window;
	const struct block_geometry geo = {
		.k = LEDGER_K,
		.m = fec ? LEDGER_M : 0,
		.depth_max = depth < LEDGER_DEPTH_MAX ? (unsigned)depth : LEDGER_DEPTH_MAX,
		.symbol = symbol,
		.equal = true,
	};

	memset(l, 0, sizeof(*l));
	l->counts = counts;
	l->outbox = outbox;
	l->budget_bps = rate_bps / 8 / 50;
	if (channel_open(&l->channel, out, control, counts, &geo, channel, class,
			 FRAME_STREAM_LEDGER, UINT32_MAX, rate_bps, err) != 0)
		return -1;
	l->channel.ahead_bytes = UINT64_MAX; /* depth follows the manifest alone */
	return 0;
}

void ledger_close(struct ledger_out *l)
{
	channel_close(&l->channel);
	free(l->data);
	l->data = NULL;
}

void ledger_session(struct ledger_out *l)
{
	channel_session(&l->channel);
	l->at = 0;
	l->ended = false;
}

static uint64_t lane_bytes(const struct ledger_out *l)
{
	return l->channel.block.out->lane[l->channel.block.class].bytes;
}

int ledger_send(struct ledger_out *l, uint64_t chain, uint64_t number, struct km_err *err)
{
	if (ledger_busy(l))
		return km_err_set(err, EX_SOFTWARE, "ledger: busy");
	if (outbox_read(l->outbox, chain, number, &l->data, &l->len, err) != 0)
		return -1;
	l->chain = chain;
	l->number = number;
	l->at = 0;
	l->ended = false;
	l->is_repeat = false;
	l->bytes_before = lane_bytes(l);
	return 0;
}

void ledger_sent(struct ledger_out *l, uint64_t number, uint64_t now_ns)
{
	static const uint64_t delay_ns[2] = {LEDGER_AGAIN_1_NS, LEDGER_AGAIN_2_NS};

	l->active_ns = now_ns;
	for (unsigned i = 0; i < 2; i++) {
		if (l->count[i] == LEDGER_QUEUE)
			continue;
		l->queue[i][(l->first[i] + l->count[i]++) % LEDGER_QUEUE] =
			(struct ledger_repeat){.number = number,
					       .due_ns = now_ns + delay_ns[i]};
	}
}

/* Put what is left of the manifest into symbols. */
static enum km_rc put(struct ledger_out *l, unsigned frames, uint64_t now_ns)
{
	while (l->at < l->len) {
		const size_t left = l->len - l->at;
		uint8_t *data;
		size_t taken;
		enum km_rc rc;

		rc = channel_window(&l->channel, left + (left / 1024 + 1) * HEAD_PER_KIB,
				    frames, now_ns);
		if (rc != KM_OK)
			return rc;
		rc = channel_manifest(&l->channel, l->chain, l->number, l->len, l->at, left,
				      &data, &taken, now_ns);
		if (rc == KM_ERR_STATE)
			continue; /* the window was full: the next one */
		if (rc != KM_OK)
			return rc;
		memcpy(data, l->data + l->at, taken);
		l->at += taken;
	}
	return KM_OK;
}

static void finished(struct ledger_out *l)
{
	const uint64_t cost = lane_bytes(l) - l->bytes_before;

	if (l->is_repeat) {
		l->counts->manifests_repeated++;
		l->tokens -= (int64_t)cost;
		if (l->len > LEDGER_LARGE)
			l->large_bytes += cost;
	}
	free(l->data);
	l->data = NULL;
}

enum km_rc ledger_step(struct ledger_out *l, unsigned frames, uint64_t now_ns)
{
	enum km_rc rc;

	if (!l->data)
		return channel_step(&l->channel, frames);
	if (!l->ended) {
		rc = put(l, frames, now_ns);
		if (rc == KM_OK)
			rc = channel_end(&l->channel, now_ns);
		if (rc != KM_OK)
			return rc;
		l->ended = true;
	}
	rc = channel_step(&l->channel, frames);
	if (rc == KM_OK)
		finished(l);
	return rc;
}

static void earn(struct ledger_out *l, uint64_t now_ns)
{
	const uint64_t passed = now_ns - l->tokens_ns;

	if (l->tokens_ns == 0 || passed > CLOCK_NS_PER_SEC)
		l->tokens += (int64_t)l->budget_bps;
	else
		l->tokens += (int64_t)(l->budget_bps * passed / CLOCK_NS_PER_SEC);
	/* At most one second's worth is saved up. */
	if (l->tokens > (int64_t)l->budget_bps)
		l->tokens = (int64_t)l->budget_bps;
	l->tokens_ns = now_ns;
}

/* When the cycle may go on: a time in the past would keep the caller awake. */
static uint64_t cycle_at(const struct ledger_out *l)
{
	const uint64_t idle_ns = l->active_ns + LEDGER_IDLE_NS;

	return l->cycle_due_ns > idle_ns ? l->cycle_due_ns : idle_ns;
}

/* Begin one if its size is within the bounds. */
static void begin_repeat(struct ledger_out *l, uint64_t chain, uint64_t number)
{
	if (ledger_send(l, chain, number, NULL) != 0)
		return; /* no longer in the outbox, or unreadable now: the cycle returns */
	if (l->len > LEDGER_LARGE && l->large_bytes + 2 * l->len > lane_bytes(l) / 100) {
		free(l->data);
		l->data = NULL;
		return;
	}
	l->is_repeat = true;
}

static uint64_t next_due(const struct ledger_out *l, uint64_t highest)
{
	uint64_t next = highest > 0 ? cycle_at(l) : CLOCK_NEVER;

	for (unsigned i = 0; i < 2; i++) {
		if (l->count[i] > 0 && l->queue[i][l->first[i]].due_ns < next)
			next = l->queue[i][l->first[i]].due_ns;
	}
	return next;
}

uint64_t ledger_tick(struct ledger_out *l, uint64_t chain, uint64_t highest, bool active,
		     uint64_t now_ns)
{
	earn(l, now_ns);
	if (active)
		l->active_ns = now_ns;
	for (unsigned i = 0; i < 2 && !ledger_busy(l) && l->tokens > 0; i++) {
		const struct ledger_repeat *r = &l->queue[i][l->first[i]];

		if (l->count[i] == 0 || r->due_ns > now_ns)
			continue;
		l->first[i] = (l->first[i] + 1) % LEDGER_QUEUE;
		l->count[i]--;
		begin_repeat(l, chain, r->number);
	}
	if (highest > 0 && !ledger_busy(l) && l->tokens > 0 && now_ns >= cycle_at(l)) {
		const uint64_t lowest =
			highest > LEDGER_CYCLE ? highest - LEDGER_CYCLE + 1 : 1;

		if (l->cycle_next < lowest || l->cycle_next > highest)
			l->cycle_next = lowest;
		begin_repeat(l, chain, l->cycle_next++);
		l->cycle_due_ns = now_ns + LEDGER_CYCLE_NS;
	}
	if (l->tokens <= 0 || active || ledger_busy(l))
		return now_ns + 100 * CLOCK_NS_PER_MS;
	return next_due(l, highest);
}
