// SPDX-License-Identifier: ISC
/* sink_out.c: a ring as decode fills it and as it may lie, sockets of the loopback. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <unistd.h>

#include "sink_out.h"

static struct ring producer;
static struct sink_out out;
static int consumer[2];

static void open_all(unsigned channels)
{
	void *mem = mmap(NULL, sink_bytes(), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(mem, MAP_FAILED);
	cr_assert_eq(ring_format(mem, sink_bytes(), SINK_SLOT, SINK_SLOTS), KM_OK);
	cr_assert_eq(ring_attach(&producer, mem, sink_bytes(), SINK_SLOT, SINK_SLOTS,
				 RING_PRODUCER),
		     KM_OK);
	cr_assert_eq(sink_out_attach(&out, mem, sink_bytes()), KM_OK);
	out.channels = channels;
	for (unsigned i = 0; i < channels; i++) {
		const int buffer = 4 << 20;
		struct sockaddr_in at = {.sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t len = sizeof(at);

		consumer[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		out.fd[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		(void)setsockopt(consumer[i], SOL_SOCKET, SO_RCVBUF, &buffer,
				 sizeof(buffer));
		cr_assert_eq(bind(consumer[i], (struct sockaddr *)&at, sizeof(at)), 0);
		cr_assert_eq(getsockname(consumer[i], (struct sockaddr *)&at, &len), 0);
		cr_assert_eq(connect(out.fd[i], (struct sockaddr *)&at, sizeof(at)), 0);
	}
}

static uint8_t byte_of(uint64_t number, size_t at)
{
	return (uint8_t)(number * 13 + at * 5 + (at >> 9));
}

/* A message as decode writes it; `slots` that are submitted, 0: as many as it takes. */
static void put(unsigned place, uint64_t number, uint32_t len, uint32_t slots)
{
	const struct sink_head head = {
		.place = (uint16_t)place, .len = len, .number = number};
	const uint32_t n = slots ? slots : sink_slots(len);
	uint64_t first;

	cr_assert_eq(ring_reserve(&producer, n, &first), KM_OK);
	memcpy(ring_slot(&producer, first), &head, sizeof(head));
	for (uint32_t at = 0; !slots && at < len; at++) {
		const size_t whole = sizeof(head) + at;
		uint8_t *slot = ring_slot(&producer, first + whole / SINK_SLOT);

		slot[whole % SINK_SLOT] = byte_of(number, at);
	}
	cr_assert_eq(ring_submit(&producer, n), KM_OK);
}

static void run_dry(void)
{
	enum km_rc rc;

	while ((rc = sink_out_run(&out)) == KM_OK)
		;
	cr_assert_eq(rc, KM_ERR_EMPTY);
}

static void expect(unsigned place, uint64_t number, uint32_t len)
{
	static uint8_t bytes[WIRE_MESSAGE_MAX + 1];

	cr_assert_eq(recv(consumer[place], bytes, sizeof(bytes), 0), (ssize_t)len);
	for (uint32_t at = 0; at < len; at++)
		cr_assert_eq(bytes[at], byte_of(number, at));
}

/* To a role the head goes with the bytes, as it was when it was judged. */
Test(sink_out, a_role_gets_the_head_too)
{
	static uint8_t bytes[sizeof(struct sink_head) + WIRE_MESSAGE_MAX + 1];
	struct sink_head head;
	int pair[2];

	open_all(1);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	close(out.fd[0]);
	out.fd[0] = pair[0];
	out.headed[0] = true;
	put(0, 1, 5, 0);
	put(0, 2, 20000, 0);
	run_dry();
	for (uint64_t number = 1; number <= 2; number++) {
		const uint32_t len = number == 1 ? 5 : 20000;

		cr_assert_eq(recv(pair[1], bytes, sizeof(bytes), 0),
			     (ssize_t)(sizeof(head) + len));
		memcpy(&head, bytes, sizeof(head));
		cr_assert_eq(head.number, number);
		cr_assert_eq(head.len, len);
		for (size_t at = 0; at < len; at++)
			cr_assert_eq(bytes[sizeof(head) + at], byte_of(number, at));
	}
	cr_assert_eq(out.count[0][SINK_SENT], 2);
	cr_assert_eq(out.count[0][SINK_BYTES], 20005);
	close(pair[1]);
}

Test(sink_out, every_size_arrives_once_in_order_at_its_consumer)
{
	static const uint32_t sizes[] = {0,    1,    64,   1999, 2000,
					 2001, 4048, 4049, 9000, 65507};
	uint64_t number = 0;

	open_all(2);
	for (unsigned round = 0; round < 300; round++) {
		const uint64_t begin = number;

		for (size_t i = 0; i < KM_COUNT(sizes); i++)
			put(i % 3 == 0, number++, sizes[i], 0);
		run_dry();
		for (unsigned place = 0; place < 2; place++)
			for (size_t i = 0; i < KM_COUNT(sizes); i++)
				if ((i % 3 == 0) == place)
					expect(place, begin + i, sizes[i]);
	}
	cr_assert_eq(out.count[0][SINK_SENT] + out.count[1][SINK_SENT], number);
	cr_assert_eq(out.count[0][SINK_BUSY] + out.count[0][SINK_FAILED], 0);
	cr_assert_eq(ring_ready(&producer), SINK_SLOTS);
}

Test(sink_out, nobody_listens_and_nobody_waits)
{
	open_all(2);
	close(consumer[0]);
	for (uint64_t n = 0; n < 100; n++) {
		put(0, n, 100, 0);
		put(1, n, 100, 0);
		run_dry();
		expect(1, n, 100);
	}
	cr_assert_gt(out.count[0][SINK_REFUSED], 0);
	cr_assert_eq(out.count[0][SINK_SENT] + out.count[0][SINK_FAILED] +
			     out.count[0][SINK_BUSY],
		     100, "each was tried, and counted once");
	cr_assert_eq(out.count[1][SINK_SENT], 100);
	/* a channel without a socket */
	out.fd[1] = -1;
	put(1, 0, 5000, 0);
	run_dry();
	cr_assert_eq(out.count[1][SINK_NO_ROUTE], 1);
}

/* A path: a consumer that goes costs its own messages; one that comes is served by the same socket,
 * which somebody else connects. */
Test(sink_out, a_consumer_at_a_path_goes_and_comes_back)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	uint64_t number = 0;

	open_all(2);
	close(out.fd[0]);
	close(consumer[0]);
	out.fd[0] = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/km-sink-out-%d", getpid());
	for (unsigned round = 0; round < 3; round++) {
		/* nobody was ever there, then somebody has gone */
		for (unsigned i = 0; i < 5; i++, number++) {
			put(0, number, 100, 0);
			put(1, number, 100, 0);
			run_dry();
			expect(1, number, 100);
		}
		cr_assert_eq(out.count[0][SINK_NO_ROUTE], 5 * (round + 1));
		cr_assert_eq(out.count[0][SINK_REFUSED], round, "the kernel says it once");
		consumer[0] = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		cr_assert_eq(bind(consumer[0], (struct sockaddr *)&at, sizeof(at)), 0);
		cr_assert_eq(connect(out.fd[0], (struct sockaddr *)&at, sizeof(at)), 0);
		for (unsigned i = 0; i < 5; i++, number++) {
			put(0, number, i == 0 ? 65507 : 100, 0);
			run_dry();
			expect(0, number, i == 0 ? 65507 : 100);
		}
		close(consumer[0]);
		(void)unlink(at.sun_path);
	}
	cr_assert_eq(out.count[0][SINK_SENT], 15);
	cr_assert_eq(out.count[0][SINK_BUSY] + out.count[0][SINK_FAILED], 0);
	/* one that does not read: what its queue cannot hold is dropped, and nobody waits */
	consumer[0] = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(consumer[0], (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(connect(out.fd[0], (struct sockaddr *)&at, sizeof(at)), 0);
	for (unsigned i = 0; i < 2000; i++) {
		put(0, i, 2000, 0);
		run_dry();
	}
	cr_assert_gt(out.count[0][SINK_BUSY], 0);
	cr_assert_eq(out.count[0][SINK_SENT] - 15 + out.count[0][SINK_BUSY], 2000);
	(void)unlink(at.sun_path);
}

Test(sink_out, what_no_honest_decode_says_ends_the_pair)
{
	open_all(1);
	put(1, 0, 10, 0); /* a channel that is not configured */
	cr_assert_eq(sink_out_run(&out), KM_ERR_MALFORMED);
	open_all(1);
	put(0, 0, WIRE_MESSAGE_MAX + 1, 1); /* longer than any message */
	cr_assert_eq(sink_out_run(&out), KM_ERR_MALFORMED);
	open_all(1);
	put(0, 0, 40 * SINK_SLOT, 0); /* the same, and all of it is there */
	cr_assert_eq(sink_out_run(&out), KM_ERR_MALFORMED);
	open_all(1);
	put(0, 0, 5000, 2); /* longer than what was submitted */
	cr_assert_eq(sink_out_run(&out), KM_ERR_MALFORMED);
	open_all(1);
	for (unsigned i = 0; i < 255; i++)
		put(0, i, 10, 0);
	put(0, 255, 65507, 33); /* cut by our own look only: the next one has it whole */
	run_dry();
	cr_assert_eq(out.count[0][SINK_SENT], 256);
}
