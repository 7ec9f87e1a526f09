// SPDX-License-Identifier: ISC
#include "asker.h"

#include <string.h>

#include "announce.h"
#include "clock.h"
#include "session.h"

void asker_lay(struct asker *a, struct rx_arena *arena)
{
	memset(a, 0, sizeof(*a));
	a->pending = rx_arena_take(arena, ASKER_PENDING * sizeof(*a->pending));
	a->refused = rx_arena_take(arena, ASKER_REFUSED * sizeof(*a->refused));
}

enum km_rc asker_attach(struct asker *a, void *mem, struct decode_counts *counts,
			struct delivery *delivery)
{
	struct ask_bells *bells = ask_bells(mem);
	enum km_rc rc;

	a->counts = counts;
	a->delivery = delivery;
	rc = ring_attach(&a->ask, ask_questions(mem), ask_questions_bytes(),
			 sizeof(struct ask), ASK_SLOTS, RING_PRODUCER);
	if (rc != KM_OK)
		return rc;
	rc = ring_attach(&a->answer, ask_answers(mem), ask_answers_bytes(),
			 sizeof(struct ask_answer), ASK_SLOTS, RING_CONSUMER);
	if (rc != KM_OK)
		return rc;
	ring_set_bells(&a->ask, &bells->keeper, &bells->decode);
	ring_set_bells(&a->answer, &bells->keeper, &bells->decode);
	return KM_OK;
}

static void alarm_refused(struct asker *a, uint32_t tag, uint32_t verdict, uint64_t now_ns)
{
	uint32_t row = verdict < ASKER_VERDICTS ? verdict : ASK_MALFORMED;

	if (a->alarm_ns[row] && now_ns - a->alarm_ns[row] < ASKER_ALARM_NS)
		return;
	a->alarm_ns[row] = now_ns;
	delivery_alarm(a->delivery, DELIVER_ALARM_ANNOUNCE, tag, row);
}

static bool same(const struct asker_entry *e, const uint8_t *p, size_t len)
{
	return e->used && e->len == len && memcmp(e->bytes, p, len) == 0;
}

static bool put_question(struct asker *a, struct asker_entry *e, uint64_t now_ns)
{
	struct ask *q;
	uint64_t at;

	if (ring_reserve(&a->ask, 1, &at) != KM_OK)
		return false;
	q = ring_slot(&a->ask, at);
	memset(q, 0, sizeof(*q));
	q->type = ASK_ANNOUNCE;
	q->len = e->len;
	q->session = e->tag;
	memcpy(q->announce, e->bytes, e->len);
	if (ring_submit(&a->ask, 1) != KM_OK)
		return false;
	e->at_ns = now_ns;
	e->tries++;
	a->counts->v[COUNT_ASKED]++;
	return true;
}

/* Both ends of a rate limit of whole seconds. */
static bool may_ask(struct asker *a, uint64_t now_ns)
{
	if (now_ns - a->second_ns >= CLOCK_NS_PER_SEC) {
		a->second_ns = now_ns;
		a->in_second = 0;
	}
	if (a->in_second >= ASKER_PER_SECOND)
		return false;
	a->in_second++;
	return true;
}

static struct asker_entry *free_entry(struct asker *a)
{
	for (unsigned i = 0; i < ASKER_PENDING; i++)
		if (!a->pending[i].used)
			return &a->pending[i];
	return NULL;
}

/* Ask about an announce that is not known in any way. False: not taken. */
static bool ask_new(struct asker *a, const uint8_t *p, size_t len, uint64_t now_ns)
{
	struct asker_entry *e = free_entry(a);

	if (!e || !may_ask(a, now_ns))
		return false;
	memset(e, 0, sizeof(*e));
	e->len = (uint16_t)len;
	memcpy(e->bytes, p, len);
	session_transcript(e->transcript, p, len);
	e->tag = session_tag(e->transcript);
	e->copies = 1;
	e->used = put_question(a, e, now_ns);
	return e->used;
}

/* True when the bytes are known to be refused, or are no announce at all. */
static bool refused_at_sight(struct asker *a, const uint8_t *p, size_t len, uint64_t now_ns)
{
	struct announce form;
	enum km_rc rc;

	for (unsigned i = 0; i < ASKER_REFUSED; i++)
		if (same(&a->refused[i], p, len) &&
		    now_ns - a->refused[i].at_ns < ASKER_REFUSED_NS)
			return true;
	rc = len > WIRE_ANNOUNCE_MAX ? KM_ERR_MALFORMED : announce_decode(&form, p, len);
	if (rc == KM_OK)
		return false;
	alarm_refused(a, 0, rc == KM_ERR_VERSION ? ASK_VERSION : ASK_MALFORMED, now_ns);
	return true;
}

void asker_announce(struct asker *a, const uint8_t *p, size_t len, uint64_t now_ns)
{
	for (unsigned i = 0; i < ASKER_PENDING; i++) {
		if (same(&a->pending[i], p, len)) {
			a->pending[i].copies++;
			return;
		}
	}
	if (refused_at_sight(a, p, len, now_ns)) {
		a->counts->v[COUNT_REFUSED_ANNOUNCE]++;
		return;
	}
	if (!ask_new(a, p, len, now_ns)) {
		a->counts->v[COUNT_REFUSED_ANNOUNCE]++;
		alarm_refused(a, 0, ASK_TOO_MANY, now_ns);
	}
}

static void refuse(struct asker *a, struct asker_entry *e, uint32_t verdict,
		   uint64_t now_ns)
{
	a->counts->v[COUNT_REFUSED_ANNOUNCE] += e->copies;
	alarm_refused(a, e->tag, verdict, now_ns);
	e->used = false;
	if (verdict == ASK_TOO_MANY || verdict == ASK_STORE)
		return; /* may be accepted the next time */
	a->refused[a->refused_at] = *e;
	a->refused[a->refused_at].used = true;
	a->refused[a->refused_at].at_ns = now_ns;
	a->refused_at = (a->refused_at + 1) % ASKER_REFUSED;
}

static void take_answer(struct asker *a, const struct ask_answer *answer,
			asker_accept_fn *accept, void *ctx, uint64_t now_ns)
{
	for (unsigned i = 0; i < ASKER_PENDING; i++) {
		struct asker_entry *e = &a->pending[i];
		uint32_t copies = e->copies;

		if (!e->used || e->tag != answer->session)
			continue;
		if (answer->verdict != ASK_ACCEPTED) {
			refuse(a, e, answer->verdict, now_ns);
			return;
		}
		if (memcmp(answer->transcript, e->transcript, sizeof(e->transcript)) != 0 ||
		    !accept(ctx, e, answer, now_ns)) {
			refuse(a, e, ASK_STORE, now_ns);
			return;
		}
		a->counts->v[COUNT_OPENED] += copies;
		a->counts->v[COUNT_ANNOUNCES] += copies;
		e->used = false;
		return;
	}
}

void asker_poll(struct asker *a, asker_accept_fn *accept, asker_trust_fn *trust, void *ctx,
		uint64_t now_ns)
{
	uint64_t first;
	uint32_t n;

	while (ring_peek(&a->answer, 1, &first, &n) == KM_OK) {
		struct ask_answer *slot = ring_slot(&a->answer, first);
		struct ask_answer answer = *slot;

		/* the secret stays nowhere but in the lane contexts */
		explicit_bzero(slot->secret, sizeof(slot->secret));
		if (ring_release(&a->answer, 1) != KM_OK)
			answer.verdict = ASK_STORE;
		else if (answer.verdict != ASK_TRUSTS)
			take_answer(a, &answer, accept, ctx, now_ns);
		else if (answer.floors <= ASK_TRUSTED_MAX)
			trust(ctx, &answer, now_ns);
		explicit_bzero(&answer, sizeof(answer));
	}
	for (unsigned i = 0; i < ASKER_PENDING; i++) {
		struct asker_entry *e = &a->pending[i];

		if (!e->used || now_ns - e->at_ns < ASKER_AGAIN_NS)
			continue;
		if (e->tries >= ASKER_TRIES || !put_question(a, e, now_ns))
			refuse(a, e, ASK_TOO_MANY, now_ns);
	}
}

uint64_t asker_waiting(const struct asker *a)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < ASKER_PENDING; i++)
		if (a->pending[i].used)
			n += a->pending[i].copies;
	return n;
}

bool asker_is_refused(const struct asker *a, uint32_t tag, uint64_t now_ns)
{
	for (unsigned i = 0; i < ASKER_REFUSED; i++)
		if (a->refused[i].used && a->refused[i].tag == tag &&
		    now_ns - a->refused[i].at_ns < ASKER_REFUSED_NS)
			return true;
	return false;
}

bool asker_floors(struct asker *a, const struct ask *floors)
{
	uint64_t at;

	if (ring_reserve(&a->ask, 1, &at) != KM_OK)
		return false;
	memcpy(ring_slot(&a->ask, at), floors, sizeof(*floors));
	return ring_submit(&a->ask, 1) == KM_OK;
}
