// SPDX-License-Identifier: ISC
#include <stdlib.h>
#include <string.h>

#include "channel.h"

struct block_geometry channel_geometry(const struct tx_config *config,
				       const struct tx_config_channel *conf)
{
	return (struct block_geometry){
		.k = conf->fec_k,
		.m = conf->fec_m,
		.depth_max = conf->depth_max,
		.symbol = tx_config_symbol_size(config),
	};
}

int channel_open(struct channel *channel, struct lane_out *out, struct control *control,
		 struct counts *counts, const struct block_geometry *geo, uint16_t number,
		 uint8_t class, uint8_t stream, uint64_t flush_ns, uint64_t rate_bps,
		 struct km_err *err)
{
	memset(channel, 0, sizeof(*channel));
	channel->flush_ns = flush_ns;
	/* bits/s * ns / 8e9, in an order that cannot overflow for any rate and flush time. */
	channel->ahead_bytes = rate_bps / 8000u * (flush_ns / 1000u) / 1000u;
	if (channel->ahead_bytes < geo->symbol)
		channel->ahead_bytes = geo->symbol;
	channel->symbol = calloc(1, geo->symbol);
	if (!channel->symbol)
		return km_err_set(err, EX_OSERR, "channel %u: out of memory", number);
	return block_init(&channel->block, out, control, counts, geo, number, class, stream,
			  err);
}

int channel_open_room(struct channel *channel, struct lane_out *out, struct counts *counts,
		      uint32_t symbol, size_t pool, unsigned depth, struct km_err *err)
{
	memset(channel, 0, sizeof(*channel));
	channel->symbol = calloc(1, symbol);
	if (!channel->symbol)
		return km_err_set(err, EX_OSERR, "worker %u: out of memory", out->worker);
	return block_init_room(&channel->block, out, counts, pool, depth, err);
}

void channel_serve(struct channel *channel, struct channel *helped, unsigned depth_max)
{
	channel->flush_ns = helped->flush_ns;
	channel->ahead_bytes = helped->ahead_bytes;
	block_serve(&channel->block, &helped->block, depth_max);
}

void channel_close(struct channel *channel)
{
	block_fini(&channel->block);
	free(channel->symbol);
	channel->symbol = NULL;
}

void channel_session(struct channel *channel)
{
	block_session(&channel->block);
	wr_init(&channel->wr, channel->symbol, 0);
}

static void symbol_reset(struct channel *channel)
{
	wr_init(&channel->wr, channel->symbol, channel->block.symbol_size);
}

enum km_rc channel_window(struct channel *channel, uint64_t backlog, unsigned frames,
			  uint64_t now_ns)
{
	enum km_rc rc;

	if (channel->block.phase == BLOCK_OPEN)
		return KM_OK;
	rc = block_step(&channel->block, frames);
	if (rc != KM_OK)
		return rc;
	if (backlog > channel->ahead_bytes)
		backlog = channel->ahead_bytes;
	rc = block_begin(&channel->block, backlog);
	if (rc != KM_OK)
		return rc;
	symbol_reset(channel);
	channel->serial++;
	channel->opened_ns = now_ns;
	return KM_OK;
}

/* Seal the symbol in hand; `last` cuts it, else it is zero-filled to full size. */
static enum km_rc symbol_flush(struct channel *channel, bool last, uint64_t now_ns)
{
	const size_t full = channel->block.symbol_size;
	size_t len = channel->wr.used;
	enum km_rc rc;

	if (len == 0)
		return KM_OK;
	if (!last) {
		/* All frames of a window have one size but for the last (segmentation). */
		memset(channel->symbol + len, 0, full - len);
		len = full;
	}
	rc = block_add(&channel->block, channel->symbol, len);
	if (rc != KM_OK)
		return rc;
	symbol_reset(channel);
	if (block_left(&channel->block) == 0)
		block_end(&channel->block, now_ns);
	return KM_OK;
}

/* A record did not fit: make room. KM_OK: try once more. */
static enum km_rc make_room(struct channel *channel, uint64_t now_ns)
{
	enum km_rc rc;

	if (channel->wr.used == 0)
		return KM_ERR_RANGE; /* an empty symbol does not hold it */
	rc = symbol_flush(channel, false, now_ns);
	if (rc != KM_OK)
		return rc;
	return channel->block.phase == BLOCK_OPEN ? KM_OK : KM_ERR_STATE;
}

/* The state common to all puts: a window must be open. */
static enum km_rc may_put(const struct channel *channel)
{
	return channel->block.phase == BLOCK_OPEN ? KM_OK : KM_ERR_STATE;
}

enum km_rc channel_begin(struct channel *channel, const struct record_begin *b,
			 uint64_t now_ns)
{
	enum km_rc rc = may_put(channel);

	if (rc != KM_OK)
		return rc;
	rc = record_put_begin(&channel->wr, b);
	if (rc != KM_ERR_FULL)
		return rc;
	rc = make_room(channel, now_ns);
	if (rc != KM_OK)
		return rc;
	rc = record_put_begin(&channel->wr, b);
	return rc == KM_ERR_FULL ? KM_ERR_RANGE : rc;
}

enum km_rc channel_withdrawn(struct channel *channel, const struct record_withdrawn *w,
			     uint64_t now_ns)
{
	enum km_rc rc = may_put(channel);

	if (rc != KM_OK)
		return rc;
	rc = record_put_withdrawn(&channel->wr, w);
	if (rc != KM_ERR_FULL)
		return rc;
	rc = make_room(channel, now_ns);
	if (rc != KM_OK)
		return rc;
	rc = record_put_withdrawn(&channel->wr, w);
	return rc == KM_ERR_FULL ? KM_ERR_RANGE : rc;
}

enum km_rc channel_fragment(struct channel *channel, uint64_t chain, uint64_t number,
			    uint64_t offset, size_t want, uint8_t **data, size_t *taken,
			    uint64_t now_ns)
{
	enum km_rc rc = may_put(channel);

	if (rc != KM_OK)
		return rc;
	rc = record_put_fragment(&channel->wr, chain, number, offset, want, data, taken);
	if (rc != KM_ERR_FULL)
		return rc;
	rc = make_room(channel, now_ns);
	if (rc != KM_OK)
		return rc;
	rc = record_put_fragment(&channel->wr, chain, number, offset, want, data, taken);
	return rc == KM_ERR_FULL ? KM_ERR_RANGE : rc;
}

enum km_rc channel_manifest(struct channel *channel, uint64_t chain, uint64_t number,
			    uint64_t total, uint64_t offset, size_t want, uint8_t **data,
			    size_t *taken, uint64_t now_ns)
{
	enum km_rc rc = may_put(channel);

	if (rc != KM_OK)
		return rc;
	rc = record_put_manifest(&channel->wr, chain, number, total, offset, want, data,
				 taken);
	if (rc != KM_ERR_FULL)
		return rc;
	rc = make_room(channel, now_ns);
	if (rc != KM_OK)
		return rc;
	rc = record_put_manifest(&channel->wr, chain, number, total, offset, want, data,
				 taken);
	return rc == KM_ERR_FULL ? KM_ERR_RANGE : rc;
}

enum km_rc channel_flush(struct channel *channel, uint64_t now_ns)
{
	if (channel->block.phase != BLOCK_OPEN)
		return KM_OK;
	return symbol_flush(channel, true, now_ns);
}

enum km_rc channel_message(struct channel *channel, const struct record_message *m,
			   uint8_t **data, size_t *taken, uint64_t now_ns)
{
	enum km_rc rc = may_put(channel);

	if (rc != KM_OK)
		return rc;
	if (channel->wr.used > 0 && record_message_bytes(m) > wr_left(&channel->wr)) {
		rc = channel_flush(channel, now_ns);
		if (rc == KM_OK)
			rc = may_put(channel);
		if (rc != KM_OK)
			return rc;
	}
	rc = record_put_message(&channel->wr, m, data, taken);
	return rc == KM_ERR_FULL ? KM_ERR_RANGE : rc;
}

enum km_rc channel_end(struct channel *channel, uint64_t now_ns)
{
	enum km_rc rc;

	if (channel->block.phase != BLOCK_OPEN)
		return KM_OK;
	rc = symbol_flush(channel, true, now_ns);
	if (rc != KM_OK)
		return rc;
	block_end(&channel->block, now_ns);
	return KM_OK;
}

enum km_rc channel_step(struct channel *channel, unsigned frames)
{
	if (channel->block.phase == BLOCK_REPAIR)
		return block_step(&channel->block, frames);
	return KM_OK;
}

bool channel_overdue(const struct channel *channel, uint64_t now_ns)
{
	return channel->block.phase == BLOCK_OPEN &&
	       now_ns - channel->opened_ns >= CHANNEL_FLUSH_FACTOR * channel->flush_ns;
}
