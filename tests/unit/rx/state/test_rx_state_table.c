// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "rx_state_table.h"

#define S UINT64_C(1000000000)

static const struct rx_state_plan plan = {
	.max_keys = 100, .max_bytes = 1 << 20, .stale_ns = 30 * S};
static struct rx_state_table t;

static void begin(void)
{
	cr_assert_eq(rx_state_table_init(&t, &plan, 100 * S), KM_OK);
}

struct said {
	const char *key, *value; /* value NULL: withdrawn */
	uint32_t session;
	uint64_t number, update_ns, age_ns;
	uint64_t now_ns; /* 0: when the table began */
	bool refresh;
};

static enum km_rc put(const struct said *s)
{
	const struct state_message m = {
		.op = s->value ? STATE_VALUE : STATE_WITHDRAWN,
		.refresh = s->refresh,
		.update_ns = s->update_ns,
		.key = (const uint8_t *)s->key,
		.key_len = (uint8_t)strlen(s->key),
		.value = (const uint8_t *)s->value,
		.value_len = s->value ? (uint32_t)strlen(s->value) : 0,
	};
	const struct rx_state_origin from = {s->session, s->number, s->age_ns};

	return rx_state_table_put(&t, &m, &from, s->now_ns ? s->now_ns : 100 * S);
}

#define PUT(...) put(&(struct said){__VA_ARGS__})

static const struct rx_state_entry *entry(const char *key)
{
	return (const struct rx_state_entry *)keymap_find(&t.map, (const uint8_t *)key,
							  strlen(key));
}

static bool holds(const char *key, const char *value)
{
	const struct rx_state_entry *e = entry(key);

	return e && !e->withdrawn && e->len == strlen(value) &&
	       memcmp(e->value, value, e->len) == 0;
}

/* Keys in the order of their last change, from behind SEQ on. */
static const char *keys_after(uint64_t seq)
{
	static char text[256];
	size_t at = 0;

	text[0] = '\0';
	for (const struct rx_state_entry *e = rx_state_table_after(&t, seq); e;
	     e = rx_state_table_next(e)) {
		cr_assert_gt(e->seq, seq);
		seq = e->seq;
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%.*s",
				       at ? " " : "", (int)e->node.len,
				       (const char *)e->key);
	}
	return text;
}

Test(rx_state_table, late_never_replaces_newer)
{
	begin();
	cr_assert_eq(PUT("a", "2", .session = 7, .number = 5, .update_ns = 50), KM_OK);
	cr_assert_eq(PUT("a", "1", .session = 7, .number = 4, .update_ns = 60), KM_OK);
	cr_assert_eq(PUT("a", "1", .session = 7, .number = 5, .update_ns = 60), KM_OK);
	cr_assert(holds("a", "2"));
	cr_assert_eq(t.counts.late, 2);
	cr_assert_eq(PUT("a", "3", .session = 7, .number = 6, .update_ns = 40), KM_OK);
	cr_assert(holds("a", "3"), "in a session numbers decide, whatever tx's clock says");
	cr_assert_eq(entry("a")->update_ns, 40);
	rx_state_table_free(&t);
}

Test(rx_state_table, the_newer_session_wins)
{
	begin();
	cr_assert_eq(PUT("a", "old", .session = 7, .number = 1000), KM_OK);
	cr_assert_eq(PUT("b", "old", .session = 7, .number = 1001), KM_OK);
	cr_assert_eq(PUT("a", "new", .session = 3, .number = 1), KM_OK);
	cr_assert(holds("a", "new"));
	cr_assert_eq(PUT("a", "older", .session = 7, .number = 1002), KM_OK);
	cr_assert(holds("a", "new"), "held back in decode, of the session before");
	cr_assert_eq(PUT("b", "still", .session = 7, .number = 1003), KM_OK);
	cr_assert(holds("b", "still"), "of which nothing newer is known");
	cr_assert_eq(PUT("c", NULL, .session = 3, .number = 2), KM_OK);
	cr_assert_eq(PUT("c", "older", .session = 7, .number = 1004), KM_OK);
	cr_assert(entry("c")->withdrawn,
		  "a withdrawn key does not come back by a late value");
	cr_assert_eq(t.counts.late, 2);
	rx_state_table_free(&t);
}

Test(rx_state_table, what_is_said_again_changes_nothing)
{
	uint64_t seq;

	begin();
	cr_assert_eq(PUT("a", "1", .number = 1, .update_ns = 9, .age_ns = S), KM_OK);
	seq = t.seq;
	cr_assert_eq(PUT("a", "1", .number = 2, .update_ns = 9, .refresh = true,
			 .age_ns = 12 * S, .now_ns = 110 * S),
		     KM_OK);
	cr_assert_eq(t.seq, seq);
	cr_assert_eq(t.counts.refreshes, 1);
	cr_assert_eq(rx_state_entry_age(entry("a"), 110 * S), 11 * S,
		     "its age is from the first");
	/* what differs is an update that was lost */
	cr_assert_eq(PUT("a", "2", .number = 3, .update_ns = 10, .refresh = true,
			 .age_ns = 4 * S, .now_ns = 110 * S),
		     KM_OK);
	cr_assert(holds("a", "2"));
	cr_assert_eq(t.seq, seq + 1);
	cr_assert_eq(rx_state_entry_age(entry("a"), 110 * S), 4 * S);
	/* the same value once more is news: it is young again */
	cr_assert_eq(PUT("a", "2", .number = 4, .update_ns = 11, .now_ns = 111 * S), KM_OK);
	cr_assert_eq(t.seq, seq + 2);
	cr_assert_eq(rx_state_entry_age(entry("a"), 111 * S), 0);
	cr_assert_eq(t.counts.updates, 3);
	rx_state_table_free(&t);
}

Test(rx_state_table, readers_find_what_is_new_to_them_once)
{
	begin();
	cr_assert_str_eq(keys_after(0), "");
	cr_assert_eq(PUT("a", "1", .number = 1), KM_OK);
	cr_assert_eq(PUT("b", "1", .number = 2), KM_OK);
	cr_assert_eq(PUT("c", "1", .number = 3), KM_OK);
	cr_assert_str_eq(keys_after(0), "a b c");
	cr_assert_eq(PUT("a", "2", .number = 4), KM_OK);
	cr_assert_eq(PUT("a", "3", .number = 5), KM_OK);
	cr_assert_str_eq(keys_after(0), "b c a");
	cr_assert_str_eq(keys_after(3), "a");
	cr_assert_eq(rx_state_table_after(&t, 3)->seq, 5, "one change lies between");
	cr_assert_str_eq(keys_after(5), "");
	rx_state_table_free(&t);
}

Test(rx_state_table, values_become_stale_once_and_young_again)
{
	begin();
	cr_assert_eq(PUT("a", "1", .number = 1), KM_OK);
	cr_assert_eq(PUT("b", "1", .number = 2, .age_ns = 40 * S), KM_OK);
	cr_assert(entry("b")->stale, "it came old");
	cr_assert_eq(t.stale, 1);
	rx_state_table_age(&t, 130 * S);
	cr_assert_not(entry("a")->stale);
	rx_state_table_age(&t, 130 * S + 1);
	cr_assert(entry("a")->stale);
	cr_assert_eq(t.stale, 2);
	cr_assert_str_eq(keys_after(2), "a", "readers are told");
	rx_state_table_age(&t, 140 * S);
	cr_assert_eq(t.seq, 3, "once");
	cr_assert_eq(PUT("a", "2", .number = 3, .now_ns = 141 * S), KM_OK);
	cr_assert_not(entry("a")->stale);
	cr_assert_eq(t.stale, 1);
	cr_assert_eq(t.newest_ns, 141 * S);
	cr_assert_eq(PUT("a", NULL, .number = 4, .now_ns = 141 * S), KM_OK);
	rx_state_table_age(&t, 190 * S);
	cr_assert_eq(t.stale, 1, "what is withdrawn does not become stale");
	rx_state_table_free(&t);
}

Test(rx_state_table, a_withdrawn_key_is_told_and_then_forgotten)
{
	begin();
	cr_assert_eq(PUT("a", "1", .number = 1), KM_OK);
	cr_assert_eq(PUT("a", NULL, .number = 2), KM_OK);
	cr_assert_eq(t.keys, 1);
	cr_assert_eq(t.withdrawn, 1);
	cr_assert_eq(entry("a")->room, 0);
	cr_assert_str_eq(keys_after(1), "a");
	rx_state_table_age(&t, 100 * S + RX_STATE_GRAVE_NS);
	cr_assert_not_null(entry("a"));
	rx_state_table_age(&t, 100 * S + RX_STATE_GRAVE_NS + 1);
	cr_assert_null(entry("a"));
	cr_assert_eq(t.keys + t.withdrawn + t.bytes, 0);
	rx_state_table_free(&t);
}

Test(rx_state_table, it_is_bounded_and_stale_keys_give_way)
{
	const struct rx_state_plan small = {
		.max_keys = 3, .max_bytes = 380, .stale_ns = 30 * S};
	char large[301];

	memset(large, 'v', 300);
	large[300] = '\0';
	cr_assert_eq(rx_state_table_init(&t, &small, 0), KM_OK);
	cr_assert_eq(PUT("a", "1", .number = 1), KM_OK);
	cr_assert_eq(PUT("b", "1", .number = 2), KM_OK);
	cr_assert_eq(PUT("c", "1", .number = 3), KM_OK);
	cr_assert_eq(PUT("d", "1", .number = 4), KM_ERR_LIMIT);
	cr_assert_eq(PUT("c", large, .number = 5), KM_ERR_LIMIT, "64 and 64 and 320");
	cr_assert(holds("c", "1"), "what was there stays");
	cr_assert_eq(t.counts.full, 2);
	cr_assert_eq(PUT("a", "2", .number = 6, .now_ns = 129 * S), KM_OK);
	rx_state_table_age(&t, 131 * S);
	cr_assert_eq(t.stale, 2);
	cr_assert_eq(PUT("d", "1", .number = 7, .now_ns = 131 * S), KM_OK);
	cr_assert_null(entry("b"), "heard of longest ago");
	cr_assert(holds("a", "2") && holds("c", "1") && holds("d", "1"));
	cr_assert_eq(PUT("d", large, .number = 8, .now_ns = 131 * S), KM_ERR_LIMIT,
		     "c gave way, a is young");
	cr_assert_eq(t.counts.evicted, 2);
	cr_assert_eq(t.keys, 2);
	cr_assert_eq(t.bytes, 2 * 65);
	cr_assert_eq(t.counts.full, 3);
	rx_state_table_free(&t);
}
