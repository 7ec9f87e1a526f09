// SPDX-License-Identifier: ISC
#include "rx_session.h"

#include <string.h>

#include "clock.h"

static unsigned lane_at(uint16_t number)
{
	return number / WIRE_LANE_CLASSES * FRAME_CLASS_COUNT + number % WIRE_LANE_CLASSES;
}

static uint16_t lane_number(unsigned at)
{
	return (uint16_t)(at / FRAME_CLASS_COUNT * WIRE_LANE_CLASSES +
			  at % FRAME_CLASS_COUNT);
}

void rx_sessions_lay(struct rx_sessions *ss, struct rx_arena *arena)
{
	memset(ss, 0, sizeof(*ss));
	for (unsigned i = 0; i < RX_SESSIONS_MAX; i++)
		ss->session[i].lane =
			rx_arena_take(arena, RX_SESSION_LANES * sizeof(struct rx_lane));
	ss->channel_index = rx_arena_take(arena, 65536 * sizeof(*ss->channel_index));
	ss->scratch = rx_arena_take(arena, WIRE_SYMBOL_MAX);
	ss->landing = POOL_NONE;
}

struct rx_session *rx_sessions_find(struct rx_sessions *ss, uint32_t tag)
{
	struct rx_session *ended = NULL;

	for (unsigned i = 0; i < RX_SESSIONS_MAX; i++) {
		struct rx_session *s = &ss->session[i];

		if (s->tag != tag)
			continue;
		if (s->state == RX_SESSION_LIVE)
			return s;
		if (s->state == RX_SESSION_ENDED)
			ended = s;
	}
	return ended;
}

struct rx_session *rx_sessions_announced(struct rx_sessions *ss, const uint8_t *p,
					 size_t len)
{
	for (unsigned i = 0; i < RX_SESSIONS_MAX; i++) {
		struct rx_session *s = &ss->session[i];

		if (s->state != RX_SESSION_FREE && s->announce_len == len &&
		    memcmp(s->announce, p, len) == 0)
			return s;
	}
	return NULL;
}

/* ---- lanes ------------------------------------------------------------------------- */

static void lane_lost(void *ctx, uint64_t first, uint64_t last)
{
	struct rx_lane *lane = ctx;
	struct deliver_msg msg = {
		.type = DELIVER_LOST,
		.lane = lane->number,
		.session = lane->tag,
		.a = first,
		.b = last,
	};

	lane->all->counts->v[COUNT_LOST] += last - first + 1;
	delivery_push(lane->all->delivery, &msg);
}

static void lanes_close(struct rx_session *s)
{
	for (unsigned i = 0; i < RX_SESSION_LANES; i++) {
		seal_free(s->lane[i].seal);
		s->lane[i].seal = NULL;
	}
}

static uint64_t lane_floor(const struct ask_answer *answer, uint16_t number)
{
	uint32_t n = answer->floors < WIRE_LANES_MAX ? answer->floors : WIRE_LANES_MAX;

	for (uint32_t i = 0; i < n; i++)
		if (answer->floor[i].lane == number)
			return answer->floor[i].seq + 1;
	return 0;
}

/* Frames of its live channels were opened by a process before this one. */
static bool joined(const struct ask_answer *answer)
{
	bool any = false;

	for (unsigned i = FRAME_CLASS_REALTIME; i < WIRE_LANES_MAX; i += WIRE_LANE_CLASSES)
		any = any || lane_floor(answer, (uint16_t)i) > 0;
	return any;
}

static bool lanes_open(struct rx_sessions *ss, struct rx_session *s,
		       const struct ask_answer *answer)
{
	for (unsigned i = 0; i < RX_SESSION_LANES; i++) {
		struct rx_lane *lane = &s->lane[i];
		uint8_t key[SEAL_KEY_LEN];

		lane->all = ss;
		lane->tag = s->tag;
		lane->number = lane_number(i);
		lane->floor_said = 0;
		account_start(&lane->account, lane_floor(answer, lane->number), lane_lost,
			      lane);
		seal_lane_key(key, answer->secret, answer->transcript, lane->number);
		lane->seal = seal_new(key);
		explicit_bzero(key, sizeof(key));
		if (!lane->seal) {
			lanes_close(s);
			return false;
		}
	}
	return true;
}

/* The highest opened number of each lane that has moved, to be kept over a restart. */
static void say_floors(struct rx_sessions *ss, struct rx_session *s)
{
	struct ask q = {.type = ASK_FLOORS, .session = s->tag};

	for (unsigned i = 0; i < RX_SESSION_LANES; i++) {
		struct rx_lane *lane = &s->lane[i];

		if (lane->account.opened == lane->floor_said)
			continue;
		q.floor[q.lanes].lane = lane->number;
		q.floor[q.lanes].seq = lane->account.opened - 1;
		q.lanes++;
	}
	if (q.lanes == 0 || !asker_floors(ss->asker, &q))
		return;
	for (unsigned i = 0; i < RX_SESSION_LANES; i++)
		s->lane[i].floor_said = s->lane[i].account.opened;
}

/* ---- begin and end ----------------------------------------------------------------- */

static void settle(struct rx_sessions *ss, struct rx_session *s)
{
	unsigned at = (unsigned)(s - ss->session);

	windows_session_end(ss->windows, at, s->tag, ss->channel_numbers);
	live_session_end(ss->live, at);
	for (unsigned i = 0; i < RX_SESSION_LANES; i++)
		account_end(&s->lane[i].account);
	say_floors(ss, s);
}

static void end(struct rx_sessions *ss, struct rx_session *s, enum rx_session_end reason)
{
	struct deliver_msg msg = {
		.type = DELIVER_SESSION_END,
		.session = s->tag,
		.a = reason,
	};

	settle(ss, s);
	delivery_push(ss->delivery, &msg);
	lanes_close(s);
	s->state = RX_SESSION_ENDED;
}

/* A place for one more session of IDENTITY; what stood there has ended. */
static struct rx_session *make_room(struct rx_sessions *ss, const uint8_t identity[32])
{
	struct rx_session *oldest = NULL, *own = NULL, *place = NULL;
	unsigned same = 0;

	for (unsigned i = 0; i < RX_SESSIONS_MAX; i++) {
		struct rx_session *s = &ss->session[i];

		if (s->state != RX_SESSION_LIVE) {
			/* a free one, or the oldest that has ended */
			if (!place ||
			    (place->state != RX_SESSION_FREE &&
			     (s->state == RX_SESSION_FREE || s->epoch < place->epoch)))
				place = s;
			continue;
		}
		if (!oldest || s->epoch < oldest->epoch)
			oldest = s;
		if (memcmp(s->identity, identity, sizeof(s->identity)) == 0) {
			same++;
			if (!own || s->epoch < own->epoch)
				own = s;
		}
	}
	if (same >= RX_SESSIONS_PER_TX) {
		end(ss, own, own->end_reason ? own->end_reason : RX_SESSION_REPLACED);
		return place ? place : own;
	}
	if (place)
		return place;
	end(ss, oldest, RX_SESSION_REPLACED);
	return oldest;
}

/*
 * Older sessions of the same tx have 10 s for what is still under way. The older one may be
 * the one just accepted: whoever replays the announce of a session that we still remember
 * must not end the present one.
 */
static void replace_older(struct rx_sessions *ss, struct rx_session *fresh, uint64_t now_ns)
{
	for (unsigned i = 0; i < RX_SESSIONS_MAX; i++) {
		struct rx_session *s = &ss->session[i], *old;

		if (s == fresh || s->state != RX_SESSION_LIVE ||
		    memcmp(s->identity, fresh->identity, sizeof(s->identity)) != 0)
			continue;
		old = s->epoch > fresh->epoch ? fresh : s;
		if (old->ends_ns)
			continue;
		old->ends_ns = now_ns + RX_SESSION_REPLACED_NS;
		old->end_reason = ss->silent ? RX_SESSION_VANISHED : RX_SESSION_REPLACED;
	}
}

bool rx_sessions_accept(void *ctx, const struct asker_entry *entry,
			const struct ask_answer *answer, uint64_t now_ns)
{
	struct rx_sessions *ss = ctx;
	struct rx_session *s = make_room(ss, answer->identity);
	struct deliver_msg msg = {
		.type = DELIVER_SESSION,
		.session = entry->tag,
		.a = answer->epoch,
	};
	struct rx_lane *lanes = s->lane;

	memset(s, 0, sizeof(*s));
	s->lane = lanes;
	s->tag = entry->tag;
	s->epoch = answer->epoch;
	s->announce_len = entry->len;
	memcpy(s->identity, answer->identity, sizeof(s->identity));
	memcpy(s->announce, entry->bytes, entry->len);
	if (!lanes_open(ss, s, answer))
		return false;
	s->state = RX_SESSION_LIVE;
	ss->tags[s - ss->session] = s->tag;
	windows_session_begin(ss->windows, (unsigned)(s - ss->session));
	live_session_begin(ss->live, (unsigned)(s - ss->session), s->tag, s->epoch,
			   joined(answer));
	replace_older(ss, s, now_ns);
	if (!ss->current || ss->current == s || s->epoch >= ss->current->epoch)
		ss->current = s;
	ss->counts->v[COUNT_SESSIONS]++;
	memcpy(msg.head, s->identity, sizeof(msg.head));
	delivery_push(ss->delivery, &msg);
	if (answer->far)
		delivery_alarm(ss->delivery, DELIVER_ALARM_FAR, s->tag, s->epoch);
	return true;
}

static bool trusted(const struct ask_answer *trusts, const uint8_t identity[32])
{
	for (uint32_t i = 0; i < trusts->floors; i++)
		if (memcmp(trusts->trusted[i], identity, 32) == 0)
			return true;
	return false;
}

void rx_sessions_trust(struct rx_sessions *ss, const struct ask_answer *trusts)
{
	for (unsigned i = 0; i < RX_SESSIONS_MAX; i++) {
		struct rx_session *s = &ss->session[i];

		if (s->state != RX_SESSION_LIVE || trusted(trusts, s->identity))
			continue;
		end(ss, s, RX_SESSION_REVOKED);
		/* who is trusted again is asked about again; until then the keeper says no */
		s->announce_len = 0;
	}
}

/* ---- control records --------------------------------------------------------------- */

static void heartbeat_alarms(struct rx_sessions *ss, struct rx_session *s,
			     const struct record_heartbeat *hb)
{
	/* the flag alone says it too, of a port that cannot tell how many */
	const uint64_t received = hb->port_received || !(hb->flags & RECORD_HB_RETURN_SEEN)
					  ? hb->port_received
					  : 1;

	if (received > s->port_received) {
		s->port_received = received;
		delivery_alarm(ss->delivery, DELIVER_ALARM_TX_RETURN, s->tag, received);
	}
	if ((hb->flags & RECORD_HB_PERMISSIVE) && !s->permissive_said) {
		s->permissive_said = true;
		delivery_alarm(ss->delivery, DELIVER_ALARM_TX_PERMISSIVE, s->tag, 1);
	}
}

static bool take_heartbeat(struct rx_sessions *ss, struct rx_session *s,
			   const struct record *r, uint64_t now_ns)
{
	struct record_heartbeat hb;
	struct deliver_msg msg = {.type = DELIVER_HEARTBEAT, .session = s->tag};

	if (record_heartbeat_decode(&hb, r->body, r->body_len) != KM_OK)
		return false;
	ss->counts->v[COUNT_HEARTBEATS]++;
	for (unsigned i = 0; i < hb.lanes; i++) {
		uint16_t lane = hb.lane[i].lane;

		if (lane >= WIRE_LANES_MAX ||
		    lane % WIRE_LANE_CLASSES >= FRAME_CLASS_COUNT ||
		    hb.lane[i].accepted > WIRE_LANE_FRAMES_MAX)
			continue;
		account_heard(&s->lane[lane_at(lane)].account, hb.lane[i].accepted, now_ns);
	}
	msg.a = hb.tx_time_ns;
	msg.b = hb.flags | hb.port_received << 8;
	delivery_push(ss->delivery, &msg);
	heartbeat_alarms(ss, s, &hb);
	if (ss->live)
		live_heard(ss->live, (unsigned)(s - ss->session), hb.tx_time_ns);
	if ((hb.flags & RECORD_HB_FAREWELL) && !s->farewell) {
		s->farewell = true;
		s->ends_ns = now_ns + RX_SESSION_FAREWELL_NS;
		s->end_reason = RX_SESSION_FAREWELL;
	}
	return true;
}

static void take_heads(struct rx_sessions *ss, const struct rx_session *s,
		       const struct record_heads *h)
{
	struct deliver_msg msg = {
		.type = DELIVER_HEADS,
		.channel = h->channel,
		.session = s->tag,
		.chain = h->chain,
		.number = h->objects,
		.a = h->manifests,
	};

	if (ss->channel_index[h->channel] == RX_CHANNEL_NONE ||
	    live_owns(ss->live, ss->channel_index[h->channel])) {
		ss->counts->v[COUNT_CHANNEL_UNKNOWN]++;
		return;
	}
	memcpy(msg.head, h->head, sizeof(msg.head));
	delivery_push(ss->delivery, &msg);
}

static void take_live(struct rx_sessions *ss, const struct rx_session *s,
		      const struct record_live *l)
{
	const uint16_t index = ss->channel_index[l->channel];

	if (index == RX_CHANNEL_NONE || !live_owns(ss->live, index)) {
		ss->counts->v[COUNT_CHANNEL_UNKNOWN]++;
		return;
	}
	live_told(ss->live, index, (unsigned)(s - ss->session), l);
}

static void take_close(struct rx_sessions *ss, const struct rx_session *s,
		       const struct record_close *c, uint64_t now_ns)
{
	struct window_where where = {
		.tag = s->tag,
		.channel = c->channel,
		.channel_index = ss->channel_index[c->channel],
		.session = (uint8_t)(s - ss->session),
		.stream = c->stream,
	};

	if (where.channel_index == RX_CHANNEL_NONE || c->stream >= FRAME_STREAM_COUNT) {
		ss->counts->v[COUNT_CHANNEL_UNKNOWN]++;
		return;
	}
	windows_close(ss->windows, &where, c, now_ns);
}

/* One record of the control channel; false when its body is malformed. */
static bool take_control(struct rx_sessions *ss, struct rx_session *s,
			 const struct record *r, uint64_t now_ns)
{
	ss->counts->v[COUNT_RECORDS]++;
	switch (r->type) {
	case RECORD_HEARTBEAT:
		return take_heartbeat(ss, s, r, now_ns);
	case RECORD_HEADS:
		take_heads(ss, s, &r->heads);
		return true;
	case RECORD_CLOSE:
		take_close(ss, s, &r->close, now_ns);
		return true;
	case RECORD_LIVE:
		take_live(ss, s, &r->live);
		return true;
	default:
		ss->counts->v[COUNT_RECORDS]--;
		ss->counts->v[COUNT_RECORDS_MISPLACED]++;
		return true;
	}
}

static void control_symbol(struct rx_sessions *ss, struct rx_session *s,
			   const struct frame_header *h, uint64_t now_ns)
{
	struct rd rd;
	struct record r;
	enum km_rc rc;

	if (h->type != FRAME_SOURCE) {
		ss->counts->v[COUNT_SYMBOLS_DISAGREE]++;
		return;
	}
	rd_init(&rd, ss->scratch, h->length);
	while ((rc = record_next(&rd, &r)) == KM_OK || rc == KM_ERR_NOTFOUND) {
		if (rc == KM_ERR_NOTFOUND) {
			ss->counts->v[COUNT_RECORDS_UNKNOWN]++;
		} else if (!take_control(ss, s, &r, now_ns)) {
			rc = KM_ERR_MALFORMED;
			break;
		}
	}
	if (rc == KM_ERR_EMPTY)
		return;
	ss->counts->v[COUNT_SYMBOLS_MALFORMED]++;
	delivery_note(ss->delivery, DELIVER_ALARM_MALFORMED, 1);
}

/* ---- frames ------------------------------------------------------------------------ */

static void heard(struct rx_sessions *ss, const struct rx_session *s, uint64_t now_ns)
{
	if (ss->silent) {
		ss->silent = false;
		delivery_alarm(ss->delivery, DELIVER_ALARM_HEARD, s->tag,
			       now_ns - ss->heard_ns);
	}
	ss->heard_ns = now_ns;
}

static void data_symbol(struct rx_sessions *ss, struct rx_session *s,
			const struct frame_header *h, uint16_t index, uint64_t now_ns)
{
	struct window_where where = {
		.tag = s->tag,
		.channel = h->channel,
		.channel_index = index,
		.session = (uint8_t)(s - ss->session),
		.stream = h->stream,
	};
	uint32_t slot = ss->landing;

	ss->landing = POOL_NONE;
	windows_symbol(ss->windows, &where, h, slot, now_ns);
	ss->landing = windows_slot(ss->windows);
}

/* Cheap judgement; COUNT_OPENED = go on to the tag. */
static enum decode_count judge(struct rx_sessions *ss, struct rx_session *s,
			       const struct frame_header *h, bool data)
{
	struct rx_lane *lane = &s->lane[lane_at(h->lane)];

	if (s->state != RX_SESSION_LIVE)
		return COUNT_REFUSED_REPLAY;
	switch (account_judge(&lane->account, h->seq)) {
	case ACCOUNT_DUPLICATE:
		account_duplicate(&lane->account);
		delivery_note(ss->delivery, DELIVER_ALARM_DUPLICATE, 1);
		return COUNT_REFUSED_DUPLICATE;
	case ACCOUNT_OLD:
		return COUNT_REFUSED_REPLAY;
	case ACCOUNT_FRESH:
		break;
	}
	return data && h->symbol_size > ss->stride ? COUNT_REFUSED_RANGE : COUNT_OPENED;
}

enum decode_count rx_sessions_frame(struct rx_sessions *ss, struct rx_session *s,
				    const struct frame_header *h, const uint8_t *header,
				    const uint8_t *sealed, uint64_t now_ns)
{
	uint16_t index = ss->channel_index[h->channel];
	bool control = h->channel == WIRE_CHANNEL_CONTROL;
	bool data = !control && index != RX_CHANNEL_NONE;
	struct rx_lane *lane = &s->lane[lane_at(h->lane)];
	enum decode_count row = judge(ss, s, h, data);
	uint8_t *to = ss->scratch;

	if (row != COUNT_OPENED)
		return row;
	if (data && ss->landing == POOL_NONE)
		ss->landing = windows_slot(ss->windows); /* only after a wait that failed */
	if (data && ss->landing != POOL_NONE)
		to = pool_at(&ss->windows->pool, ss->landing);
	if (seal_open(lane->seal, header, h->seq, sealed, h->length, to) != KM_OK) {
		delivery_note(ss->delivery, DELIVER_ALARM_AUTH, 1);
		return COUNT_REFUSED_AUTH;
	}
	if (account_take(&lane->account, h->seq))
		ss->counts->v[COUNT_LATE]++;
	else
		ss->counts->v[COUNT_TAKEN]++;
	heard(ss, s, now_ns);
	if (control)
		control_symbol(ss, s, h, now_ns);
	else if (!data)
		ss->counts->v[COUNT_CHANNEL_UNKNOWN]++;
	else if (to == ss->scratch)
		ss->counts->v[COUNT_SYMBOLS_UNREPAIRED]++;
	else
		data_symbol(ss, s, h, index, now_ns);
	return COUNT_OPENED;
}

/* ---- time -------------------------------------------------------------------------- */

/* Nothing authentic for too long, and nobody had said farewell. */
static void notice_silence(struct rx_sessions *ss, uint64_t now_ns)
{
	uint64_t since_ns = now_ns - ss->heard_ns;

	if (ss->silent || since_ns < ss->silent_ns)
		return;
	if (ss->current && ss->current->farewell)
		return;
	ss->silent = true;
	delivery_alarm(ss->delivery, DELIVER_ALARM_SILENT,
		       ss->current ? ss->current->tag : 0, clock_real_ns() - since_ns);
}

void rx_sessions_tick(struct rx_sessions *ss, uint64_t now_ns)
{
	bool floors = now_ns - ss->floors_ns >= CLOCK_NS_PER_SEC;

	for (unsigned i = 0; i < RX_SESSIONS_MAX; i++) {
		struct rx_session *s = &ss->session[i];

		if (s->state != RX_SESSION_LIVE)
			continue;
		for (unsigned j = 0; j < RX_SESSION_LANES; j++)
			account_tick(&s->lane[j].account, now_ns);
		if (floors)
			say_floors(ss, s);
		if (s->ends_ns && now_ns >= s->ends_ns)
			end(ss, s, s->end_reason);
	}
	if (floors)
		ss->floors_ns = now_ns;
	notice_silence(ss, now_ns);
}

void rx_sessions_stop(struct rx_sessions *ss, bool forever)
{
	for (unsigned i = 0; i < RX_SESSIONS_MAX; i++) {
		struct rx_session *s = &ss->session[i];

		if (s->state != RX_SESSION_LIVE)
			continue;
		if (forever)
			end(ss, s, s->farewell ? RX_SESSION_FAREWELL : RX_SESSION_VANISHED);
		else
			settle(ss, s);
	}
}

void rx_sessions_gauges(struct rx_sessions *ss)
{
	uint64_t *v = ss->counts->v;
	uint64_t live = 0;

	for (unsigned i = 0; i < RX_SESSIONS_MAX; i++)
		live += ss->session[i].state == RX_SESSION_LIVE;
	v[COUNT_SESSIONS_LIVE] = live;
	if (!ss->current)
		return;
	v[COUNT_SESSION_TAG] = ss->current->tag;
	v[COUNT_SESSION_EPOCH] = ss->current->epoch;
	v[COUNT_TX_PERMISSIVE] = ss->current->permissive_said;
	for (unsigned i = 0; i < DECODE_COUNT_LANE_ROWS; i++)
		v[COUNT_WORKERS_NUMBERS + i] = 0;
	for (unsigned i = 0; i < RX_SESSION_LANES; i++) {
		const struct account *a = &ss->current->lane[i].account;
		const uint64_t rows[DECODE_COUNT_LANE_ROWS] = {
			a->next, a->taken,     a->pending, a->lost,
			a->late, a->duplicate, a->base,
		};
		const bool own = i < DECODE_COUNT_LANES;
		uint64_t *row = own ? &v[COUNT_LANE0_HIGHEST + i * DECODE_COUNT_LANE_ROWS]
				    : &v[COUNT_WORKERS_NUMBERS];

		for (unsigned j = 0; j < DECODE_COUNT_LANE_ROWS; j++)
			row[j] = own ? rows[j] : row[j] + rows[j];
		/* of a lane of its own the highest number, not how many there are */
		if (own && row[0] > 0)
			row[0]--;
	}
}

bool rx_sessions_check(const struct rx_sessions *ss)
{
	for (unsigned i = 0; i < RX_SESSIONS_MAX; i++) {
		if (ss->session[i].state == RX_SESSION_FREE)
			continue;
		for (unsigned j = 0; j < RX_SESSION_LANES; j++)
			if (!account_check(&ss->session[i].lane[j].account))
				return false;
	}
	return true;
}
