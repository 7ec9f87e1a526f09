// SPDX-License-Identifier: ISC
/*
 * One whole window, sealed: 9 source symbols over depth 2, so that block 0 has k = 5 and
 * block 1 has k = 4, M = 4 with m = 3 rows each. It carries one object of 2,000 bytes.
 */
#include <string.h>

#include "fec.h"
#include "frame.h"
#include "record.h"
#include "vectors.h"

#define SYMBOL 256u
#define SOURCES 9u
#define DEPTH 2u
#define ROWS 3u
#define ROWS_M 4u
#define K_MAX 5u
#define OBJECT_BYTES 2000u
#define LANE 3u
#define FIRST_SEQ 1000u

struct window {
	uint8_t symbol[SOURCES][SYMBOL];
	size_t length[SOURCES];
	uint8_t repair[DEPTH][ROWS][SYMBOL];
	uint64_t seq;
	struct seal *seal;
};

static void fill_symbols(struct window *w)
{
	static const char path[] = "dir/\x83\x5c.txt"; /* Shift_JIS */
	uint8_t object[OBJECT_BYTES];
	struct record_begin b = {.chain = VECTORS_CHAIN,
				 .number = 5,
				 .size = OBJECT_BYTES,
				 .mtime_s = 1763704000,
				 .mtime_ns = 123456789,
				 .path = (const uint8_t *)path,
				 .path_len = strlen(path)};
	size_t offset = 0;

	vectors_bytes(object, sizeof(object), "object 5");
	for (unsigned t = 0; t < SOURCES; t++) {
		uint8_t *data;
		size_t taken;
		struct wr wr;

		memset(w->symbol[t], 0, SYMBOL);
		wr_init(&wr, w->symbol[t], SYMBOL);
		if (t == 0)
			vectors_need(record_put_begin(&wr, &b) == KM_OK, "no begin record");
		vectors_need(record_put_fragment(&wr, b.chain, b.number, offset,
						 OBJECT_BYTES - offset, &data,
						 &taken) == KM_OK,
			     "no fragment");
		memcpy(data, object + offset, taken);
		offset += taken;
		w->length[t] = wr.used;
	}
	vectors_need(offset == OBJECT_BYTES, "the object does not fill the window");
}

static unsigned block_k(unsigned block)
{
	return (SOURCES - block + DEPTH - 1) / DEPTH;
}

static void encode(struct window *w)
{
	static uint8_t scratch[FEC_SCRATCH_MAX];

	for (unsigned block = 0; block < DEPTH; block++) {
		struct fec_geometry geo = {.k = block_k(block), .m = ROWS, .M = ROWS_M};
		const uint8_t *src[K_MAX];
		uint8_t *repair[ROWS];

		for (unsigned esi = 0; esi < geo.k; esi++)
			src[esi] = w->symbol[esi * DEPTH + block];
		for (unsigned row = 0; row < ROWS; row++)
			repair[row] = w->repair[block][row];
		vectors_need(fec_encode_block(&geo, SYMBOL, src, repair, scratch,
					      sizeof(scratch)) == FEC_OK,
			     "no repair symbols");
	}
}

static void write_frame(const struct vectors *v, struct window *w, struct frame_header *h,
			const uint8_t *plain, const char *end)
{
	uint8_t frame[SYMBOL + WIRE_OVERHEAD];

	h->version = WIRE_VERSION;
	h->class = FRAME_CLASS_NORMAL;
	h->code = FRAME_CODE_RS_LCH8;
	h->session_tag = session_tag(v->transcript);
	h->lane = LANE;
	h->channel = VECTORS_CHANNEL;
	h->seq = w->seq++;
	h->window = 17;
	h->depth = DEPTH;
	h->M = ROWS_M;
	h->stream = FRAME_STREAM_DATA;
	h->symbol_size = SYMBOL;
	h->link_id = 1;
	vectors_need(frame_header_check(h) == KM_OK, "a header is wrong");
	frame_header_encode(frame, h);
	vectors_need(seal_frame(w->seal, frame, h->seq, plain, h->length,
				frame + WIRE_HEADER_LEN) == KM_OK,
		     "no seal");
	fprintf(v->out,
		"      {\n        \"type\": %u, \"seq\": %llu, \"index\": %u, \"k\": %u, "
		"\"m\": %u, \"length\": %u,\n",
		h->type, (unsigned long long)h->seq, h->index, h->k, h->m, h->length);
	vectors_hex(v, "        ", "payload", plain, h->length, ",");
	vectors_hex(v, "        ", "frame", frame, frame_bytes(h), "");
	fprintf(v->out, "      }%s\n", end);
}

void vectors_write_window(const struct vectors *v)
{
	static struct window w;
	uint8_t key[SEAL_KEY_LEN], object[OBJECT_BYTES];

	w.seq = FIRST_SEQ;
	seal_lane_key(key, v->secret, v->transcript, LANE);
	w.seal = seal_new(key);
	vectors_need(w.seal != NULL, "no seal");
	fill_symbols(&w);
	encode(&w);
	vectors_bytes(object, sizeof(object), "object 5");
	fprintf(v->out,
		"  \"window\": {\n    \"lane\": %u, \"channel\": %u, \"stream\": 0, "
		"\"window\": 17, \"depth\": %u, \"M\": %u, \"symbol_size\": %u, "
		"\"symbols\": %u, \"repairs\": %u,\n",
		LANE, VECTORS_CHANNEL, DEPTH, ROWS_M, SYMBOL, SOURCES, DEPTH * ROWS);
	vectors_hex(v, "    ", "lane_key", key, sizeof(key), ",");
	vectors_hex(v, "    ", "object", object, sizeof(object), ",");
	fprintf(v->out, "    \"frames\": [\n");
	for (unsigned t = 0; t < SOURCES; t++) {
		struct frame_header h = {.type = FRAME_SOURCE,
					 .index = (uint16_t)t,
					 .length = (uint16_t)w.length[t]};

		write_frame(v, &w, &h, w.symbol[t], ",");
	}
	for (unsigned r = 0; r < DEPTH * ROWS; r++) {
		struct frame_header h = {.type = FRAME_REPAIR,
					 .index = (uint16_t)r,
					 .k = (uint8_t)block_k(r % DEPTH),
					 .m = ROWS,
					 .length = SYMBOL};

		write_frame(v, &w, &h, w.repair[r % DEPTH][r / DEPTH],
			    r + 1 < DEPTH * ROWS ? "," : "");
	}
	fprintf(v->out, "    ]\n  },\n");
	seal_free(w.seal);
}
