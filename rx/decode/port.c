// SPDX-License-Identifier: ISC
#include "port.h"

#include "carrier.h"
#include "frame.h"
#include "link_judge.h"

static enum decode_count row_of(enum km_rc rc)
{
	switch (rc) {
	case KM_ERR_SHORT:
		return COUNT_REFUSED_SHORT;
	case KM_ERR_VERSION:
		return COUNT_REFUSED_VERSION;
	case KM_ERR_MALFORMED:
		return COUNT_REFUSED_MALFORMED;
	default:
		return COUNT_REFUSED_RANGE;
	}
}

/* Keep a frame of a session that may be announced yet. */
static void hold_frame(struct rx_engine *e, uint32_t tag, const uint8_t *p, size_t len)
{
	uint64_t *v = e->counts.v;
	uint64_t dropped;

	if (asker_is_refused(&e->asker, tag, e->now_ns)) {
		v[COUNT_REFUSED_UNKNOWN]++;
		delivery_note(&e->delivery, DELIVER_ALARM_UNKNOWN, 1);
		return;
	}
	dropped = hold_put(&e->hold, tag, p, len, e->now_ns);
	v[COUNT_REFUSED_UNKNOWN] += dropped;
	v[COUNT_HOLD_DROPPED] += dropped;
	delivery_note(&e->delivery, DELIVER_ALARM_UNKNOWN, dropped);
}

static void take_announce(struct rx_engine *e, const uint8_t *p, size_t len)
{
	if (rx_sessions_announced(&e->sessions, p, len)) {
		e->counts.v[COUNT_OPENED]++;
		e->counts.v[COUNT_ANNOUNCES]++;
		return;
	}
	asker_announce(&e->asker, p, len, e->now_ns);
}

/* One frame, or what is left when its header is refused. */
static void take_next(struct rx_engine *e, struct carrier_walk *walk)
{
	uint64_t *v = e->counts.v;
	struct frame_header h;
	struct rx_session *s;
	const uint8_t *p;
	enum km_rc rc;
	size_t len;

	v[COUNT_SEEN]++;
	rc = carrier_next(walk, &h, &p, &len);
	if (rc == KM_OK && h.type == FRAME_TEST) {
		/* somebody commissions the link while we run: no data, and never ours */
		v[COUNT_FOREIGN]++;
		return;
	}
	v[COUNT_OURS]++;
	if (rc != KM_OK) {
		v[row_of(rc)]++;
		if (rc == KM_ERR_VERSION)
			delivery_note(&e->delivery, DELIVER_ALARM_VERSION, 1);
		return;
	}
	if (h.type == FRAME_ANNOUNCE) {
		take_announce(e, p + WIRE_HEADER_LEN, h.length);
		return;
	}
	s = rx_sessions_find(&e->sessions, h.session_tag);
	if (!s) {
		hold_frame(e, h.session_tag, p, len);
		return;
	}
	v[rx_sessions_frame(&e->sessions, s, &h, p, p + WIRE_HEADER_LEN, e->now_ns)]++;
}

void port_take(struct rx_engine *e, const struct feed_frame *frame)
{
	uint64_t *v = e->counts.v;
	const struct rx_engine_plan *plan = &e->plan;
	struct carrier_walk walk;

	switch (link_judge(plan->ethertype, plan->vlan, plan->udp ? &plan->path : NULL,
			   frame, &walk)) {
	case CARRIER_FOREIGN:
		v[COUNT_SEEN]++;
		v[COUNT_FOREIGN]++;
		return;
	case CARRIER_BAD:
		v[COUNT_SEEN]++;
		v[COUNT_OURS]++;
		v[COUNT_REFUSED_CARRIER]++;
		return;
	case CARRIER_OURS:
		break;
	}
	take_next(e, &walk);
	v[COUNT_TRAINS] += walk.left > 0;
	while (walk.left > 0)
		take_next(e, &walk);
}

/* hold_fn */
static void take_held(void *ctx, const uint8_t *p, size_t len)
{
	struct rx_engine *e = ctx;
	struct frame_header h;
	struct rx_session *s = NULL;
	enum decode_count row = COUNT_REFUSED_UNKNOWN;

	/* it was in order when it was put away */
	if (frame_header_decode(&h, p, len) == KM_OK)
		s = rx_sessions_find(&e->sessions, h.session_tag);
	if (s)
		row = rx_sessions_frame(&e->sessions, s, &h, p, p + WIRE_HEADER_LEN,
					e->now_ns);
	e->counts.v[row]++;
}

void port_take_held(struct rx_engine *e, uint32_t tag)
{
	(void)hold_replay(&e->hold, tag, take_held, e);
}

void port_expire_held(struct rx_engine *e)
{
	uint64_t dropped = hold_expire(&e->hold, e->now_ns);

	for (unsigned i = 0; i < ASKER_REFUSED; i++) {
		const struct asker_entry *r = &e->asker.refused[i];

		if (r->used && asker_is_refused(&e->asker, r->tag, e->now_ns))
			dropped += hold_replay(&e->hold, r->tag, NULL, NULL);
	}
	e->counts.v[COUNT_REFUSED_UNKNOWN] += dropped;
	e->counts.v[COUNT_HOLD_DROPPED] += dropped;
	delivery_note(&e->delivery, DELIVER_ALARM_UNKNOWN, dropped);
}
