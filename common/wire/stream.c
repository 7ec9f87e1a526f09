// SPDX-License-Identifier: ISC
#include "stream.h"

#include "cursor.h"

static void write_head(struct wr *w, const struct stream_msg *m)
{
	wr_u8(w, STREAM_VERSION);
	wr_u8(w, m->op);
	wr_u32(w, m->run);
	wr_u64(w, m->newest);
}

/* What no writer says and no reader takes. */
static bool sane(const struct stream_msg *m)
{
	uint64_t before = 0;

	if (m->op != STREAM_ALIVE && (m->connection == 0 || m->connection > m->newest))
		return false;
	switch (m->op) {
	case STREAM_OPEN:
		return m->source_len == 0 || m->source_len == STREAM_SOURCE;
	case STREAM_DATA:
		return m->len > 0 && m->offset <= STREAM_OFFSET_MAX &&
		       m->len <= STREAM_OFFSET_MAX - m->offset;
	case STREAM_CLOSE:
		return m->offset <= STREAM_OFFSET_MAX && m->end < STREAM_ENDS;
	case STREAM_ALIVE:
		for (unsigned i = 0; i < m->marks; before = m->mark[i++].connection)
			if (m->mark[i].connection <= before ||
			    m->mark[i].connection > m->newest ||
			    m->mark[i].offset > STREAM_OFFSET_MAX)
				return false;
		return m->marks <= STREAM_OPEN_MAX;
	default:
		return false;
	}
}

void stream_write_data_head(const struct stream_msg *m, uint8_t head[STREAM_DATA_HEAD])
{
	struct wr w;

	wr_init(&w, head, STREAM_DATA_HEAD);
	write_head(&w, m);
	wr_u64(&w, m->connection);
	wr_u64(&w, m->offset);
}

enum km_rc stream_write(const struct stream_msg *m, void *buf, size_t size, size_t *len)
{
	struct wr w;

	if (m->marks > STREAM_OPEN_MAX || !sane(m))
		return KM_ERR_RANGE;
	wr_init(&w, buf, size);
	write_head(&w, m);
	if (m->op != STREAM_ALIVE)
		wr_u64(&w, m->connection);
	if (m->op == STREAM_OPEN) {
		wr_u8(&w, m->source_len);
		wr_bytes(&w, m->source, m->source_len);
	} else if (m->op == STREAM_DATA) {
		wr_u64(&w, m->offset);
		wr_bytes(&w, m->data, m->len);
	} else if (m->op == STREAM_CLOSE) {
		wr_u64(&w, m->offset);
		wr_u8(&w, m->end);
	} else {
		wr_u8(&w, (uint8_t)m->marks);
		for (unsigned i = 0; i < m->marks; i++) {
			wr_u64(&w, m->mark[i].connection);
			wr_u64(&w, m->mark[i].offset);
		}
	}
	*len = w.used;
	return wr_ok(&w) ? KM_OK : KM_ERR_FULL;
}

static void read_marks(struct stream_msg *m, struct rd *r)
{
	m->marks = rd_u8(r);
	if (m->marks > STREAM_OPEN_MAX) {
		r->bad = true;
		m->marks = 0;
	}
	for (unsigned i = 0; i < m->marks; i++) {
		m->mark[i].connection = rd_u64(r);
		m->mark[i].offset = rd_u64(r);
	}
}

enum km_rc stream_read(struct stream_msg *m, const void *bytes, size_t len)
{
	struct rd r;
	uint8_t version;

	rd_init(&r, bytes, len);
	version = rd_u8(&r);
	if (!r.bad && version != STREAM_VERSION)
		return KM_ERR_VERSION;
	m->op = rd_u8(&r);
	m->run = rd_u32(&r);
	m->newest = rd_u64(&r);
	m->connection = m->op == STREAM_ALIVE ? 0 : rd_u64(&r);
	m->offset = 0;
	m->end = m->source_len = 0;
	m->data = NULL;
	m->len = 0;
	m->marks = 0;
	if (m->op == STREAM_OPEN) {
		m->source_len = rd_u8(&r);
		if (m->source_len == STREAM_SOURCE)
			rd_copy(&r, m->source, STREAM_SOURCE);
	} else if (m->op == STREAM_DATA) {
		m->offset = rd_u64(&r);
		m->len = rd_left(&r);
		m->data = rd_bytes(&r, m->len);
	} else if (m->op == STREAM_CLOSE) {
		m->offset = rd_u64(&r);
		m->end = rd_u8(&r);
	} else if (m->op == STREAM_ALIVE) {
		read_marks(m, &r);
	}
	return rd_done(&r) && sane(m) ? KM_OK : KM_ERR_MALFORMED;
}
