// SPDX-License-Identifier: ISC
#include "record.h"

#include "frame.h"

#define NS_PER_S UINT32_C(1000000000)
/* Four length bytes of the text stand before it; a manifest has at least one byte more. */
#define MANIFEST_TOTAL_MIN 5u
#define HEARTBEAT_FIXED 26u
#define HEARTBEAT_LANE 10u
#define CONFIG_PREFIX 8u

/* ---- what is allowed: one judge for both directions ----------------------------------- */

static bool begin_ok(const struct record_begin *b)
{
	if (!b->chain || !b->number || b->kind > RECORD_OBJECT_DIR ||
	    b->size > WIRE_OBJECT_MAX)
		return false;
	if (b->kind == RECORD_OBJECT_DIR && b->size)
		return false;
	return b->mtime_ns < NS_PER_S && b->path_len >= 1 && b->path_len <= WIRE_PATH_MAX;
}

static bool fragment_ok(uint64_t chain, uint64_t number, uint64_t offset, size_t len)
{
	return chain && number && len && offset < WIRE_OBJECT_MAX &&
	       len <= WIRE_OBJECT_MAX - offset;
}

static bool withdrawn_ok(const struct record_withdrawn *w)
{
	return w->chain && w->number &&
	       (w->reason == RECORD_WITHDRAWN_CHANGED ||
		w->reason == RECORD_WITHDRAWN_GONE);
}

static bool manifest_ok(const struct record_manifest *m)
{
	return m->chain && m->number && m->len && m->total >= MANIFEST_TOTAL_MIN &&
	       m->total <= WIRE_MANIFEST_MAX && m->offset < m->total &&
	       m->len <= m->total - m->offset;
}

static bool heads_ok(const struct record_heads *h)
{
	uint8_t any = 0;

	for (size_t i = 0; i < sizeof(h->head); i++)
		any |= h->head[i];
	if (!h->chain && (h->objects || h->manifests))
		return false;
	return h->manifests || !any; /* no manifest, no head */
}

static bool close_ok(const struct record_close *c)
{
	return c->stream < FRAME_STREAM_COUNT && c->symbols >= 1 &&
	       c->symbols <= WIRE_WINDOW_SYMBOLS_MAX;
}

static bool message_ok(const struct record_message *m)
{
	if (!m->number || m->total > WIRE_MESSAGE_MAX || m->offset > m->total ||
	    m->len > m->total - m->offset)
		return false;
	if (m->source_len != 0 && m->source_len != WIRE_SOURCE_IPV4 &&
	    m->source_len != WIRE_SOURCE_IPV6)
		return false;
	return m->len || !m->total; /* only an empty message has a piece without bytes */
}

/* ---- decoding ----------------------------------------------------------------------------- */

/* The rest of a body, at least one byte and at most MAX; NULL otherwise. */
static const uint8_t *rest(struct rd *rd, size_t max, size_t *len)
{
	*len = rd_left(rd);
	if (*len < 1 || *len > max) {
		rd->bad = true;
		return NULL;
	}
	return rd_bytes(rd, *len);
}

static bool decode_begin(struct record_begin *b, struct rd *rd)
{
	b->chain = rd_varint(rd);
	b->number = rd_varint(rd);
	b->kind = rd_u8(rd);
	b->size = rd_varint(rd);
	b->mtime_s = (int64_t)rd_u64(rd);
	b->mtime_ns = rd_u32(rd);
	b->path = rest(rd, WIRE_PATH_MAX, &b->path_len);
	return rd_done(rd) && begin_ok(b);
}

static bool decode_fragment(struct record_fragment *f, struct rd *rd)
{
	f->chain = rd_varint(rd);
	f->number = rd_varint(rd);
	f->offset = rd_varint(rd);
	f->data = rest(rd, WIRE_SYMBOL_MAX, &f->len);
	return rd_done(rd) && fragment_ok(f->chain, f->number, f->offset, f->len);
}

static bool decode_withdrawn(struct record_withdrawn *w, struct rd *rd)
{
	w->chain = rd_varint(rd);
	w->number = rd_varint(rd);
	w->reason = rd_u8(rd);
	return rd_done(rd) && withdrawn_ok(w);
}

static bool decode_manifest(struct record_manifest *m, struct rd *rd)
{
	m->chain = rd_varint(rd);
	m->number = rd_varint(rd);
	m->total = rd_varint(rd);
	m->offset = rd_varint(rd);
	m->data = rest(rd, WIRE_SYMBOL_MAX, &m->len);
	return rd_done(rd) && manifest_ok(m);
}

static bool decode_heads(struct record_heads *h, struct rd *rd)
{
	h->channel = rd_u16(rd);
	h->chain = rd_varint(rd);
	h->objects = rd_varint(rd);
	h->manifests = rd_varint(rd);
	rd_copy(rd, h->head, sizeof(h->head));
	return rd_done(rd) && heads_ok(h);
}

static bool decode_close(struct record_close *c, struct rd *rd)
{
	c->channel = rd_u16(rd);
	c->stream = rd_u8(rd);
	c->window = rd_u32(rd);
	c->symbols = rd_u16(rd);
	c->repairs = rd_u16(rd);
	return rd_done(rd) && close_ok(c);
}

static bool decode_message(struct record_message *m, struct rd *rd)
{
	uint64_t total, offset;

	m->number = rd_varint(rd);
	m->tx_time_ns = rd_u64(rd);
	m->source_len = rd_u8(rd);
	m->source = rd_bytes(rd, m->source_len);
	total = rd_varint(rd);
	offset = rd_varint(rd);
	if (rd->bad || total > WIRE_MESSAGE_MAX || offset > total)
		return false;
	m->total = (uint32_t)total;
	m->offset = (uint32_t)offset;
	m->len = rd_left(rd);
	m->data = rd_bytes(rd, m->len);
	return rd_done(rd) && message_ok(m);
}

static bool decode_live(struct record_live *l, struct rd *rd)
{
	l->channel = rd_u16(rd);
	l->messages = rd_varint(rd);
	l->dropped = rd_varint(rd);
	return rd_done(rd);
}

/* Nothing but zeros may follow a padding byte. */
static enum km_rc end_of_symbol(struct rd *rd)
{
	size_t left = rd_left(rd);
	const uint8_t *p = rd_bytes(rd, left);
	uint8_t any = 0;

	for (size_t i = 0; p && i < left; i++)
		any |= p[i];
	if (!any)
		return KM_ERR_EMPTY;
	rd->bad = true;
	return KM_ERR_MALFORMED;
}

enum km_rc record_next(struct rd *rd, struct record *r)
{
	struct rd body;
	uint64_t len;
	bool ok;

	if (rd->bad)
		return KM_ERR_MALFORMED;
	if (!rd_left(rd))
		return KM_ERR_EMPTY;
	r->type = rd_u8(rd);
	r->body = NULL;
	r->body_len = 0;
	if (r->type == RECORD_PADDING)
		return end_of_symbol(rd);
	len = rd_varint(rd);
	if (rd->bad || len > rd_left(rd)) {
		rd->bad = true;
		return KM_ERR_MALFORMED;
	}
	r->body_len = (size_t)len;
	r->body = rd_bytes(rd, r->body_len);
	rd_init(&body, r->body, r->body_len);
	switch (r->type) {
	case RECORD_BEGIN:
		ok = decode_begin(&r->begin, &body);
		break;
	case RECORD_FRAGMENT:
		ok = decode_fragment(&r->fragment, &body);
		break;
	case RECORD_WITHDRAWN:
		ok = decode_withdrawn(&r->withdrawn, &body);
		break;
	case RECORD_MANIFEST:
		ok = decode_manifest(&r->manifest, &body);
		break;
	case RECORD_HEARTBEAT:
		ok = true; /* record_heartbeat_decode() reads the body */
		break;
	case RECORD_HEADS:
		ok = decode_heads(&r->heads, &body);
		break;
	case RECORD_CLOSE:
		ok = decode_close(&r->close, &body);
		break;
	case RECORD_MESSAGE:
		ok = decode_message(&r->message, &body);
		break;
	case RECORD_LIVE:
		ok = decode_live(&r->live, &body);
		break;
	default:
		return KM_ERR_NOTFOUND;
	}
	rd->bad = !ok;
	return ok ? KM_OK : KM_ERR_MALFORMED;
}

enum km_rc record_heartbeat_decode(struct record_heartbeat *hb, const uint8_t *body,
				   size_t len)
{
	struct rd rd;

	rd_init(&rd, body, len);
	hb->tx_time_ns = rd_u64(&rd);
	hb->port_received = rd_u64(&rd);
	hb->flags = rd_u8(&rd);
	rd_copy(&rd, hb->config_digest, sizeof(hb->config_digest));
	hb->lanes = rd_u8(&rd);
	if (hb->lanes > WIRE_LANES_MAX)
		return KM_ERR_MALFORMED;
	for (unsigned i = 0; i < hb->lanes; i++) {
		hb->lane[i].lane = rd_u16(&rd);
		hb->lane[i].accepted = rd_u64(&rd);
		if (hb->lane[i].lane >= WIRE_LANES_MAX ||
		    (i && hb->lane[i].lane <= hb->lane[i - 1].lane))
			return KM_ERR_MALFORMED;
	}
	return rd_done(&rd) ? KM_OK : KM_ERR_MALFORMED;
}

/* ---- encoding ----------------------------------------------------------------------------- */

/* Begin a record with a body of LEN bytes, all of which fit, or change nothing. */
static enum km_rc open_record(struct wr *wr, uint8_t type, size_t len)
{
	if (wr->bad || wr_left(wr) < 1 + wr_varint_size(len) + len)
		return KM_ERR_FULL;
	wr_u8(wr, type);
	wr_varint(wr, len);
	return KM_OK;
}

enum km_rc record_put_begin(struct wr *wr, const struct record_begin *b)
{
	size_t len;
	enum km_rc rc;

	if (!begin_ok(b))
		return KM_ERR_RANGE;
	len = wr_varint_size(b->chain) + wr_varint_size(b->number) + 1 +
	      wr_varint_size(b->size) + 8 + 4 + b->path_len;
	rc = open_record(wr, RECORD_BEGIN, len);
	if (rc != KM_OK)
		return rc;
	wr_varint(wr, b->chain);
	wr_varint(wr, b->number);
	wr_u8(wr, b->kind);
	wr_varint(wr, b->size);
	wr_u64(wr, (uint64_t)b->mtime_s);
	wr_u32(wr, b->mtime_ns);
	wr_bytes(wr, b->path, b->path_len);
	return KM_OK;
}

enum km_rc record_put_withdrawn(struct wr *wr, const struct record_withdrawn *w)
{
	enum km_rc rc;

	if (!withdrawn_ok(w))
		return KM_ERR_RANGE;
	rc = open_record(wr, RECORD_WITHDRAWN,
			 wr_varint_size(w->chain) + wr_varint_size(w->number) + 1);
	if (rc != KM_OK)
		return rc;
	wr_varint(wr, w->chain);
	wr_varint(wr, w->number);
	wr_u8(wr, w->reason);
	return KM_OK;
}

static bool heartbeat_ok(const struct record_heartbeat *hb)
{
	if (hb->lanes > WIRE_LANES_MAX)
		return false;
	for (unsigned i = 0; i < hb->lanes; i++) {
		if (hb->lane[i].lane >= WIRE_LANES_MAX)
			return false;
		if (i && hb->lane[i].lane <= hb->lane[i - 1].lane)
			return false;
	}
	return true;
}

enum km_rc record_put_heartbeat(struct wr *wr, const struct record_heartbeat *hb)
{
	enum km_rc rc;

	if (!heartbeat_ok(hb))
		return KM_ERR_RANGE;
	rc = open_record(wr, RECORD_HEARTBEAT,
			 HEARTBEAT_FIXED + hb->lanes * HEARTBEAT_LANE);
	if (rc != KM_OK)
		return rc;
	wr_u64(wr, hb->tx_time_ns);
	wr_u64(wr, hb->port_received);
	wr_u8(wr, hb->flags);
	wr_bytes(wr, hb->config_digest, CONFIG_PREFIX);
	wr_u8(wr, hb->lanes);
	for (unsigned i = 0; i < hb->lanes; i++) {
		wr_u16(wr, hb->lane[i].lane);
		wr_u64(wr, hb->lane[i].accepted);
	}
	return KM_OK;
}

enum km_rc record_put_heads(struct wr *wr, const struct record_heads *h)
{
	enum km_rc rc;

	if (!heads_ok(h))
		return KM_ERR_RANGE;
	rc = open_record(wr, RECORD_HEADS,
			 2 + wr_varint_size(h->chain) + wr_varint_size(h->objects) +
				 wr_varint_size(h->manifests) + sizeof(h->head));
	if (rc != KM_OK)
		return rc;
	wr_u16(wr, h->channel);
	wr_varint(wr, h->chain);
	wr_varint(wr, h->objects);
	wr_varint(wr, h->manifests);
	wr_bytes(wr, h->head, sizeof(h->head));
	return KM_OK;
}

enum km_rc record_put_close(struct wr *wr, const struct record_close *c)
{
	enum km_rc rc;

	if (!close_ok(c))
		return KM_ERR_RANGE;
	rc = open_record(wr, RECORD_CLOSE, 2 + 1 + 4 + 2 + 2);
	if (rc != KM_OK)
		return rc;
	wr_u16(wr, c->channel);
	wr_u8(wr, c->stream);
	wr_u32(wr, c->window);
	wr_u16(wr, (uint16_t)c->symbols);
	wr_u16(wr, c->repairs);
	return KM_OK;
}

enum km_rc record_put_live(struct wr *wr, const struct record_live *l)
{
	enum km_rc rc =
		open_record(wr, RECORD_LIVE,
			    2 + wr_varint_size(l->messages) + wr_varint_size(l->dropped));

	if (rc != KM_OK)
		return rc;
	wr_u16(wr, l->channel);
	wr_varint(wr, l->messages);
	wr_varint(wr, l->dropped);
	return KM_OK;
}

/*
 * Begin a record whose body is HEAD fixed bytes and up to WANT bytes of data, as much as
 * fits; *TAKEN says how much. The length's own size depends on the body: go down from the
 * largest body until both fit, a step or two.
 */
static enum km_rc open_piece(struct wr *wr, uint8_t type, size_t head, size_t want,
			     size_t *taken)
{
	size_t left = wr_left(wr);
	size_t least = want < RECORD_FRAGMENT_MIN ? want : RECORD_FRAGMENT_MIN;
	size_t body = left < 2 ? 0 : left - 2;

	while (body && 1 + wr_varint_size(body) + body > left)
		body--;
	if (body < head + least)
		return KM_ERR_FULL;
	*taken = body - head < want ? body - head : want;
	return open_record(wr, type, head + *taken);
}

enum km_rc record_put_fragment(struct wr *wr, uint64_t chain, uint64_t number,
			       uint64_t offset, size_t want, uint8_t **data, size_t *taken)
{
	enum km_rc rc;

	if (want > WIRE_SYMBOL_MAX)
		want = WIRE_SYMBOL_MAX;
	if (!fragment_ok(chain, number, offset, want))
		return KM_ERR_RANGE;
	rc = open_piece(wr, RECORD_FRAGMENT,
			wr_varint_size(chain) + wr_varint_size(number) +
				wr_varint_size(offset),
			want, taken);
	if (rc != KM_OK)
		return rc;
	wr_varint(wr, chain);
	wr_varint(wr, number);
	wr_varint(wr, offset);
	*data = wr_space(wr, *taken);
	return KM_OK;
}

enum km_rc record_put_manifest(struct wr *wr, uint64_t chain, uint64_t number,
			       uint64_t total, uint64_t offset, size_t want, uint8_t **data,
			       size_t *taken)
{
	const struct record_manifest m = {.chain = chain,
					  .number = number,
					  .total = total,
					  .offset = offset,
					  .len = want};
	enum km_rc rc;

	if (!manifest_ok(&m))
		return KM_ERR_RANGE;
	rc = open_piece(wr, RECORD_MANIFEST,
			wr_varint_size(chain) + wr_varint_size(number) +
				wr_varint_size(total) + wr_varint_size(offset),
			want < WIRE_SYMBOL_MAX ? want : WIRE_SYMBOL_MAX, taken);
	if (rc != KM_OK)
		return rc;
	wr_varint(wr, chain);
	wr_varint(wr, number);
	wr_varint(wr, total);
	wr_varint(wr, offset);
	*data = wr_space(wr, *taken);
	return KM_OK;
}

/* Of a message record's body, what stands before the data. */
static size_t message_head(const struct record_message *m)
{
	return wr_varint_size(m->number) + 8 + 1 + m->source_len +
	       wr_varint_size(m->total) + wr_varint_size(m->offset);
}

size_t record_message_bytes(const struct record_message *m)
{
	const size_t body = message_head(m) + m->len;

	return 1 + wr_varint_size(body) + body;
}

enum km_rc record_put_message(struct wr *wr, const struct record_message *m, uint8_t **data,
			      size_t *taken)
{
	enum km_rc rc;

	if (!message_ok(m))
		return KM_ERR_RANGE;
	rc = open_piece(wr, RECORD_MESSAGE, message_head(m), m->len, taken);
	if (rc != KM_OK)
		return rc;
	wr_varint(wr, m->number);
	wr_u64(wr, m->tx_time_ns);
	wr_u8(wr, (uint8_t)m->source_len);
	wr_bytes(wr, m->source, m->source_len);
	wr_varint(wr, m->total);
	wr_varint(wr, m->offset);
	*data = wr_space(wr, *taken);
	return KM_OK;
}
