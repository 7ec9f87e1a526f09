// SPDX-License-Identifier: ISC
/* datagram_in.c on a real socket of the loopback: what is let in, in batches, and what is
 * dropped under which count; the limits with a clock of their own. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "datagram_in.h"

#define S UINT64_C(1000000000)

static struct tx_config_live conf;
static struct datagram_counts counts;
static struct datagram_in in;
static struct km_err err;
static int receiver, sender;
static struct sockaddr_in at;

static void open_pair(uint64_t now_ns)
{
	const int queue = 64 << 10;
	socklen_t len = sizeof(at);

	receiver = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	sender = socket(AF_INET, SOCK_DGRAM, 0);
	at = (struct sockaddr_in){.sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	cr_assert_eq(setsockopt(receiver, SOL_SOCKET, SO_RCVBUF, &queue, sizeof(queue)), 0);
	cr_assert_eq(bind(receiver, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(getsockname(receiver, (struct sockaddr *)&at, &len), 0);
	cr_assert_eq(connect(sender, (struct sockaddr *)&at, sizeof(at)), 0);
	memset(&counts, 0, sizeof(counts));
	conf.kind = TX_KIND_DATAGRAM;
	conf.listen.kind = LOCAL_END_INET;
	if (conf.max_size == 0)
		conf.max_size = WIRE_MESSAGE_MAX;
	cr_assert_eq(datagram_in_open(&in, &conf, receiver, &counts, now_ns, &err), 0);
}

static void close_pair(void)
{
	datagram_in_close(&in);
	close(receiver);
	close(sender);
}

static void put(uint8_t first, size_t len)
{
	static uint8_t bytes[WIRE_MESSAGE_MAX];

	bytes[0] = first;
	cr_assert_eq(send(sender, bytes, len, 0), (ssize_t)len);
}

Test(datagram_in, boundaries_order_and_source_are_kept)
{
	struct datagram_message m;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);

	open_pair(0);
	cr_assert_eq(getsockname(sender, (struct sockaddr *)&from, &len), 0);
	for (unsigned i = 0; i < 70; i++)
		put((uint8_t)i, i % 5 ? i : 0);
	for (unsigned i = 0; i < 70; i++) {
		cr_assert(datagram_in_peek(&in, &m, 0));
		cr_assert(datagram_in_peek(&in, &m, 0), "it stays");
		cr_assert_eq(m.len, i % 5 ? i : 0);
		cr_assert(m.len == 0 || m.data[0] == i);
		cr_assert_arr_eq(m.source, &from.sin_addr, 4);
		cr_assert_arr_eq(m.source + 4, &from.sin_port, 2);
		datagram_in_done(&in);
	}
	cr_assert(!datagram_in_peek(&in, &m, 0));
	cr_assert(!datagram_in_holds(&in));
	datagram_in_look(&in);
	cr_assert_eq(counts.overflow, 0);
	close_pair();
}

/* What comes by a pair has no source, and no list of addresses judges it. */
Test(datagram_in, from_a_role_or_a_path_there_is_no_source)
{
	struct datagram_message m;
	int pair[2];

	memset(&counts, 0, sizeof(counts));
	conf.kind = TX_KIND_DATAGRAM;
	conf.listen.kind = LOCAL_END_UNIX;
	conf.max_size = 100;
	conf.allowed = 1;
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	cr_assert_eq(datagram_in_open(&in, &conf, pair[0], &counts, 0, &err), 0);
	cr_assert_eq(send(pair[1], "one", 3, 0), 3);
	cr_assert_eq(send(pair[1], "second", 6, 0), 6);
	cr_assert(datagram_in_peek(&in, &m, 0));
	cr_assert_eq(m.source_len, 0);
	cr_assert_eq(m.len, 3);
	cr_assert_arr_eq(m.data, "one", 3);
	datagram_in_done(&in);
	cr_assert(datagram_in_peek(&in, &m, 0));
	cr_assert_eq(m.len, 6);
	cr_assert_eq(counts.not_allowed, 0);
	datagram_in_close(&in);
	close(pair[0]);
	close(pair[1]);
}

/* By a path come boundaries and order, and no source: the socket's mode says who may. */
Test(datagram_in, a_path_has_no_source)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct datagram_message m;

	conf.kind = TX_KIND_DATAGRAM;
	conf.listen.kind = LOCAL_END_UNIX;
	conf.max_size = 1000;
	conf.allowed = 1; /* addresses, and these have none */
	(void)snprintf(to.sun_path, sizeof(to.sun_path), "/tmp/km-datagram-in-%d",
		       getpid());
	receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(receiver, (struct sockaddr *)&to, sizeof(to)), 0);
	sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	cr_assert_eq(connect(sender, (struct sockaddr *)&to, sizeof(to)), 0);
	memset(&counts, 0, sizeof(counts));
	cr_assert_eq(datagram_in_open(&in, &conf, receiver, &counts, 0, &err), 0);
	for (unsigned i = 0; i < 50; i++) {
		put((uint8_t)i, i % 5 ? 1000 : 1001);
		put((uint8_t)i, 1 + i);
		if (i % 5) {
			cr_assert(datagram_in_peek(&in, &m, 0));
			cr_assert(m.len == 1000 && m.data[0] == i);
			cr_assert_eq(m.source_len, 0);
			datagram_in_done(&in);
		}
		cr_assert(datagram_in_peek(&in, &m, 0));
		cr_assert(m.len == 1 + i && m.data[0] == i);
		datagram_in_done(&in);
	}
	cr_assert(!datagram_in_peek(&in, &m, 0));
	cr_assert_eq(counts.too_long, 10);
	cr_assert_eq(counts.not_allowed, 0);
	(void)unlink(to.sun_path);
	close_pair();
}

Test(datagram_in, what_is_dropped_has_its_count)
{
	struct datagram_message m;

	conf.max_size = 100;
	conf.allowed = 1;
	memcpy(conf.allow[0], (uint8_t[]){127, 0, 0, 1}, 4);
	open_pair(0);
	put(1, 101);
	put(2, 100);
	cr_assert(datagram_in_peek(&in, &m, 0));
	cr_assert(m.data[0] == 2 && m.len == 100);
	datagram_in_done(&in);
	cr_assert_eq(counts.too_long, 1);
	conf.allow[0][3] = 2;
	put(3, 10);
	cr_assert(!datagram_in_peek(&in, &m, 0));
	cr_assert_eq(counts.not_allowed, 1);
	close_pair();
}

Test(datagram_in, the_kernels_queue_is_bounded_and_counted)
{
	const unsigned sent = 2000;
	struct datagram_message m;
	unsigned taken = 0;

	open_pair(0);
	for (unsigned i = 0; i < sent; i++)
		put(0, 500);
	while (datagram_in_peek(&in, &m, 0)) {
		datagram_in_done(&in);
		taken++;
	}
	datagram_in_look(&in);
	cr_assert_gt(taken, 0);
	cr_assert_lt(taken, sent);
	cr_assert_eq(counts.overflow, sent - taken);
	datagram_in_look(&in);
	cr_assert_eq(counts.overflow, sent - taken, "counted once");
	close_pair();
}

Test(datagram_in, rates)
{
	struct datagram_message m;
	unsigned taken = 0;

	conf.max_messages = 50;
	open_pair(S);
	for (unsigned i = 0; i < 20; i++)
		put(0, 5);
	while (datagram_in_peek(&in, &m, S)) {
		datagram_in_done(&in);
		taken++;
	}
	cr_assert_eq(taken, 5, "100 ms of 50 a second");
	cr_assert_eq(counts.over_rate, 15);
	close_pair();
}

/* max_rate: bits, of whatever number of messages. */
Test(datagram_in, rates_of_bytes)
{
	struct datagram_message m;
	unsigned taken = 0;

	conf.max_bps = 80000;
	conf.max_size = 500;
	open_pair(S);
	for (unsigned i = 0; i < 20; i++)
		put(0, 100);
	while (datagram_in_peek(&in, &m, S)) {
		datagram_in_done(&in);
		taken++;
	}
	cr_assert_eq(taken, 10, "100 ms of 10,000 bytes a second");
	cr_assert_eq(counts.over_rate, 10);
	close_pair();
}

Test(datagram_limit, never_more_than_the_rate_and_no_less)
{
	static const uint64_t rates[] = {1, 7, 1000, 20000, UINT64_C(50000000000)};

	for (size_t i = 0; i < KM_COUNT(rates); i++) {
		const uint64_t rate = rates[i], cost = rate > 1000000 ? rate / 1000 : 1;
		struct datagram_limit limit;
		uint64_t taken = 0;

		datagram_limit_init(&limit, rate, cost, 0);
		for (uint64_t ns = 0; ns < 20 * S; ns += 137000)
			while (taken < 40 * rate && datagram_limit_take(&limit, cost, ns))
				taken += cost;
		cr_assert_leq(taken, 20 * rate + rate / 10 + cost, "rate %lu", rate);
		cr_assert_geq(taken + cost, 20 * rate - rate / 10 - 1, "rate %lu: %lu",
			      rate, taken);
	}
}

Test(datagram_limit, a_long_rest_is_no_long_burst)
{
	struct datagram_limit limit;
	unsigned taken = 0;

	datagram_limit_init(&limit, 1000, 1, 0);
	while (datagram_limit_take(&limit, 1, UINT64_C(1) << 62))
		taken++;
	cr_assert_eq(taken, 100);
	datagram_limit_init(&limit, 0, 1, 0);
	for (unsigned i = 0; i < 100000; i++)
		cr_assert(datagram_limit_take(&limit, 1000000, 0), "no limit");
}
