// SPDX-License-Identifier: ISC
#include "messages.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "cursor.h"
#include "log.h"
#include "manifests.h"
#include "name.h"
#include "record.h"

/* Damage is looked for when what is on the way has surely come. */
#define MESSAGES_DAMAGE_NS UINT64_C(1500000000)

#define MESSAGES_LINE 64u /* bytes that one prefetch fetches */

/* Type, length and body of the longest begin record, with room to spare. */
#define MESSAGES_BEGIN_MAX (WIRE_PATH_MAX + 128u)

int messages_init(struct messages *m, struct flow *flow, unsigned flows,
		  struct voice *voice, const uint8_t *segment, uint64_t segment_len,
		  struct km_err *err)
{
	*m = (struct messages){.flow = flow,
			       .flows = flows,
			       .voice = voice,
			       .segment = segment,
			       .segment_len = segment_len};
	for (unsigned i = 0; i < flows; i++)
		if (flow[i].conf->number < WIRE_CHANNELS_MAX)
			m->by_channel[flow[i].conf->number] = &flow[i];
	m->gather = malloc(MESSAGES_GATHER);
	m->copy = malloc(MESSAGES_DATA_MAX);
	if (m->gather && m->copy)
		return 0;
	messages_free(m);
	return km_err_set(err, EX_OSERR, "out of memory");
}

void messages_free(struct messages *m)
{
	free(m->gather);
	free(m->copy);
	m->gather = m->copy = NULL;
}

static struct flow *messages_flow(struct messages *m, uint16_t channel)
{
	if (channel < WIRE_CHANNELS_MAX)
		return m->by_channel[channel];
	for (unsigned i = 0; i < m->flows; i++)
		if (m->flow[i].conf->number == channel)
			return &m->flow[i];
	return NULL;
}

static enum km_rc messages_violation(struct messages *m, const struct deliver_msg *msg,
				     const char *what)
{
	snprintf(m->violation, sizeof(m->violation),
		 "%s type=%u channel=%u pos=%" PRIu64 " len=%" PRIu32, what, msg->type,
		 msg->channel, msg->pos, msg->len);
	voice_add(m->voice, VOICE_VIOLATIONS, 1);
	return KM_ERR_AUTH;
}

/* A record that makes no sense: counted, said at a limited rate. */
static void messages_refuse(struct messages *m, const struct flow *flow,
			    const struct deliver_msg *msg, const char *why)
{
	voice_add(m->voice, VOICE_REFUSED, 1);
	log_event_limited(EVENT_OBJECT_REFUSED,
			  "%s channel=%s type=%u chain=%" PRIu64 " number=%" PRIu64, why,
			  flow->conf->name, msg->type, msg->chain, msg->number);
}

/* ---- gathering ---- */

/*
 * Writes what is gathered. A failure leaves a hole that is named; the bytes are given
 * up.
 */
static void messages_write(struct messages *m, uint64_t now_ns)
{
	struct object *o = m->object;
	struct flow *flow = m->object_flow;
	size_t len = m->len;
	enum km_rc rc;

	m->object = NULL;
	m->len = 0;
	if (!o || len == 0)
		return;
	if (!shelf_takes(&flow->shelf, o, m->at, m->at + len)) {
		voice_add(m->voice, VOICE_REFUSED, 1);
		return;
	}
	rc = shelf_ready(&flow->shelf, o) == 0 ? object_write(o, m->at, m->to, len)
					       : KM_ERR_SYS;
	shelf_count(&flow->shelf, o);
	if (rc == KM_ERR_SYS) {
		flow_write_failed(flow, o);
		voice_add(m->voice, VOICE_HELD_BACK, 1);
		return;
	}
	if (rc != KM_OK) { /* too many holes */
		voice_add(m->voice, VOICE_REFUSED, 1);
		return;
	}
	o->held = false;
	o->damaged = false;
	o->touched_ns = now_ns;
	flow->checked += len;
	if (progress_extent(&flow->progress, o, m->at, m->at + len) != 0)
		voice_add(m->voice, VOICE_WRITE_ERRORS, 1);
	flow_advance(flow, o);
}

/* What comes next is gathered for [at, ...) of O. */
static void messages_open(struct messages *m, struct flow *flow, struct object *o,
			  uint64_t at)
{
	m->object = o;
	m->object_flow = flow;
	m->at = at;
	m->to = object_stage(o, at, &m->room);
	if (!m->to) {
		m->to = m->gather;
		m->room = MESSAGES_GATHER;
	}
	if (m->room > MESSAGES_GATHER)
		m->room = MESSAGES_GATHER;
}

/* Adds segment bytes for [at, at + len) of O, of which nothing is there. The one copy. */
static void messages_gather(struct messages *m, struct flow *flow, struct object *o,
			    uint64_t at, const uint8_t *from, size_t len, uint64_t now_ns)
{
	while (len > 0) {
		size_t now;

		/* O outlives this: it is not whole before these bytes are there. */
		if (m->object != o || m->at + m->len != at || m->len == m->room) {
			messages_write(m, now_ns);
			messages_open(m, flow, o, at);
		}
		now = len < m->room - m->len ? len : m->room - m->len;
		memcpy(m->to + m->len, from, now);
		m->len += now;
		from += now;
		at += now;
		len -= now;
	}
}

/* Bytes [offset, offset + len) at `from`: what is not there yet is taken. */
static void messages_place(struct messages *m, struct flow *flow, struct object *o,
			   uint64_t offset, const uint8_t *from, size_t len,
			   uint64_t now_ns)
{
	enum object_what what = o->what;
	uint64_t chain = o->chain, number = o->number;
	uint64_t at = offset, end = offset + len, a, b;
	bool any = false;

	/* What is gathered is not in `have` yet: only a continuation may skip it. */
	if (m->object == o && (m->at + m->len != offset || m->len == m->room)) {
		messages_write(m, now_ns);
		/* A manifest that is whole now has been judged and is gone. */
		o = shelf_find(&flow->shelf, what, chain, number);
		if (!o)
			return;
	}
	while (extents_hole(&o->have, at, end, &a, &b)) {
		messages_gather(m, flow, o, a, from + (a - offset), (size_t)(b - a),
				now_ns);
		any = true;
		at = b;
	}
	if (!any)
		voice_add(m->voice, VOICE_DUPLICATES, 1);
}

enum km_rc messages_settle(struct messages *m, uint64_t now_ns)
{
	enum km_rc rc = KM_OK;

	messages_write(m, now_ns);
	for (unsigned i = 0; i < m->flows; i++) {
		struct km_err err = KM_ERR_INIT;

		if (progress_flush(&m->flow[i].progress, &err) == 0)
			continue;
		log_event_limited(EVENT_STATE_UNWRITABLE,
				  "%s; make room, nothing is taken until then channel=%s",
				  err.text, m->flow[i].conf->name);
		rc = KM_ERR_FULL;
	}
	return rc;
}

/* ---- the messages ---- */

/* Object in progress, made if need be; NULL: said why not. */
static struct object *messages_object(struct messages *m, struct flow *flow,
				      const struct deliver_msg *msg, enum object_what what)
{
	struct object *o = shelf_find(&flow->shelf, what, msg->chain, msg->number);

	if (o)
		return o;
	o = shelf_add(&flow->shelf, what, msg->chain, msg->number);
	if (!o) {
		messages_refuse(m, flow, msg, "too many objects are in progress: dropped");
		voice_add(m->voice, VOICE_HELD_BACK, 1);
	}
	return o;
}

/* No room: the hole is counted, and the object named once. */
static bool messages_held(struct messages *m, struct flow *flow,
			  const struct deliver_msg *msg)
{
	struct object *o;

	if (!flow->full)
		return false;
	voice_add(m->voice, VOICE_HELD_BACK, 1);
	o = shelf_find(&flow->shelf, OBJECT_DATA, msg->chain, msg->number);
	if (o && o->held)
		return true;
	if (o)
		o->held = true;
	log_event_limited(EVENT_OBJECT_HELD,
			  "dropped, the disk is full channel=%s chain=%" PRIu64
			  " object=%" PRIu64,
			  flow->conf->name, msg->chain, msg->number);
	return true;
}

static void messages_fragment(struct messages *m, struct flow *flow,
			      const struct deliver_msg *msg, uint64_t now_ns)
{
	struct object *o;

	ledger_note(&flow->ledger, msg->chain, msg->number);
	if (ledger_settled(&flow->ledger, msg->chain, msg->number)) {
		voice_add(m->voice, VOICE_DUPLICATES, 1);
		return;
	}
	if (msg->offset > flow->conf->max_object ||
	    flow->conf->max_object - msg->offset < msg->len) {
		messages_refuse(m, flow, msg, "a fragment lies beyond max_object");
		return;
	}
	if (messages_held(m, flow, msg))
		return;
	o = messages_object(m, flow, msg, OBJECT_DATA);
	if (!o)
		return;
	if (o->digested && o->size > 0) {
		voice_add(m->voice, VOICE_DUPLICATES, 1);
		return;
	}
	if (o->begun && (msg->offset > o->size || o->size - msg->offset < msg->len)) {
		messages_refuse(m, flow, msg, "a fragment lies beyond the object's end");
		return;
	}
	messages_place(m, flow, o, msg->offset, m->segment + msg->pos, msg->len, now_ns);
}

/* The body, copied and parsed by the one record parser. */
static bool messages_parse_begin(struct messages *m, const struct deliver_msg *msg,
				 struct record *record)
{
	struct rd rd;
	struct wr wr;

	if (msg->len > MESSAGES_BEGIN_MAX)
		return false;
	wr_init(&wr, m->copy, MESSAGES_DATA_MAX);
	wr_u8(&wr, RECORD_BEGIN);
	wr_varint(&wr, msg->len);
	wr_bytes(&wr, m->segment + msg->pos, msg->len);
	rd_init(&rd, m->copy, wr.used);
	return wr_ok(&wr) && record_next(&rd, record) == KM_OK &&
	       record->type == RECORD_BEGIN;
}

static const char *messages_judge_begin(const struct flow *flow,
					const struct record_begin *b)
{
	enum name_fault fault = name_check(b->path, b->path_len);

	if (fault != NAME_OK)
		return name_fault_text(fault);
	if (b->kind != RECORD_OBJECT_FILE && b->kind != RECORD_OBJECT_DIR)
		return "unknown kind of object";
	if (b->kind == RECORD_OBJECT_DIR && b->size != 0)
		return "a directory with a size";
	if (b->size > flow->conf->max_object)
		return "larger than max_object";
	return NULL;
}

static void messages_begin(struct messages *m, struct flow *flow,
			   const struct deliver_msg *raw, uint64_t now_ns)
{
	char quoted[LOG_QUOTE_MAX(WIRE_PATH_MAX)];
	struct deliver_msg msg = *raw;
	struct record record;
	const struct record_begin *b = &record.begin;
	const char *fault;
	struct object *o;
	bool before;

	if (!messages_parse_begin(m, &msg, &record)) {
		messages_refuse(m, flow, &msg, "a begin record does not parse");
		return;
	}
	msg.chain = b->chain;
	msg.number = b->number;
	ledger_note(&flow->ledger, b->chain, b->number);
	if (ledger_settled(&flow->ledger, b->chain, b->number)) {
		voice_add(m->voice, VOICE_DUPLICATES, 1);
		return;
	}
	fault = messages_judge_begin(flow, b);
	if (fault) {
		voice_add(m->voice, VOICE_REFUSED, 1);
		log_event_limited(EVENT_OBJECT_REFUSED,
				  "begin record refused: %s channel=%s object=%" PRIu64
				  " path=%s",
				  fault, flow->conf->name, b->number,
				  log_quote(quoted, sizeof(quoted), b->path, b->path_len));
		return;
	}
	o = messages_object(m, flow, &msg, OBJECT_DATA);
	if (!o)
		return;
	if (m->object == o) /* bytes beyond this size may be among the gathered */
		messages_write(m, now_ns);
	before = o->begun;
	if (object_begin(o, b->kind, b->size, b->mtime_s, b->mtime_ns, b->path,
			 b->path_len) != KM_OK) {
		messages_refuse(m, flow, &msg, "a begin record contradicts what is here");
		return;
	}
	if (before)
		return;
	o->touched_ns = now_ns;
	if (progress_begin(&flow->progress, o) != 0)
		voice_add(m->voice, VOICE_WRITE_ERRORS, 1);
	flow_advance(flow, o);
}

static void messages_manifest(struct messages *m, struct flow *flow,
			      const struct deliver_msg *msg, uint64_t now_ns)
{
	struct object *o;

	if (msg->a < 5 || msg->a > WIRE_MANIFEST_MAX || msg->offset > msg->a ||
	    msg->a - msg->offset < msg->len) {
		messages_refuse(m, flow, msg, "a piece of a manifest lies outside of it");
		return;
	}
	memcpy(m->copy, m->segment + msg->pos, msg->len);
	o = shelf_find(&flow->shelf, OBJECT_MANIFEST, msg->chain, msg->number);
	if (!o && ledger_manifest(&flow->ledger, msg->chain, msg->number) &&
	    manifests_same(flow, msg->chain, msg->number, msg->a, msg->offset, m->copy,
			   msg->len)) {
		voice_add(m->voice, VOICE_DUPLICATES, 1);
		return;
	}
	if (messages_held(m, flow, msg))
		return;
	if (o && o->size != msg->a) { /* another manifest of this name: begin anew */
		if (m->object == o)
			m->object = NULL;
		flow_drop(flow, o, true);
		o = NULL;
	}
	if (!o) {
		o = messages_object(m, flow, msg, OBJECT_MANIFEST);
		if (!o)
			return;
		if (object_begin(o, 0, msg->a, 0, 0, (const uint8_t *)"", 0) != KM_OK ||
		    progress_begin(&flow->progress, o) != 0) {
			shelf_drop(&flow->shelf, o, true);
			return;
		}
	}
	messages_place(m, flow, o, msg->offset, m->copy, msg->len, now_ns);
}

/* Types with bytes in the segment; the bounds are decode's to keep: else a violation. */
static const char *messages_check_data(const struct messages *m,
				       const struct deliver_msg *msg)
{
	if (msg->len == 0 || msg->len > MESSAGES_DATA_MAX)
		return "impossible length";
	if (msg->pos > m->segment_len || m->segment_len - msg->pos < msg->len)
		return "position outside of the segment";
	return NULL;
}

static enum km_rc messages_record(struct messages *m, const struct deliver_msg *msg,
				  uint64_t now_ns)
{
	struct flow *flow = messages_flow(m, msg->channel);

	if (!flow) {
		voice_add(m->voice, VOICE_UNKNOWN_CHANNEL, 1);
		return KM_OK;
	}
	flow->heard_ns = clock_real_ns();
	if (msg->type == DELIVER_HEADS) {
		if (msg->chain != 0)
			ledger_heads(&flow->ledger, msg->chain, msg->number, msg->a,
				     msg->head);
		return KM_OK;
	}
	if (msg->type == DELIVER_BEGIN) {
		messages_begin(m, flow, msg, now_ns);
		return KM_OK;
	}
	if (msg->chain == 0 || msg->number == 0 || msg->number == UINT64_MAX) {
		messages_refuse(m, flow, msg, "numbers begin at 1");
		return KM_OK;
	}
	if (msg->type == DELIVER_FRAGMENT)
		messages_fragment(m, flow, msg, now_ns);
	else if (msg->type == DELIVER_MANIFEST)
		messages_manifest(m, flow, msg, now_ns);
	else /* withdrawn: unsigned, so only its number counts until a manifest says it */
		ledger_note(&flow->ledger, msg->chain, msg->number);
	return KM_OK;
}

void messages_expect(const struct messages *m, const struct deliver_msg *raw)
{
	const uint64_t pos = raw->pos; /* may change: a hint, wherever it points */
	const uint32_t len = raw->len;

	if (pos > m->segment_len || m->segment_len - pos < len || len > MESSAGES_DATA_MAX)
		return;
	for (uint32_t at = 0; at < len; at += MESSAGES_LINE)
		__builtin_prefetch(m->segment + pos + at, 0, 2);
}

enum km_rc messages_take(struct messages *m, const struct deliver_msg *raw, uint64_t now_ns)
{
	struct deliver_msg msg;
	const char *fault = NULL;
	struct flow *flow;

	memcpy(&msg, raw, sizeof(msg)); /* once: it may change */
	voice_add(m->voice, VOICE_MESSAGES, 1);
	switch (msg.type) {
	case DELIVER_BEGIN:
	case DELIVER_FRAGMENT:
	case DELIVER_MANIFEST:
		fault = messages_check_data(m, &msg);
		if (fault)
			return messages_violation(m, &msg, fault);
		return messages_record(m, &msg, now_ns);
	case DELIVER_WITHDRAWN:
	case DELIVER_HEADS:
		return messages_record(m, &msg, now_ns);
	default:
		break;
	}
	if (msg.type < DELIVER_SESSION || msg.type > DELIVER_LIVE)
		return messages_violation(m, &msg, "unknown type");
	flow = messages_flow(m, msg.channel);
	if (msg.type == DELIVER_WINDOW && flow)
		flow->damage_ns = clock_add(now_ns, MESSAGES_DAMAGE_NS);
	if (!voice_tell(m->voice, &msg, rx_config_name(m->voice->config, msg.channel)))
		voice_add(m->voice, VOICE_REFUSED, 1);
	return KM_OK;
}
