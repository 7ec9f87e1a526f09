// SPDX-License-Identifier: ISC
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "block.h"

unsigned block_rows(const struct block_geometry *geo)
{
	unsigned m = geo->equal && geo->k > geo->m ? geo->k : geo->m;

	if (geo->m == 0)
		return 0;
	if (geo->least)
		return fec_rows_for(m < geo->least ? geo->least : m);
	return fec_rows_for(m < BLOCK_ROWS_SHORT ? BLOCK_ROWS_SHORT : m);
}

unsigned block_repairs(const struct block_geometry *geo, unsigned k, bool lone)
{
	const unsigned M = block_rows(geo);
	const unsigned least = geo->least	  ? geo->least
			       : k <= BLOCK_SHORT ? BLOCK_ROWS_SHORT
						  : BLOCK_ROWS_MIN;
	unsigned m = (k * geo->m + geo->k - 1) / geo->k;

	if (geo->m == 0 || k == 0)
		return 0;
	/* Long ones may round down, so that the share of a whole transfer stays within m / k. */
	if (k >= BLOCK_ROUND_DOWN)
		m = k * geo->m / geo->k;
	if (k != geo->k && m < least)
		m = least;
	if (geo->equal && lone && m < k)
		m = k;
	return m < M ? m : M;
}

uint32_t block_symbol(const struct block_geometry *geo, uint64_t bytes)
{
	/* 5 % for record headers, so that the estimate seldom needs one symbol more. */
	const uint64_t want =
		(bytes + bytes / 20 + BLOCK_FEW_SYMBOLS - 1) / BLOCK_FEW_SYMBOLS;
	uint64_t symbol = (want + 63) / 64 * 64;

	if (symbol < BLOCK_SYMBOL_FLOOR)
		symbol = BLOCK_SYMBOL_FLOOR;
	return symbol < geo->symbol ? (uint32_t)symbol : geo->symbol;
}

unsigned block_depth(const struct block_geometry *geo, uint32_t symbol, uint64_t bytes)
{
	const uint64_t one = (uint64_t)geo->k * symbol;
	const uint64_t depth = bytes / one + (bytes % one != 0);

	if (depth < 1)
		return 1;
	return depth < geo->depth_max ? (unsigned)depth : geo->depth_max;
}

size_t block_pool_bytes(const struct block_geometry *geo)
{
	const unsigned M = block_rows(geo);

	if (M == 0)
		return 0;
	return geo->depth_max *
	       ((fec_encoder_bytes(M, geo->symbol, FEC_FEED_SYMBOLS) + 63) & ~(size_t)63);
}

static int take_room(struct block *block, size_t pool, unsigned depth, struct km_err *err)
{
	if (pool == 0)
		return 0;
	block->pool = pool;
	block->depth_room = depth;
	block->encoder = calloc(depth, sizeof(*block->encoder));
	block->work = aligned_alloc(64, pool);
	if (!block->encoder || !block->work)
		return km_err_set(
			err, EX_OSERR,
			"channel %u: no memory for %zu bytes of FEC windows: lower depth "
			"or fec",
			block->channel, pool);
	/* Every page now, so that the first full window does not pay for it. */
	memset(block->work, 0, pool);
	return 0;
}

int block_init(struct block *block, struct lane_out *out, struct control *control,
	       struct counts *counts, const struct block_geometry *geo, uint16_t channel,
	       uint8_t class, uint8_t stream, struct km_err *err)
{
	memset(block, 0, sizeof(*block));
	block->out = out;
	block->control = control;
	block->counts = counts;
	block->numbers = &block->next;
	block->geo = *geo;
	block->M = block_rows(geo);
	block->channel = channel;
	block->class = class;
	block->stream = stream;
	if (geo->k < 1 || geo->k + block->M > WIRE_FEC_POINTS || geo->depth_max < 1 ||
	    geo->depth_max > WIRE_DEPTH_MAX)
		return km_err_set(
			err, EX_CONFIG,
			"channel %u: FEC geometry k = %u, m = %u (%u rows), depth %u is "
			"not possible: k + rows must be at most 256",
			channel, geo->k, geo->m, block->M, geo->depth_max);
	block->work_bytes = block_pool_bytes(geo) / geo->depth_max;
	return take_room(block, block_pool_bytes(geo), geo->depth_max, err);
}

int block_init_room(struct block *block, struct lane_out *out, struct counts *counts,
		    size_t pool, unsigned depth, struct km_err *err)
{
	memset(block, 0, sizeof(*block));
	block->out = out;
	block->counts = counts;
	block->numbers = &block->next;
	return take_room(block, pool, depth, err);
}

void block_serve(struct block *block, struct block *helped, unsigned depth_max)
{
	block->geo = helped->geo;
	block->geo.depth_max = depth_max;
	block->M = helped->M;
	block->channel = helped->channel;
	block->class = helped->class;
	block->stream = helped->stream;
	block->numbers = helped->numbers;
	block->work_bytes = block_pool_bytes(&block->geo) / depth_max;
}

void block_fini(struct block *block)
{
	free(block->encoder);
	free(block->work);
	block->encoder = NULL;
	block->work = NULL;
}

void block_session(struct block *block)
{
	block->phase = BLOCK_IDLE;
	block->next = 0; /* who helps does not count by this */
	block->numbered = false;
	block->untold = false;
	block->mark = block->out->lane[block->class].submitted;
}

enum km_rc block_begin(struct block *block, uint64_t bytes)
{
	if (block->phase != BLOCK_IDLE)
		return KM_ERR_STATE;
	block->symbol_size = block_symbol(&block->geo, bytes);
	block->depth = (uint16_t)block_depth(&block->geo, block->symbol_size, bytes);
	block->symbols = 0;
	block->repair = 0;
	for (unsigned b = 0; block->M > 0 && b < block->depth; b++) {
		if (fec_encode_begin(&block->encoder[b], block->M, block->symbol_size,
				     FEC_FEED_SYMBOLS, block->work + b * block->work_bytes,
				     block->work_bytes) != FEC_OK)
			return KM_ERR_STATE;
	}
	block->phase = BLOCK_OPEN;
	return KM_OK;
}

uint32_t block_left(const struct block *block)
{
	if (block->phase != BLOCK_OPEN)
		return 0;
	return block->depth * block->geo.k - block->symbols;
}

static void header_fill(const struct block *block, struct frame_header *header,
			uint8_t type)
{
	*header = (struct frame_header){
		.type = type,
		.code = block->M ? FRAME_CODE_RS_LCH8 : FRAME_CODE_NONE,
		.channel = block->channel,
		.window = block->window,
		.depth = block->depth,
		.M = (uint8_t)block->M,
		.stream = block->stream,
		.symbol_size = (uint16_t)block->symbol_size,
	};
}

enum km_rc block_add(struct block *block, const uint8_t *symbol, size_t len)
{
	struct frame_header header;
	enum km_rc rc;
	unsigned b, esi;

	if (block_left(block) == 0)
		return KM_ERR_STATE;
	if (!block->numbered)
		block->window = atomic_fetch_add(block->numbers, 1);
	block->numbered = true;
	header_fill(block, &header, FRAME_SOURCE);
	header.index = (uint16_t)block->symbols;
	rc = lane_out_seal(block->out, block->class, &header, symbol, len);
	if (rc != KM_OK)
		return rc;
	b = block->symbols % block->depth;
	esi = block->symbols / block->depth;
	if (block->M > 0 && fec_encode_add(&block->encoder[b], esi, symbol, len) != FEC_OK)
		return KM_ERR_STATE;
	block->symbols++;
	*(block->stream == FRAME_STREAM_LEDGER ? &block->counts->ledger_source
					       : &block->counts->symbols_source) += 1;
	block->mark = block->out->lane[block->class].submitted;
	return KM_OK;
}

/* Sources of block b of the present window. */
static unsigned sources_of(const struct block *block, unsigned b)
{
	if (b >= block->symbols)
		return 0;
	return (block->symbols - b + block->depth - 1) / block->depth;
}

static unsigned repairs_of(const struct block *block, unsigned b)
{
	return block_repairs(&block->geo, sources_of(block, b), block->depth == 1);
}

void block_end(struct block *block, uint64_t now_ns)
{
	struct record_close record = {
		.channel = block->channel,
		.stream = block->stream,
		.window = block->window,
		.symbols = block->symbols,
	};
	unsigned repairs = 0;

	if (block->phase != BLOCK_OPEN)
		return;
	if (block->symbols == 0) {
		block->phase = BLOCK_IDLE;
		return;
	}
	for (unsigned b = 0; block->M > 0 && b < block->depth; b++) {
		repairs += repairs_of(block, b);
		(void)!fec_encode_finish(&block->encoder[b]);
	}
	record.repairs = (uint16_t)repairs;
	block->phase = BLOCK_REPAIR;
	block->repair = 0;
	block->counts->windows++;
	if (block->control) {
		control_closed(block->control, &record, now_ns);
		return;
	}
	block->closed = record;
	block->untold = true;
}

/* Seal repair `row` of block b. */
static enum km_rc repair_send(struct block *block, unsigned row, unsigned b)
{
	const uint8_t *symbol = fec_encode_row(&block->encoder[b], row);
	struct frame_header header;
	enum km_rc rc;

	if (!symbol)
		return KM_ERR_STATE;
	header_fill(block, &header, FRAME_REPAIR);
	header.index = (uint16_t)block->repair;
	header.k = (uint8_t)sources_of(block, b);
	header.m = (uint8_t)repairs_of(block, b);
	rc = lane_out_seal(block->out, block->class, &header, symbol, block->symbol_size);
	if (rc == KM_OK) {
		*(block->stream == FRAME_STREAM_LEDGER ? &block->counts->ledger_repair
						       : &block->counts->symbols_repair) +=
			1;
		block->mark = block->out->lane[block->class].submitted;
	}
	return rc;
}

enum km_rc block_step(struct block *block, unsigned frames)
{
	const uint32_t end = block->M * block->depth;

	if (block->phase != BLOCK_REPAIR)
		return block->phase == BLOCK_IDLE ? KM_OK : KM_ERR_STATE;
	for (; block->repair < end; block->repair++) {
		const unsigned row = block->repair / block->depth;
		const unsigned b = block->repair % block->depth;
		enum km_rc rc;

		if (row >= repairs_of(block, b))
			continue;
		if (frames-- == 0)
			return KM_ERR_FULL;
		rc = repair_send(block, row, b);
		if (rc != KM_OK)
			return rc;
	}
	block->phase = BLOCK_IDLE;
	block->numbered = false;
	return KM_OK;
}
