// SPDX-License-Identifier: ISC
#include "assemble.h"

#include "cursor.h"
#include "frame.h"
#include "record.h"

/* Bytes of the symbol that a message points to. */
static void point(struct deliver_msg *msg, const struct assemble_symbol *s,
		  const uint8_t *p, size_t len)
{
	msg->pos = s->pos + (uint64_t)(p - s->p);
	msg->len = (uint32_t)len;
}

static bool put_data(struct deliver_msg *msg, const struct assemble_symbol *s,
		     const struct record *r)
{
	switch (r->type) {
	case RECORD_BEGIN:
		msg->type = DELIVER_BEGIN;
		msg->chain = r->begin.chain;
		msg->number = r->begin.number;
		point(msg, s, r->body, r->body_len);
		return true;
	case RECORD_FRAGMENT:
		msg->type = DELIVER_FRAGMENT;
		msg->chain = r->fragment.chain;
		msg->number = r->fragment.number;
		msg->offset = r->fragment.offset;
		point(msg, s, r->fragment.data, r->fragment.len);
		return true;
	case RECORD_WITHDRAWN:
		msg->type = DELIVER_WITHDRAWN;
		msg->chain = r->withdrawn.chain;
		msg->number = r->withdrawn.number;
		msg->a = r->withdrawn.reason;
		return true;
	default:
		return false;
	}
}

static bool put_ledger(struct deliver_msg *msg, const struct assemble_symbol *s,
		       const struct record *r)
{
	if (r->type != RECORD_MANIFEST)
		return false;
	msg->type = DELIVER_MANIFEST;
	msg->chain = r->manifest.chain;
	msg->number = r->manifest.number;
	msg->offset = r->manifest.offset;
	msg->a = r->manifest.total;
	point(msg, s, r->manifest.data, r->manifest.len);
	return true;
}

/* A record of a live channel; it has no others. */
static bool put_live(const struct assemble_symbol *s, const struct record *r)
{
	if (r->type != RECORD_MESSAGE || s->stream != FRAME_STREAM_DATA)
		return false;
	live_take(s->live, s->channel_index, s->session_index, &r->message, s->window,
		  s->lane == 0);
	return true;
}

bool assemble_deliver(const struct assemble_symbol *s, struct delivery *d,
		      struct decode_counts *counts)
{
	struct rd rd;
	struct record r;
	enum km_rc rc;

	rd_init(&rd, s->p, s->len);
	while ((rc = record_next(&rd, &r)) == KM_OK || rc == KM_ERR_NOTFOUND) {
		struct deliver_msg msg = {
			.channel = s->channel,
			.lane = s->lane,
			.stream = s->stream,
			.session = s->session,
		};
		const bool live = live_owns(s->live, s->channel_index);
		bool ours = false;

		if (rc == KM_ERR_NOTFOUND) {
			counts->v[COUNT_RECORDS_UNKNOWN]++;
			continue;
		}
		if (live)
			ours = put_live(s, &r);
		else if (s->stream == FRAME_STREAM_DATA)
			ours = put_data(&msg, s, &r);
		else if (s->stream == FRAME_STREAM_LEDGER)
			ours = put_ledger(&msg, s, &r);
		if (!ours) {
			counts->v[COUNT_RECORDS_MISPLACED]++;
			continue;
		}
		counts->v[COUNT_RECORDS]++;
		if (!live)
			delivery_push(d, &msg);
	}
	if (rc == KM_ERR_EMPTY)
		return true;
	counts->v[COUNT_SYMBOLS_MALFORMED]++;
	delivery_note(d, DELIVER_ALARM_MALFORMED, 1);
	return false;
}
