// SPDX-License-Identifier: ISC
/* tx_state_table.c: latest values, what replaces what, and the schedule, by a clock of its own. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "tx_state_table.h"

#define S CLOCK_NS_PER_SEC
#define MS CLOCK_NS_PER_MS

static const struct tx_state_plan plan = {
	.max_keys = 1000, .max_bytes = 1 << 20, .refresh_ns = 10 * S};
static struct tx_state_table t;

static void begin(void)
{
	cr_assert_eq(tx_state_table_init(&t, &plan), KM_OK);
}

static enum km_rc put(const char *key, const char *value, uint64_t now_ns)
{
	const struct state_message m = {
		.op = value ? STATE_VALUE : STATE_WITHDRAWN,
		.update_ns = 7 * S + now_ns,
		.key = (const uint8_t *)key,
		.key_len = (uint8_t)strlen(key),
		.value = (const uint8_t *)value,
		.value_len = value ? (uint32_t)strlen(value) : 0,
	};

	return tx_state_table_put(&t, &m, now_ns);
}

static char said[300];

/* "train/1=on time", "train/1 gone", with "~" before what is said again; NULL: nothing now. */
static const char *say(uint64_t now_ns)
{
	struct state_message m;

	if (!tx_state_table_peek(&t, &m, now_ns))
		return NULL;
	(void)snprintf(said, sizeof(said), "%s%.*s%s%.*s", m.refresh ? "~" : "",
		       (int)m.key_len, (const char *)m.key,
		       m.op == STATE_VALUE ? "=" : " gone", (int)m.value_len,
		       m.value ? (const char *)m.value : "");
	tx_state_table_take(&t, now_ns);
	return said;
}

Test(tx_state_table, news_leave_once_in_order_with_their_own_time)
{
	struct state_message m;

	begin();
	cr_assert_eq(put("b", "1", 5), KM_OK);
	cr_assert_eq(put("a", "2", 6), KM_OK);
	cr_assert(tx_state_table_waits(&t));
	cr_assert(tx_state_table_peek(&t, &m, 9));
	cr_assert_eq(m.update_ns, 7 * S + 5);
	cr_assert_str_eq(say(9), "b=1");
	cr_assert_str_eq(say(9), "a=2");
	cr_assert_null(say(9));
	cr_assert_not(tx_state_table_waits(&t));
	cr_assert_eq(put("a", "", 10), KM_OK);
	cr_assert_str_eq(say(10), "a=");
	tx_state_table_free(&t);
}

Test(tx_state_table, what_waits_is_replaced_by_the_newest)
{
	begin();
	cr_assert_eq(put("a", "1", 1), KM_OK);
	cr_assert_eq(put("b", "1", 2), KM_OK);
	cr_assert_eq(put("a", "22", 3), KM_OK);
	cr_assert_eq(put("a", "333", 4), KM_OK);
	cr_assert_eq(t.coalesced, 2);
	cr_assert_str_eq(say(5), "a=333");
	cr_assert_str_eq(say(5), "b=1");
	cr_assert_null(say(5));
	cr_assert_eq(put("a", "4", 6), KM_OK);
	cr_assert_eq(put("a", NULL, 7), KM_OK);
	cr_assert_str_eq(say(8), "a gone");
	cr_assert_null(say(8));
	cr_assert_eq(t.coalesced, 3);
	tx_state_table_free(&t);
}

/* One key: after 10 s, with the time of the update. */
Test(tx_state_table, a_value_is_said_again_with_the_time_of_its_update)
{
	struct state_message m;

	begin();
	cr_assert_eq(tx_state_table_due(&t), CLOCK_NEVER);
	cr_assert_eq(put("a", "1", S), KM_OK);
	cr_assert_str_eq(say(S), "a=1");
	cr_assert_eq(tx_state_table_due(&t), 11 * S);
	cr_assert_null(say(11 * S - 1));
	cr_assert(tx_state_table_peek(&t, &m, 11 * S));
	cr_assert(m.refresh);
	cr_assert_eq(m.update_ns, 8 * S);
	cr_assert_str_eq(say(11 * S), "~a=1");
	cr_assert_null(say(11 * S));
	cr_assert_eq(tx_state_table_due(&t), 21 * S);
	tx_state_table_free(&t);
}

#define KEYS 200u

/* Whoever begins to listen at any moment has heard every key REFRESH later, and the wire is as
 * busy in one second as in another. Keys come in one burst, the worst there is. */
Test(tx_state_table, every_key_within_refresh_evenly)
{
	uint64_t last[KEYS] = {0};
	char key[16];

	begin();
	for (unsigned i = 0; i < KEYS; i++) {
		(void)snprintf(key, sizeof(key), "%u", i);
		cr_assert_eq(put(key, "x", 0), KM_OK);
		cr_assert_not_null(say(0));
	}
	for (uint64_t now = 0; now < 60 * S;) {
		unsigned in_second = 0;

		for (const uint64_t end = now + S; now < end; now += MS)
			for (const char *what; (what = say(now)) != NULL; in_second++) {
				const unsigned i = (unsigned)strtoul(what + 1, NULL, 10);

				cr_assert_eq(what[0], '~');
				cr_assert_leq(now - last[i], 10 * S + MS,
					      "key %u after %" PRIu64 " ms", i,
					      (now - last[i]) / MS);
				last[i] = now;
			}
		cr_assert(in_second >= 18 && in_second <= 22,
			  "%u in the second before %" PRIu64, in_second, now / S);
	}
	for (unsigned i = 0; i < KEYS; i++)
		cr_assert_gt(last[i], 49 * S);
	tx_state_table_free(&t);
}

/* The role was not on the processor for a long time: no burst of all that was missed. */
Test(tx_state_table, after_a_pause_there_is_no_burst_beyond_what_is_due)
{
	unsigned n = 0;
	char key[16];

	begin();
	for (unsigned i = 0; i < KEYS; i++) {
		(void)snprintf(key, sizeof(key), "%u", i);
		cr_assert_eq(put(key, "x", i * 50 * MS), KM_OK);
		cr_assert_not_null(say(i * 50 * MS));
	}
	while (say(13 * S))
		n++;
	/* those said before 3 s have their time up; and half a second of turns */
	cr_assert(n >= 60 && n <= 75, "%u", n);
	tx_state_table_free(&t);
}

Test(tx_state_table, what_is_updated_often_is_not_said_again_as_well)
{
	unsigned again = 0;

	begin();
	cr_assert_eq(put("quiet", "x", 0), KM_OK);
	cr_assert_not_null(say(0));
	for (uint64_t now = 0; now < 30 * S; now += 100 * MS) {
		const char *what;

		cr_assert_eq(put("busy", "x", now), KM_OK);
		cr_assert_str_eq(say(now), "busy=x");
		while ((what = say(now)) != NULL) {
			cr_assert_str_eq(what, "~quiet=x");
			again++;
		}
	}
	cr_assert(again >= 2, "%u", again);
	tx_state_table_free(&t);
}

Test(tx_state_table, a_withdrawal_is_repeated_and_then_forgotten)
{
	begin();
	cr_assert_eq(put("a", "1", 0), KM_OK);
	cr_assert_str_eq(say(0), "a=1");
	cr_assert_eq(put("a", NULL, S), KM_OK);
	cr_assert_str_eq(say(S), "a gone");
	for (unsigned i = 1; i <= TX_STATE_REPEATS; i++) {
		cr_assert_eq(t.keys, 1);
		cr_assert_str_eq(say(S + i * 10 * S), "~a gone");
	}
	cr_assert_eq(t.keys, 0);
	cr_assert_eq(t.bytes, 0);
	cr_assert_null(say(1000 * S));
	/* of a key that we do not know rx may */
	cr_assert_eq(put("b", NULL, 1000 * S), KM_OK);
	cr_assert_str_eq(say(1000 * S), "b gone");
	/* and it can come back */
	cr_assert_eq(put("b", "2", 1001 * S), KM_OK);
	cr_assert_str_eq(say(1001 * S), "b=2");
	for (unsigned i = 1; i < 9; i++)
		cr_assert_str_eq(say((1001 + i * 10) * S), "~b=2");
	tx_state_table_free(&t);
}

Test(tx_state_table, many_that_go_do_not_make_others_wait)
{
	uint64_t last[KEYS] = {0};
	char key[16];

	begin();
	for (unsigned i = 0; i < KEYS; i++) {
		(void)snprintf(key, sizeof(key), "%u", i);
		cr_assert_eq(put(key, "x", 0), KM_OK);
		cr_assert_not_null(say(0));
	}
	for (unsigned i = 0; i < KEYS; i += 2) {
		(void)snprintf(key, sizeof(key), "%u", i);
		cr_assert_eq(put(key, NULL, 0), KM_OK);
		cr_assert_not_null(say(0));
	}
	for (uint64_t now = 0; now < 80 * S; now += MS)
		for (const char *what; (what = say(now)) != NULL;) {
			const unsigned i = (unsigned)strtoul(what + 1, NULL, 10);

			cr_assert_leq(now - last[i], 10 * S + MS);
			last[i] = now;
		}
	cr_assert_eq(t.keys, KEYS / 2);
	for (unsigned i = 1; i < KEYS; i += 2)
		cr_assert_gt(last[i], 69 * S);
	tx_state_table_free(&t);
}

Test(tx_state_table, it_is_bounded_by_keys_and_by_bytes)
{
	const struct tx_state_plan small = {
		.max_keys = 3, .max_bytes = 400, .refresh_ns = 10 * S};
	char large[400];

	memset(large, 'v', sizeof(large));
	large[300] = '\0';
	cr_assert_eq(tx_state_table_init(&t, &small), KM_OK);
	cr_assert_eq(put("a", "1", 0), KM_OK);
	cr_assert_eq(put("b", large, 0), KM_OK);
	cr_assert_eq(put("c", "1", 0), KM_ERR_LIMIT, "64 and 320 bytes are there");
	cr_assert_eq(put("a", large, 0), KM_ERR_LIMIT);
	cr_assert_eq(t.keys, 2);
	cr_assert_str_eq(say(1), "a=1", "what was there stays");
	cr_assert_eq(put("b", "1", 2), KM_OK, "a shorter one gives back");
	cr_assert_eq(put("c", "1", 2), KM_OK);
	cr_assert_eq(put("d", "1", 2), KM_ERR_LIMIT, "a fourth key");
	cr_assert_eq(t.keys, 3);
	cr_assert_eq(t.bytes, 3 * (1 + 64));
	tx_state_table_free(&t);
}
