// SPDX-License-Identifier: ISC
#include "live.h"

#include <string.h>

#include "clock.h"

void live_lay(struct live *live, unsigned first, const uint16_t *number,
	      const uint64_t *hold_ns, unsigned channels, struct rx_arena *arena)
{
	memset(live, 0, sizeof(*live));
	live->first = first;
	live->channels = channels < LIVE_CHANNELS ? channels : LIVE_CHANNELS;
	for (unsigned i = 0; i < live->channels; i++) {
		struct live_channel *c = &live->channel[i];

		c->number = number[i];
		c->hold_ns = hold_ns[i];
		c->live = live;
		order_lay(&c->order, arena);
	}
}

enum km_rc live_attach(struct live *live, void *mem, size_t len, struct delivery *delivery)
{
	enum km_rc rc;

	live->delivery = delivery;
	if (!mem)
		return KM_OK;
	rc = ring_attach(&live->sink, mem, len, SINK_SLOT, SINK_SLOTS, RING_PRODUCER);
	live->has_sink = rc == KM_OK;
	return rc;
}

static void say(struct live_channel *c, enum deliver_live what, uint64_t first,
		uint64_t last)
{
	const struct deliver_msg msg = {
		.type = DELIVER_LIVE,
		.channel = c->number,
		.session = c->tag,
		.chain = what,
		.a = first,
		.b = last,
	};

	delivery_push(c->live->delivery, &msg);
}

static void say_full(struct live_channel *c)
{
	if (c->full_first == 0)
		return;
	say(c, DELIVER_LIVE_SINK, c->full_first, c->full_last);
	c->full_first = 0;
}

/* Copy the message into N slots from FIRST on. */
static void sink_fill(struct live *live, uint64_t first, const struct sink_head *head,
		      const struct order_out *m)
{
	uint8_t *slot = ring_slot(&live->sink, first);
	uint32_t used = sizeof(*head);

	memcpy(slot, head, sizeof(*head));
	for (unsigned i = 0; i < m->pieces; i++) {
		const uint8_t *p = m->piece[i].iov_base;
		size_t left = m->piece[i].iov_len;

		while (left > 0) {
			size_t n = SINK_SLOT - used;

			if (n == 0) {
				slot = ring_slot(&live->sink, ++first);
				used = 0;
				continue;
			}
			n = n < left ? n : left;
			memcpy(slot + used, p, n);
			used += (uint32_t)n;
			p += n;
			left -= n;
		}
	}
}

/* order_out_fn */
static void message_out(void *ctx, const struct order_out *m)
{
	struct live_channel *c = ctx;
	struct live *live = c->live;
	struct sink_head head = {
		.place = (uint16_t)(c - live->channel),
		.len = m->total,
		.number = m->number,
		.tx_time_ns = m->tx_time_ns,
		.session = c->tag,
		.source_len = m->source_len,
	};
	const uint32_t n = sink_slots(m->total);
	uint64_t first;

	memcpy(head.source, m->source, sizeof(head.source));
	if (!live->has_sink || ring_reserve(&live->sink, n, &first) != KM_OK) {
		if (c->full_first != 0 && c->full_last + 1 != m->number)
			say_full(c);
		if (c->full_first == 0)
			c->full_first = m->number;
		c->full_last = m->number;
		c->count[LIVE_SINK_FULL]++;
		return;
	}
	sink_fill(live, first, &head, m);
	(void)!ring_submit(&live->sink,
			   n); /* a dead ring: nothing can be reserved any more */
	c->count[LIVE_DELIVERED]++;
	c->count[LIVE_BYTES] += m->total;
	c->count[LIVE_REPAIRED] += m->repaired;
	timing_delays_note(&c->delays,
			   timing_clock_delay(&live->session[c->session].clock,
					      m->tx_time_ns, live->now_ns + live->wall_ns),
			   live->now_ns + live->wall_ns, live->now_ns);
}

/* order_lost_fn */
static void message_lost(void *ctx, uint64_t first, uint64_t last)
{
	struct live_channel *c = ctx;

	c->count[LIVE_LOST] += last - first + 1;
	say(c, DELIVER_LIVE_LOST, first, last);
}

/* ---- sessions ------------------------------------------------------------------------- */

static void settle(struct live_channel *c)
{
	if (!c->bound)
		return;
	if (!c->joined) {
		order_settle(&c->order);
		say_full(c);
		if (c->order.next > 1)
			say(c, DELIVER_LIVE_CLOSED, 1, c->order.next - 1);
	}
	c->bound = false;
}

void live_session_begin(struct live *live, unsigned at, uint32_t tag, uint64_t epoch,
			bool joined)
{
	live_session_end(live, at);
	live->session[at] = (struct live_session){
		.known = true, .joined = joined, .tag = tag, .epoch = epoch};
}

void live_session_end(struct live *live, unsigned at)
{
	for (unsigned i = 0; i < live->channels; i++)
		if (live->channel[i].bound && live->channel[i].session == at)
			settle(&live->channel[i]);
	live->session[at].known = false;
}

/* The channel follows the session at AT from now on, if it is not older than the present. */
static bool follow(struct live_channel *c, unsigned at)
{
	const struct live_session *s = &c->live->session[at];

	if (c->bound && c->session == at)
		return true;
	if (!s->known || s->epoch < c->epoch)
		return false;
	settle(c);
	c->bound = true;
	c->session = (uint8_t)at;
	c->tag = s->tag;
	c->epoch = s->epoch;
	c->joined = s->joined;
	order_begin(&c->order, 1, c->hold_ns, message_out, message_lost, c);
	return true;
}

/* The first message of a session that another process had begun. */
static void join(struct live_channel *c, uint64_t number)
{
	c->joined = false;
	if (number > 1)
		say(c, DELIVER_LIVE_JOINED, 1, number - 1);
	order_begin(&c->order, number, c->hold_ns, message_out, message_lost, c);
}

void live_heard(struct live *live, unsigned at, uint64_t tx_time_ns)
{
	struct live_session *s = &live->session[at];
	uint64_t by_ns;

	if (!s->known || !timing_clock_note(&s->clock, tx_time_ns,
					    live->now_ns + live->wall_ns, live->now_ns))
		return;
	by_ns = (uint64_t)(s->clock.step_ns < 0 ? -s->clock.step_ns : s->clock.step_ns);
	delivery_alarm(live->delivery, DELIVER_ALARM_CLOCK, s->tag,
		       by_ns / CLOCK_NS_PER_MS);
}

void live_take(struct live *live, unsigned index, unsigned session,
	       const struct record_message *m, uint32_t window, bool repaired)
{
	struct live_channel *c = &live->channel[index - live->first];
	uint64_t late;

	if (!follow(c, session)) {
		c->count[LIVE_LATE]++;
		return;
	}
	if (c->joined)
		join(c, m->number);
	live_heard(live, session, m->tx_time_ns);
	late = c->order.late + c->order.malformed;
	order_take(&c->order, m, window, repaired, live->now_ns);
	c->count[LIVE_LATE] += c->order.late + c->order.malformed - late;
}

void live_told(struct live *live, unsigned index, unsigned session,
	       const struct record_live *l)
{
	struct live_channel *c = &live->channel[index - live->first];

	if (!follow(c, session))
		return;
	c->count[LIVE_TX_DROPPED] = l->dropped;
	if (!c->joined)
		order_told(&c->order, l->messages, live->now_ns);
}

/* ---- time ------------------------------------------------------------------------------ */

void live_tick(struct live *live, bool drained)
{
	const uint64_t now_ns = drained			      ? live->now_ns
				: live->now_ns > LIVE_BUSY_NS ? live->now_ns - LIVE_BUSY_NS
							      : 0;

	for (unsigned i = 0; i < live->channels; i++) {
		struct live_channel *c = &live->channel[i];

		if (c->bound && c->order.due_ns <= now_ns)
			order_tick(&c->order, now_ns);
		say_full(c);
	}
}

uint64_t live_next(const struct live *live)
{
	uint64_t next = CLOCK_NEVER;

	for (unsigned i = 0; i < live->channels; i++)
		if (live->channel[i].bound && live->channel[i].order.due_ns < next)
			next = live->channel[i].order.due_ns;
	return next;
}
