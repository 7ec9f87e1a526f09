// SPDX-License-Identifier: ISC
#include "record_again.h"

static enum km_rc fragment_again(struct wr *wr, const struct record_fragment *f)
{
	uint8_t *data;
	size_t taken;
	enum km_rc rc;

	rc = record_put_fragment(wr, f->chain, f->number, f->offset, f->len, &data, &taken);
	if (rc != KM_OK)
		return rc;
	memcpy(data, f->data, taken);
	return taken == f->len ? KM_OK : KM_ERR_FULL;
}

static enum km_rc manifest_again(struct wr *wr, const struct record_manifest *m)
{
	uint8_t *data;
	size_t taken;
	enum km_rc rc;

	rc = record_put_manifest(wr, m->chain, m->number, m->total, m->offset, m->len,
				 &data, &taken);
	if (rc != KM_OK)
		return rc;
	memcpy(data, m->data, taken);
	return taken == m->len ? KM_OK : KM_ERR_FULL;
}

static enum km_rc message_again(struct wr *wr, const struct record_message *m)
{
	uint8_t *data;
	size_t taken;
	enum km_rc rc = record_put_message(wr, m, &data, &taken);

	if (rc != KM_OK)
		return rc;
	if (taken > 0)
		memcpy(data, m->data, taken);
	return taken == m->len ? KM_OK : KM_ERR_FULL;
}

enum km_rc record_again(struct wr *wr, const struct record *r)
{
	struct record_heartbeat hb;
	enum km_rc rc;

	switch (r->type) {
	case RECORD_BEGIN:
		return record_put_begin(wr, &r->begin);
	case RECORD_FRAGMENT:
		return fragment_again(wr, &r->fragment);
	case RECORD_WITHDRAWN:
		return record_put_withdrawn(wr, &r->withdrawn);
	case RECORD_MANIFEST:
		return manifest_again(wr, &r->manifest);
	case RECORD_HEADS:
		return record_put_heads(wr, &r->heads);
	case RECORD_CLOSE:
		return record_put_close(wr, &r->close);
	case RECORD_MESSAGE:
		return message_again(wr, &r->message);
	case RECORD_LIVE:
		return record_put_live(wr, &r->live);
	case RECORD_HEARTBEAT:
		rc = record_heartbeat_decode(&hb, r->body, r->body_len);
		return rc == KM_OK ? record_put_heartbeat(wr, &hb) : rc;
	default:
		wr_u8(wr, r->type);
		wr_varint(wr, r->body_len);
		wr_bytes(wr, r->body, r->body_len);
		return wr_ok(wr) ? KM_OK : KM_ERR_FULL;
	}
}
