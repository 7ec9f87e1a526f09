// SPDX-License-Identifier: ISC
/* tx_state_out.c: a pair of sockets as the supervisor makes it, whose other end does not read. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tx_state_out.h"

static const struct tx_state_plan plan = {
	.max_keys = 1000, .max_bytes = 64 << 20, .refresh_ns = 10000000000};
static struct tx_state_table t;
static struct tx_state_out out;
static int source;

static void begin(void)
{
	int pair[2];

	cr_assert_eq(tx_state_table_init(&t, &plan), KM_OK);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	source = pair[0];
	out.fd = pair[1];
}

static void put(unsigned key, unsigned value, uint32_t len)
{
	static uint8_t bytes[60000];
	char name[8];
	const int n = snprintf(name, sizeof(name), "%u", key);
	const struct state_message m = {
		.op = STATE_VALUE,
		.update_ns = 1,
		.key = (const uint8_t *)name,
		.key_len = (uint8_t)n,
		.value = bytes,
		.value_len = len,
	};

	memset(bytes, (int)value, sizeof(bytes));
	cr_assert_eq(tx_state_table_put(&t, &m, 1), KM_OK);
}

/* The value's first byte of what the source reads next; -1: nothing. */
static int take(void)
{
	static uint8_t bytes[WIRE_MESSAGE_MAX];
	struct state_message m;
	const ssize_t n = recv(source, bytes, sizeof(bytes), 0);

	if (n < 0)
		return -1;
	cr_assert_eq(state_decode(&m, bytes, (size_t)n), KM_OK);
	return m.value_len ? m.value[0] : 0;
}

Test(tx_state_out, each_is_a_message)
{
	begin();
	for (unsigned i = 0; i < 5; i++)
		put(i, i + 1, 10);
	cr_assert_eq(tx_state_out_run(&out, &t, 3, 1), KM_ERR_LIMIT);
	cr_assert_eq(tx_state_out_run(&out, &t, 3, 1), KM_OK);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(take(), i + 1);
	cr_assert_eq(take(), -1);
	cr_assert_eq(out.sent.updates, 5);
	cr_assert_eq(tx_state_out_run(&out, &t, 10, 2 * plan.refresh_ns), KM_OK);
	cr_assert_eq(out.sent.refreshes, 5);
	tx_state_table_free(&t);
}

/* Nothing waits for the source, nothing is lost of the newest. */
Test(tx_state_out, a_full_pair_keeps_the_newest_of_each_key)
{
	unsigned went = 0;
	int value;

	begin();
	for (unsigned i = 0; i < 50; i++)
		put(i, 1, 50000);
	cr_assert_eq(tx_state_out_run(&out, &t, 1000, 1), KM_ERR_FULL);
	went = (unsigned)out.sent.updates;
	cr_assert(went > 0 && went < 50, "%u", went);
	for (unsigned round = 2; round < 5; round++)
		for (unsigned i = 0; i < 50; i++)
			put(i, round, 50000);
	cr_assert_eq(tx_state_out_run(&out, &t, 1000, 1), KM_ERR_FULL);
	cr_assert_eq(out.sent.updates, went);
	cr_assert_eq(t.coalesced, 3 * 50 - went,
		     "those that wait, but for the first of each that left");
	for (unsigned i = 0; i < went; i++)
		cr_assert_eq(take(), 1);
	while (tx_state_out_run(&out, &t, 1000, 1) == KM_ERR_FULL)
		while ((value = take()) != -1)
			cr_assert_eq(value, 4);
	while ((value = take()) != -1)
		cr_assert_eq(value, 4);
	cr_assert_eq(out.sent.updates, went + 50);
	cr_assert_eq(out.sent.failed, 0);
	tx_state_table_free(&t);
}

Test(tx_state_out, what_can_never_leave_is_counted)
{
	begin();
	put(1, 1, 10);
	(void)close(source);
	cr_assert_eq(tx_state_out_run(&out, &t, 10, 1), KM_OK);
	cr_assert_eq(out.sent.failed, 1);
	cr_assert_eq(out.sent.updates, 0);
	tx_state_table_free(&t);
}
