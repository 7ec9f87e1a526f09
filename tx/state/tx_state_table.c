// SPDX-License-Identifier: ISC
#include "tx_state_table.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* Room for a value is taken in steps, so that one that changes a little stays where it is. */
#define VALUE_STEP 64u

/* Of refresh. */
#define LATE_PART 20u

struct tx_state_entry {
	struct keymap_node node; /* first: an entry is found by it */
	TAILQ_ENTRY(tx_state_entry) said, waits;
	uint64_t update_ns;
	uint64_t said_ns; /* or when it came to be, as long as it was not */
	uint8_t *value;
	uint32_t len, room;
	bool waiting, withdrawn;
	uint8_t repeats; /* withdrawn: how often it is still said */
	uint8_t key[];
};

enum km_rc tx_state_table_init(struct tx_state_table *t, const struct tx_state_plan *plan)
{
	*t = (struct tx_state_table){.plan = *plan};
	TAILQ_INIT(&t->said);
	TAILQ_INIT(&t->waits);
	return keymap_init(&t->map, plan->max_keys);
}

static void forget(struct tx_state_table *t, struct tx_state_entry *e)
{
	if (e->waiting)
		TAILQ_REMOVE(&t->waits, e, waits);
	TAILQ_REMOVE(&t->said, e, said);
	keymap_remove(&t->map, &e->node);
	t->keys--;
	t->bytes -= e->node.len + e->room;
	free(e->value);
	free(e);
}

void tx_state_table_free(struct tx_state_table *t)
{
	while (t->map.place && !TAILQ_EMPTY(&t->said))
		forget(t, TAILQ_FIRST(&t->said));
	keymap_free(&t->map);
}

static uint64_t interval(const struct tx_state_table *t)
{
	return t->plan.refresh_ns / t->keys;
}

/* NULL with *rc: no room, or no memory. */
static struct tx_state_entry *add(struct tx_state_table *t, const struct state_message *m,
				  uint64_t now_ns, enum km_rc *rc)
{
	struct tx_state_entry *e;

	*rc = KM_ERR_LIMIT;
	if (t->keys >= t->plan.max_keys || t->plan.max_bytes - t->bytes < m->key_len)
		return NULL;
	*rc = KM_ERR_NOMEM;
	e = calloc(1, sizeof(*e) + m->key_len);
	if (!e)
		return NULL;
	memcpy(e->key, m->key, m->key_len);
	keymap_add(&t->map, &e->node, e->key, m->key_len);
	e->said_ns = now_ns;
	TAILQ_INSERT_TAIL(&t->said, e, said);
	t->bytes += m->key_len;
	t->keys++;
	/* more keys: the turn of the next one is sooner */
	if (t->keys == 1 || t->next_ns > clock_add(now_ns, interval(t)))
		t->next_ns = clock_add(now_ns, interval(t));
	*rc = KM_OK;
	return e;
}

/* Room for LEN bytes, and no more than that and a step. */
static enum km_rc make_room(struct tx_state_table *t, struct tx_state_entry *e,
			    uint32_t len)
{
	const uint32_t room = (len + VALUE_STEP - 1) / VALUE_STEP * VALUE_STEP;
	uint8_t *value;

	if (room == e->room)
		return KM_OK;
	if (room > e->room && t->plan.max_bytes - t->bytes < room - e->room)
		return KM_ERR_LIMIT;
	if (room == 0) {
		free(e->value);
		value = NULL;
	} else {
		value = realloc(e->value, room);
		if (!value)
			return KM_ERR_NOMEM;
	}
	t->bytes = t->bytes - e->room + room;
	e->value = value;
	e->room = room;
	return KM_OK;
}

enum km_rc tx_state_table_put(struct tx_state_table *t, const struct state_message *m,
			      uint64_t now_ns)
{
	struct tx_state_entry *e =
		(struct tx_state_entry *)keymap_find(&t->map, m->key, m->key_len);
	const bool fresh = !e;
	enum km_rc rc;

	if (fresh && !(e = add(t, m, now_ns, &rc)))
		return rc;
	rc = make_room(t, e, m->value_len);
	if (rc != KM_OK) {
		if (fresh)
			forget(t, e);
		return rc;
	}
	if (e->value && m->value_len > 0)
		memcpy(e->value, m->value, m->value_len);
	e->len = m->value_len;
	e->update_ns = m->update_ns;
	e->withdrawn = m->op == STATE_WITHDRAWN;
	e->repeats = TX_STATE_REPEATS;
	if (e->waiting) {
		t->coalesced++;
	} else {
		e->waiting = true;
		TAILQ_INSERT_TAIL(&t->waits, e, waits);
	}
	return KM_OK;
}

bool tx_state_table_waits(const struct tx_state_table *t)
{
	return !TAILQ_EMPTY(&t->waits);
}

uint64_t tx_state_table_due(const struct tx_state_table *t)
{
	uint64_t own_ns;

	if (TAILQ_EMPTY(&t->said))
		return CLOCK_NEVER;
	/* its own time is up sooner than its turn comes when keys before it were forgotten */
	own_ns = clock_add(TAILQ_FIRST(&t->said)->said_ns, t->plan.refresh_ns);
	return own_ns < t->next_ns ? own_ns : t->next_ns;
}

static struct tx_state_entry *next(const struct tx_state_table *t, uint64_t now_ns)
{
	if (!TAILQ_EMPTY(&t->waits))
		return TAILQ_FIRST(&t->waits);
	return tx_state_table_due(t) <= now_ns ? TAILQ_FIRST(&t->said) : NULL;
}

bool tx_state_table_peek(struct tx_state_table *t, struct state_message *m, uint64_t now_ns)
{
	const struct tx_state_entry *e = next(t, now_ns);

	if (!e)
		return false;
	*m = (struct state_message){
		.op = e->withdrawn ? STATE_WITHDRAWN : STATE_VALUE,
		.refresh = !e->waiting,
		.update_ns = e->update_ns,
		.key_len = e->node.len,
		.key = e->key,
		.value = e->value,
		.value_len = e->len,
	};
	return true;
}

/* Turns that come late, since nobody woke us sooner, are made up for; after standing still for
 * long, only some of them: all at once would be a burst. */
static void turn_over(struct tx_state_table *t, uint64_t now_ns)
{
	const uint64_t most_ns = t->plan.refresh_ns / LATE_PART;

	t->next_ns = clock_add(t->next_ns, interval(t));
	if (now_ns > most_ns && t->next_ns < now_ns - most_ns)
		t->next_ns = now_ns - most_ns;
}

void tx_state_table_take(struct tx_state_table *t, uint64_t now_ns)
{
	struct tx_state_entry *e = next(t, now_ns);

	if (!e)
		return;
	TAILQ_REMOVE(&t->said, e, said);
	TAILQ_INSERT_TAIL(&t->said, e, said);
	e->said_ns = now_ns;
	if (e->waiting) {
		e->waiting = false;
		TAILQ_REMOVE(&t->waits, e, waits);
		return;
	}
	turn_over(t, now_ns);
	if (e->withdrawn && --e->repeats == 0)
		forget(t, e);
}
