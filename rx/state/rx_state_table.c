// SPDX-License-Identifier: ISC
#include "rx_state_table.h"

#include <stdlib.h>
#include <string.h>

/* Room for a value is taken in steps, so that one that changes a little stays where it is. */
#define VALUE_STEP 64u

enum km_rc rx_state_table_init(struct rx_state_table *t, const struct rx_state_plan *plan,
			       uint64_t now_ns)
{
	*t = (struct rx_state_table){.plan = *plan, .newest_ns = now_ns};
	TAILQ_INIT(&t->changed);
	TAILQ_INIT(&t->heard);
	return keymap_init(&t->map, plan->max_keys);
}

static void set_stale(struct rx_state_table *t, struct rx_state_entry *e, bool stale)
{
	t->stale += (uint32_t)stale - (uint32_t)e->stale;
	e->stale = stale;
}

static void set_withdrawn(struct rx_state_table *t, struct rx_state_entry *e,
			  bool withdrawn)
{
	t->withdrawn += (uint32_t)withdrawn - (uint32_t)e->withdrawn;
	e->withdrawn = withdrawn;
}

static void forget(struct rx_state_table *t, struct rx_state_entry *e)
{
	set_stale(t, e, false);
	set_withdrawn(t, e, false);
	TAILQ_REMOVE(&t->changed, e, changed);
	TAILQ_REMOVE(&t->heard, e, heard);
	keymap_remove(&t->map, &e->node);
	t->keys--;
	t->bytes -= e->node.len + e->room;
	free(e->value);
	free(e);
}

void rx_state_table_free(struct rx_state_table *t)
{
	while (t->map.place && !TAILQ_EMPTY(&t->heard))
		forget(t, TAILQ_FIRST(&t->heard));
	keymap_free(&t->map);
}

/* A session that was not known is newer than all that are. */
static uint64_t order_of(struct rx_state_table *t, uint32_t session)
{
	const unsigned at = (unsigned)(t->orders % RX_STATE_SESSIONS);

	for (unsigned i = 0; i < RX_STATE_SESSIONS; i++)
		if (t->known[i].order > 0 && t->known[i].session == session)
			return t->known[i].order;
	t->known[at].session = session;
	return t->known[at].order = ++t->orders;
}

static void changed(struct rx_state_table *t, struct rx_state_entry *e)
{
	TAILQ_REMOVE(&t->changed, e, changed);
	TAILQ_INSERT_TAIL(&t->changed, e, changed);
	e->seq = ++t->seq;
}

static void heard(struct rx_state_table *t, struct rx_state_entry *e, uint64_t order,
		  const struct rx_state_origin *from, uint64_t now_ns)
{
	TAILQ_REMOVE(&t->heard, e, heard);
	TAILQ_INSERT_TAIL(&t->heard, e, heard);
	e->order = order;
	e->session = from->session;
	e->number = from->number;
	e->heard_ns = now_ns;
}

static bool has_room(const struct rx_state_table *t, uint64_t keys, uint64_t bytes)
{
	return t->plan.max_keys - t->keys >= keys && t->plan.max_bytes - t->bytes >= bytes;
}

/* Of those heard of longest ago, what is stale or withdrawn goes; never KEEP. */
static bool make_room(struct rx_state_table *t, const struct rx_state_entry *keep,
		      uint64_t keys, uint64_t bytes)
{
	while (!has_room(t, keys, bytes)) {
		struct rx_state_entry *e = TAILQ_FIRST(&t->heard);

		if (!e || e == keep || (!e->stale && !e->withdrawn))
			return false;
		t->counts.evicted += !e->withdrawn;
		forget(t, e);
	}
	return true;
}

static struct rx_state_entry *add(struct rx_state_table *t, const struct state_message *m)
{
	struct rx_state_entry *e;

	if (!make_room(t, NULL, 1, m->key_len))
		return NULL;
	e = calloc(1, sizeof(*e) + m->key_len);
	if (!e)
		return NULL;
	memcpy(e->key, m->key, m->key_len);
	keymap_add(&t->map, &e->node, e->key, m->key_len);
	TAILQ_INSERT_TAIL(&t->changed, e, changed);
	TAILQ_INSERT_TAIL(&t->heard, e, heard);
	t->bytes += m->key_len;
	t->keys++;
	return e;
}

static bool set_room(struct rx_state_table *t, struct rx_state_entry *e, uint32_t len)
{
	const uint32_t room = (len + VALUE_STEP - 1) / VALUE_STEP * VALUE_STEP;
	uint8_t *value = NULL;

	if (room == e->room)
		return true;
	if (room > e->room && !make_room(t, e, 0, room - e->room))
		return false;
	if (room == 0)
		free(e->value);
	else if (!(value = realloc(e->value, room)))
		return false;
	t->bytes = t->bytes - e->room + room;
	e->value = value;
	e->room = room;
	return true;
}

/* Nothing of it is new: it was only said again. */
static bool same(const struct rx_state_entry *e, const struct state_message *m)
{
	return m->refresh && e->seq > 0 && e->update_ns == m->update_ns &&
	       e->withdrawn == (m->op == STATE_WITHDRAWN) && e->len == m->value_len &&
	       (e->len == 0 || memcmp(e->value, m->value, e->len) == 0);
}

static enum km_rc refuse(struct rx_state_table *t, struct rx_state_entry *e)
{
	if (e && e->seq == 0)
		forget(t, e);
	t->counts.full++;
	return KM_ERR_LIMIT;
}

enum km_rc rx_state_table_put(struct rx_state_table *t, const struct state_message *m,
			      const struct rx_state_origin *from, uint64_t now_ns)
{
	const uint64_t order = order_of(t, from->session);
	struct rx_state_entry *e =
		(struct rx_state_entry *)keymap_find(&t->map, m->key, m->key_len);

	if (e && (order < e->order || (order == e->order && from->number <= e->number))) {
		t->counts.late++;
		return KM_OK;
	}
	if (!e && !(e = add(t, m)))
		return refuse(t, NULL);
	if (same(e, m)) {
		t->counts.refreshes++;
		heard(t, e, order, from, now_ns);
		return KM_OK;
	}
	if (!set_room(t, e, m->value_len))
		return refuse(t, e);
	if (e->value && m->value_len > 0)
		memcpy(e->value, m->value, m->value_len);
	e->len = m->value_len;
	e->update_ns = m->update_ns;
	e->born_ns = now_ns > from->age_ns ? now_ns - from->age_ns : 0;
	if (e->born_ns > t->newest_ns)
		t->newest_ns = e->born_ns;
	set_withdrawn(t, e, m->op == STATE_WITHDRAWN);
	set_stale(t, e, !e->withdrawn && rx_state_entry_age(e, now_ns) > t->plan.stale_ns);
	heard(t, e, order, from, now_ns);
	changed(t, e);
	t->counts.updates++;
	return KM_OK;
}

void rx_state_table_age(struct rx_state_table *t, uint64_t now_ns)
{
	struct rx_state_entry *e, *after;

	for (e = TAILQ_FIRST(&t->heard); e; e = after) {
		after = TAILQ_NEXT(e, heard);
		if (e->withdrawn) {
			if (now_ns - e->heard_ns > RX_STATE_GRAVE_NS)
				forget(t, e);
		} else if (!e->stale && rx_state_entry_age(e, now_ns) > t->plan.stale_ns) {
			set_stale(t, e, true);
			changed(t, e);
		}
	}
}

const struct rx_state_entry *rx_state_table_after(const struct rx_state_table *t,
						  uint64_t seq)
{
	const struct rx_state_entry *e = TAILQ_LAST(&t->changed, rx_state_list),
				    *found = NULL;

	/* from behind: who reads all the time has little to pass */
	while (e && e->seq > seq) {
		found = e;
		e = TAILQ_PREV(e, rx_state_list, changed);
	}
	return found;
}

const struct rx_state_entry *rx_state_table_next(const struct rx_state_entry *e)
{
	return TAILQ_NEXT(e, changed);
}
