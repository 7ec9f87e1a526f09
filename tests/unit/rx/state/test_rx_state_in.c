// SPDX-License-Identifier: ISC
/* rx_state_in.c: what the sink may say, and what it may not. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rx_state_in.h"

#define S UINT64_C(1000000000)
#define PLACE 3u

static const struct rx_state_plan plan = {
	.max_keys = 100, .max_bytes = 1 << 20, .stale_ns = 30 * S};
static struct rx_state_table t;
static struct rx_state_age age;
static struct rx_state_in in;
static uint8_t bytes[sizeof(struct sink_head) + WIRE_MESSAGE_MAX + 1];

static void begin(void)
{
	cr_assert_eq(rx_state_table_init(&t, &plan, 0), KM_OK);
	rx_state_age_init(&age, 1000 * S, 0);
	in = (struct rx_state_in){.fd = -1, .place = PLACE};
}

/* As the sink sends it; its length. */
static size_t make(uint32_t session, uint64_t number, const char *key)
{
	const struct state_message m = {
		.op = STATE_VALUE,
		.update_ns = 990 * S,
		.key = (const uint8_t *)key,
		.key_len = (uint8_t)strlen(key),
		.value = (const uint8_t *)"value",
		.value_len = 5,
	};
	struct sink_head head = {.place = PLACE,
				 .number = number,
				 .tx_time_ns = 992 * S,
				 .session = session};
	size_t len;

	cr_assert_eq(state_encode(bytes + sizeof(head), WIRE_MESSAGE_MAX, &m, &len), KM_OK);
	head.len = (uint32_t)len;
	memcpy(bytes, &head, sizeof(head));
	return sizeof(head) + len;
}

static enum km_rc take(size_t n)
{
	return rx_state_in_message(&in, bytes, n, &t, &age, S);
}

Test(rx_state_in, a_message_goes_into_the_table_with_its_age)
{
	const struct rx_state_entry *e;

	begin();
	cr_assert_eq(take(make(7, 1, "a")), KM_OK);
	e = rx_state_table_after(&t, 0);
	cr_assert_not_null(e);
	cr_assert_eq(e->session, 7);
	cr_assert_eq(e->number, 1);
	cr_assert_eq(e->born_ns, 0, "2 s old at the first second: as old as we are");
	cr_assert_eq(rx_state_table_after(&t, 0)->update_ns, 990 * S);
	cr_assert_eq(rx_state_in_message(&in, bytes, make(7, 2, "b"), &t, &age, 11 * S),
		     KM_OK);
	cr_assert_eq(rx_state_entry_age(rx_state_table_after(&t, 1), 11 * S), 11 * S,
		     "10 s on the way, and 2 s before");
	rx_state_table_free(&t);
}

Test(rx_state_in, what_no_honest_sink_says_ends_it)
{
	size_t n;

	begin();
	n = make(7, 1, "a");
	for (size_t cut = 1; cut < n; cut++)
		cr_assert_eq(take(n - cut), KM_ERR_MALFORMED);
	cr_assert_eq(take(n + 1), KM_ERR_MALFORMED);
	bytes[0] ^= 1; /* place */
	cr_assert_eq(take(n), KM_ERR_MALFORMED);
	n = make(7, 1, "a");
	memset(bytes + offsetof(struct sink_head, len), 0xff, 4);
	cr_assert_eq(take(n), KM_ERR_MALFORMED);
	memcpy(bytes + offsetof(struct sink_head, len), &(uint32_t){WIRE_MESSAGE_MAX + 1},
	       4);
	cr_assert_eq(take(sizeof(bytes)), KM_ERR_MALFORMED);
	cr_assert_null(rx_state_table_after(&t, 0));
	cr_assert_eq(in.malformed, 0);
	rx_state_table_free(&t);
}

/* tx, or who has its session secret, is hostile to its own channel only. */
Test(rx_state_in, what_no_honest_tx_says_is_counted)
{
	size_t n;

	begin();
	n = make(7, 1, "a");
	bytes[sizeof(struct sink_head)] = 9; /* version */
	cr_assert_eq(take(n), KM_OK);
	n = make(7, 2, "a");
	bytes[sizeof(struct sink_head) + STATE_HEAD_LEN] = '\n'; /* in the key */
	cr_assert_eq(take(n), KM_OK);
	cr_assert_eq(in.malformed, 2);
	cr_assert_null(rx_state_table_after(&t, 0));
	cr_assert_eq(take(make(7, 3, "a")), KM_OK);
	cr_assert_not_null(rx_state_table_after(&t, 0));
	cr_assert_eq(in.lost, 0);
	rx_state_table_free(&t);
}

Test(rx_state_in, jumps_of_the_numbers_are_losses)
{
	begin();
	cr_assert_eq(take(make(7, 500, "a")), KM_OK);
	cr_assert_eq(in.lost, 0, "joined in the middle");
	cr_assert_eq(take(make(7, 501, "a")), KM_OK);
	cr_assert_eq(take(make(7, 505, "a")), KM_OK);
	cr_assert_eq(in.lost, 3);
	cr_assert_eq(take(make(8, 1, "a")), KM_OK);
	cr_assert_eq(in.lost, 3);
	cr_assert_eq(take(make(9, 2, "a")), KM_OK);
	cr_assert_eq(in.lost, 4, "the first of a session");
	rx_state_table_free(&t);
}

Test(rx_state_in, it_takes_what_waits_and_no_more_than_its_turn)
{
	int pair[2];

	begin();
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	in.fd = pair[1];
	for (unsigned i = 1; i <= 5; i++) {
		const size_t n = make(7, i, "a");

		cr_assert_eq(send(pair[0], bytes, n, 0), (ssize_t)n);
	}
	cr_assert_eq(rx_state_in_take(&in, &t, &age, 3, S), KM_OK);
	cr_assert_eq(t.counts.updates, 3);
	cr_assert_eq(rx_state_in_take(&in, &t, &age, 3, S), KM_ERR_EMPTY);
	cr_assert_eq(t.counts.updates, 5);
	cr_assert_eq(send(pair[0], "x", 1, 0), 1);
	cr_assert_eq(rx_state_in_take(&in, &t, &age, 3, S), KM_ERR_MALFORMED);
	(void)close(pair[0]);
	cr_assert_eq(rx_state_in_take(&in, &t, &age, 3, S), KM_ERR_CLOSED);
	(void)close(pair[1]);
	rx_state_table_free(&t);
}
