// SPDX-License-Identifier: ISC
#include "frame.h"

#include <stdbool.h>

#include "announce.h"
#include "cursor.h"

void frame_header_encode(uint8_t *out, const struct frame_header *header)
{
	struct wr wr;

	wr_init(&wr, out, WIRE_HEADER_LEN);
	wr_u8(&wr, header->version);
	wr_u8(&wr, header->type);
	wr_u8(&wr, header->class);
	wr_u8(&wr, header->code);
	wr_u32(&wr, header->session_tag);
	wr_u16(&wr, header->lane);
	wr_u16(&wr, header->channel);
	wr_u64(&wr, header->seq);
	wr_u32(&wr, header->window);
	wr_u16(&wr, header->index);
	wr_u16(&wr, header->depth);
	wr_u8(&wr, header->M);
	wr_u8(&wr, header->k);
	wr_u8(&wr, header->m);
	wr_u8(&wr, header->stream);
	wr_u16(&wr, header->length);
	wr_u16(&wr, header->symbol_size);
	wr_zero(&wr, 3);
	wr_u8(&wr, header->link_id);
}

/* An announce stands outside of sessions, lanes and windows: all of that is zero. */
static enum km_rc check_announce(const struct frame_header *h)
{
	size_t boxes;

	if (h->class != FRAME_CLASS_CONTROL || h->code != FRAME_CODE_NONE ||
	    h->session_tag || h->lane || h->channel || h->seq || h->window || h->index ||
	    h->depth || h->M || h->k || h->m || h->stream || h->symbol_size)
		return KM_ERR_RANGE;
	if (h->length < WIRE_ANNOUNCE_MIN || h->length > WIRE_ANNOUNCE_MAX)
		return KM_ERR_RANGE;
	boxes = h->length - WIRE_ANNOUNCE_FIXED - WIRE_ANNOUNCE_SIG;
	return boxes % WIRE_ANNOUNCE_BOX ? KM_ERR_RANGE : KM_OK;
}

/* A test frame has a number in a lane, but neither channel nor window of symbols. */
static enum km_rc check_test(const struct frame_header *h)
{
	if (h->class != FRAME_CLASS_NORMAL || h->lane != FRAME_CLASS_NORMAL ||
	    h->code != FRAME_CODE_NONE || h->channel || h->index || h->depth || h->M ||
	    h->k || h->m || h->stream || h->symbol_size)
		return KM_ERR_RANGE;
	return h->seq < WIRE_LANE_FRAMES_MAX && h->length >= WIRE_LINKTEST_BODY
		       ? KM_OK
		       : KM_ERR_RANGE;
}

/* Index and block shape. ESI and row fit one codeword of WIRE_FEC_POINTS positions. */
static enum km_rc check_place(const struct frame_header *h)
{
	unsigned row = h->index / h->depth;
	unsigned sources_max = WIRE_FEC_POINTS - h->M;

	if (h->type == FRAME_SOURCE)
		return row < sources_max && !h->k && !h->m ? KM_OK : KM_ERR_RANGE;
	if (h->k < 1 || h->k > sources_max || h->m < 1 || h->m > h->M || row >= h->m)
		return KM_ERR_RANGE;
	return h->length == h->symbol_size ? KM_OK : KM_ERR_RANGE;
}

enum km_rc frame_header_check(const struct frame_header *h)
{
	if (h->version != WIRE_VERSION)
		return KM_ERR_VERSION;
	if (h->type < FRAME_ANNOUNCE || h->type > FRAME_TEST ||
	    h->class >= FRAME_CLASS_COUNT || h->code > FRAME_CODE_RS_LCH8 ||
	    h->stream >= FRAME_STREAM_COUNT)
		return KM_ERR_MALFORMED;
	if (h->type == FRAME_ANNOUNCE)
		return check_announce(h);
	if (h->type == FRAME_TEST)
		return check_test(h);
	if (h->lane >= WIRE_LANES_MAX || h->lane % WIRE_LANE_CLASSES != h->class ||
	    h->seq >= WIRE_LANE_FRAMES_MAX)
		return KM_ERR_RANGE;
	if (h->depth < 1 || h->depth > WIRE_DEPTH_MAX || h->M > WIRE_FEC_M_MAX ||
	    (h->M & (h->M - 1)) || (h->M == 0) != (h->code == FRAME_CODE_NONE))
		return KM_ERR_RANGE;
	if (h->symbol_size < WIRE_SYMBOL_MIN || h->symbol_size > WIRE_SYMBOL_MAX ||
	    h->length > h->symbol_size)
		return KM_ERR_RANGE;
	return check_place(h);
}

enum km_rc frame_header_decode(struct frame_header *header, const uint8_t *p, size_t len)
{
	struct rd rd;
	enum km_rc rc;
	uint32_t reserved;

	if (len < WIRE_HEADER_LEN)
		return KM_ERR_SHORT;
	rd_init(&rd, p, WIRE_HEADER_LEN);
	header->version = rd_u8(&rd);
	header->type = rd_u8(&rd);
	header->class = rd_u8(&rd);
	header->code = rd_u8(&rd);
	header->session_tag = rd_u32(&rd);
	header->lane = rd_u16(&rd);
	header->channel = rd_u16(&rd);
	header->seq = rd_u64(&rd);
	header->window = rd_u32(&rd);
	header->index = rd_u16(&rd);
	header->depth = rd_u16(&rd);
	header->M = rd_u8(&rd);
	header->k = rd_u8(&rd);
	header->m = rd_u8(&rd);
	header->stream = rd_u8(&rd);
	header->length = rd_u16(&rd);
	header->symbol_size = rd_u16(&rd);
	reserved = (uint32_t)rd_uint(&rd, 3);
	header->link_id = rd_u8(&rd);
	if (!rd_done(&rd))
		return KM_ERR_SHORT;
	if (header->version != WIRE_VERSION)
		return KM_ERR_VERSION; /* what follows may be laid out otherwise */
	if (reserved)
		return KM_ERR_MALFORMED;
	rc = frame_header_check(header);
	if (rc != KM_OK)
		return rc;
	return len < frame_bytes(header) ? KM_ERR_SHORT : KM_OK;
}

size_t frame_bytes(const struct frame_header *header)
{
	bool sealed = header->type == FRAME_SOURCE || header->type == FRAME_REPAIR;
	size_t tag = sealed ? WIRE_TAG_LEN : 0;

	return WIRE_HEADER_LEN + (size_t)header->length + tag;
}

size_t frame_symbol_size(size_t mtu)
{
	return mtu < WIRE_OVERHEAD ? 0 : mtu - WIRE_OVERHEAD;
}

const char *frame_class_name(unsigned class)
{
	static const char *const names[FRAME_CLASS_COUNT] = {
		[FRAME_CLASS_CONTROL] = "control", [FRAME_CLASS_REALTIME] = "realtime",
		[FRAME_CLASS_HIGH] = "high",	   [FRAME_CLASS_NORMAL] = "normal",
		[FRAME_CLASS_LOW] = "low",
	};

	return class < FRAME_CLASS_COUNT ? names[class] : "?";
}
