// SPDX-License-Identifier: ISC
/* stream_flow.c: consumers that are there, late, slow, gone and chatty, on sockets of the host. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream_flow.h"

#define S UINT64_C(1000000000)

static struct rx_config_live conf;
static struct stream_table t;
static struct stream_note notes[16];
static unsigned noted, asked;
static uint64_t number, now_ns;
static uint32_t ticket;

static void note(void *ctx, const struct stream_note *n)
{
	(void)ctx;
	cr_assert_lt(noted, KM_COUNT(notes));
	notes[noted++] = *n;
}

static bool ask(void *ctx, uint32_t ticket_)
{
	(void)ctx;
	cr_assert_eq(ticket_, ticket);
	asked++;
	return true;
}

static void begin(uint8_t kind)
{
	conf = (struct rx_config_live){
		.kind = RX_KIND_STREAM,
		.connections = 4,
		.consumer_buffer = 1 << 20,
		.deliver.kind = kind,
	};
	stream_table_open(&t, &conf, note, NULL);
	now_ns = 1000 * S;
}

static void say(struct stream_msg m)
{
	static uint8_t bytes[70000];
	size_t len;

	m.newest = m.connection;
	cr_assert_eq(stream_write(&m, bytes, sizeof(bytes), &len), KM_OK);
	stream_table_take(&t, 1, ++number, bytes, len, now_ns);
}

static void data(uint64_t connection, uint64_t offset, const void *bytes, size_t len)
{
	say((struct stream_msg){.op = STREAM_DATA,
				.connection = connection,
				.offset = offset,
				.data = bytes,
				.len = len});
}

static void closes(uint64_t connection, uint64_t offset, enum stream_end end)
{
	say((struct stream_msg){.op = STREAM_CLOSE,
				.connection = connection,
				.offset = offset,
				.end = (uint8_t)end});
}

static void turn(void)
{
	struct pollfd fds[STREAM_MOST];
	uint64_t due_ns = UINT64_MAX;
	const unsigned n = stream_flow_poll(&t, fds, &due_ns);

	cr_assert_geq(poll(fds, n, 0), 0);
	stream_flow_run(&t, fds, ask, NULL, &ticket, now_ns);
}

/* A consumer at the other end of a Unix socket; the way to it is the answer to what was asked. */
static int consumer(uint32_t to)
{
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	cr_assert(stream_flow_answer(&t, to, pair[0], 0, now_ns));
	return pair[1];
}

/* FREE when it is not there. */
static struct outlet *of(uint64_t connection)
{
	static struct outlet none;

	for (unsigned i = 0; i < STREAM_TABLE; i++)
		if (t.outlet[i].state != OUTLET_FREE && t.outlet[i].number == connection)
			return &t.outlet[i];
	none.state = OUTLET_FREE;
	return &none;
}

static void expect(int fd, const char *text)
{
	char got[100] = "";

	cr_assert_eq(recv(fd, got, sizeof(got) - 1, 0), (ssize_t)strlen(text), "\"%s\"",
		     got);
	cr_assert_str_eq(got, text);
}

Test(stream_flow, a_stream_goes_to_its_consumer_and_ends_with_it)
{
	int one, two;

	begin(LOCAL_END_UNIX);
	data(1, 0, "one", 3);
	data(2, 0, "two", 3);
	turn();
	cr_assert_eq(asked, 2);
	cr_assert_not(stream_flow_answer(&t, 99, -1, 0, now_ns), "nobody's");
	two = consumer(2);
	one = consumer(1);
	turn();
	expect(one, "one");
	expect(two, "two");
	closes(1, 3, STREAM_END_WHOLE);
	turn();
	cr_assert_eq(recv(one, notes, 1, 0), 0, "an end of file");
	cr_assert_eq(of(1)->state, OUTLET_LINGER);
	close(one);
	turn();
	cr_assert_eq(of(1)->state, OUTLET_FREE);
	cr_assert_eq(of(2)->state, OUTLET_LIVE);
	cr_assert_eq(noted, 0);
	cr_assert_eq(asked, 2);
}

Test(stream_flow, what_came_before_its_consumer_waits_for_it)
{
	uint64_t sum = 0;
	int fd;

	begin(LOCAL_END_UNIX);
	data(1, 0, "early", 5);
	for (unsigned i = 0; i < 8; i++) {
		uint64_t due_ns = UINT64_MAX;
		struct pollfd fds[STREAM_MOST];

		turn();
		cr_assert_eq(asked, i + 1);
		turn();
		cr_assert_eq(asked, i + 1, "not while the answer is on its way");
		cr_assert(stream_flow_answer(&t, ticket, -1, ECONNREFUSED, now_ns));
		(void)stream_flow_poll(&t, fds, &due_ns);
		cr_assert_leq(due_ns - now_ns,
			      STREAM_WAIT_MOST_NS + STREAM_WAIT_LEAST_NS * 12);
		sum += due_ns - now_ns;
		now_ns = due_ns;
	}
	cr_assert_gt(sum, 4 * S, "tries come further and further apart");
	cr_assert_eq(noted, 1, "told once");
	cr_assert_eq(notes[0].what, STREAM_NOTE_ABSENT);
	cr_assert_eq(notes[0].error, ECONNREFUSED);
	data(1, 5, " and late", 9);
	turn();
	fd = consumer(ticket);
	turn();
	expect(fd, "early and late");
}

Test(stream_flow, an_answer_that_never_comes_is_asked_for_again)
{
	uint32_t first;
	int pair[2];

	begin(LOCAL_END_UNIX);
	data(1, 0, "x", 1);
	turn();
	first = ticket;
	now_ns += STREAM_CONNECT_NS;
	turn();
	cr_assert_eq(asked, 2);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	cr_assert_not(stream_flow_answer(&t, first, pair[0], 0, now_ns), "too late");
	cr_assert(stream_flow_answer(&t, ticket, pair[0], 0, now_ns));
}

Test(stream_flow, a_consumer_that_never_comes_is_given_up)
{
	begin(LOCAL_END_UNIX);
	data(1, 0, "lost", 4);
	closes(1, 4, STREAM_END_WHOLE);
	turn();
	cr_assert(stream_flow_answer(&t, ticket, -1, ENOENT, now_ns));
	now_ns += STREAM_COME_NS;
	turn();
	cr_assert_eq(of(1)->state, OUTLET_FREE);
	cr_assert_eq(noted, 2);
	cr_assert_eq(notes[1].what, STREAM_NOTE_BROKEN);
	cr_assert_eq(notes[1].from, 0);
	cr_assert_eq(t.count[STREAM_COUNT_BROKEN], 1);
}

Test(stream_flow, a_consumer_that_goes_is_told_and_no_other_minds)
{
	int one, two;

	begin(LOCAL_END_UNIX);
	data(1, 0, "one", 3);
	data(2, 0, "two", 3);
	turn();
	one = consumer(1);
	two = consumer(2);
	turn();
	close(one);
	data(1, 3, "x", 1);
	data(2, 3, "x", 1);
	turn();
	cr_assert_eq(of(1)->state, OUTLET_DEAD);
	cr_assert_eq(noted, 1);
	cr_assert_eq(notes[0].what, STREAM_NOTE_BROKEN);
	cr_assert_eq(notes[0].from, 3);
	expect(two, "twox");
	close(two); /* and one that goes while nothing is on its way */
	turn();
	cr_assert_eq(of(2)->state, OUTLET_DEAD);
}

Test(stream_flow, what_a_consumer_says_is_thrown_away)
{
	static const char much[60000];
	int fd;

	begin(LOCAL_END_UNIX);
	data(1, 0, "x", 1);
	turn();
	fd = consumer(ticket);
	for (unsigned i = 0; i < 20; i++) {
		cr_assert_eq(send(fd, much, sizeof(much), 0), (ssize_t)sizeof(much));
		turn();
	}
	shutdown(fd, SHUT_WR); /* it may, and wants to hear all the same */
	turn();
	turn();
	data(1, 1, "y", 1);
	turn();
	expect(fd, "xy");
	closes(1, 2, STREAM_END_WHOLE);
	turn();
	turn();
	cr_assert_eq(recv(fd, notes, 1, 0), 0);
	now_ns += S;
	turn();
	cr_assert_eq(of(1)->state, OUTLET_FREE);
	cr_assert_eq(noted, 0);
}

Test(stream_flow, a_consumer_that_stops_is_cut_off_when_its_buffer_is_full)
{
	static char chunk[16384];
	uint64_t at = 0;
	int slow, good;

	begin(LOCAL_END_UNIX);
	data(1, 0, "x", 1);
	data(2, 0, "x", 1);
	turn();
	slow = consumer(1);
	good = consumer(2);
	for (unsigned i = 0; i < 200; i++, at += sizeof(chunk)) {
		data(1, 1 + at, chunk, sizeof(chunk));
		data(2, 1 + at, chunk, sizeof(chunk));
		turn();
		while (recv(good, chunk, sizeof(chunk), 0) > 0)
			;
	}
	cr_assert_eq(of(1)->state, OUTLET_DEAD);
	cr_assert_eq(of(2)->state, OUTLET_LIVE);
	cr_assert_eq(noted, 1);
	cr_assert_eq(notes[0].what, STREAM_NOTE_SLOW);
	cr_assert_gt(notes[0].to - notes[0].from, conf.consumer_buffer);
	cr_assert_leq(notes[0].to - notes[0].from, conf.consumer_buffer + sizeof(chunk));
	close(slow);
}

/* Connected to a listener of the loopback, as the supervisor does it. */
static int by_tcp(int *listener)
{
	static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	*listener = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(*listener, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(listen(*listener, 4), 0);
	cr_assert_eq(getsockname(*listener, (struct sockaddr *)&at, &len), 0);
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	(void)connect(fd, (struct sockaddr *)&at, sizeof(at));
	return fd;
}

static int accepted(enum stream_end end)
{
	int listener, peer;

	data(1, 0, "all of it", 9);
	turn();
	cr_assert(stream_flow_answer(&t, ticket, by_tcp(&listener), 0, now_ns));
	cr_assert_eq(of(1)->state, OUTLET_CONNECT);
	peer = accept(listener, NULL, NULL);
	close(listener);
	closes(1, 9, end);
	for (unsigned i = 0; i < 3; i++)
		turn();
	return peer;
}

Test(stream_flow, a_whole_stream_ends_and_a_broken_one_is_reset)
{
	int peer;
	char got[16];

	begin(LOCAL_END_INET);
	peer = accepted(STREAM_END_WHOLE);
	cr_assert_eq(of(1)->state, OUTLET_LINGER, "it has not ended its own direction");
	expect(peer, "all of it");
	cr_assert_eq(recv(peer, got, 1, 0), 0);
	close(peer);
	now_ns += S;
	turn();
	cr_assert_eq(of(1)->state, OUTLET_FREE);

	begin(LOCAL_END_INET);
	peer = accepted(STREAM_END_BROKEN);
	now_ns += S;
	turn();
	cr_assert_eq(of(1)->state, OUTLET_FREE);
	expect(peer, "all of it");
	cr_assert_eq(recv(peer, got, 1, 0), -1);
	cr_assert_eq(errno, ECONNRESET);
	cr_assert_eq(noted, 0);
}

Test(stream_flow, nobody_listens_at_an_address)
{
	int listener, fd;

	begin(LOCAL_END_INET);
	data(1, 0, "x", 1);
	turn();
	fd = by_tcp(&listener);
	close(listener); /* a reset is what it meets */
	cr_assert(stream_flow_answer(&t, ticket, fd, 0, now_ns));
	turn();
	turn();
	cr_assert(of(1)->state == OUTLET_WANT || of(1)->state == OUTLET_DEAD);
	cr_assert_eq(noted, 1);
}

Test(stream_flow, a_fifo_gets_its_bytes_and_its_end)
{
	int fd[2];
	char got[16];

	begin(LOCAL_END_FIFO);
	cr_assert_eq(pipe2(fd, O_NONBLOCK), 0);
	data(1, 0, "bytes", 5);
	turn();
	cr_assert(stream_flow_answer(&t, ticket, fd[1], 0, now_ns));
	turn();
	cr_assert_eq(read(fd[0], got, sizeof(got)), 5);
	cr_assert_eq(read(fd[0], got, sizeof(got)), -1, "it goes on");
	closes(1, 5, STREAM_END_WHOLE);
	turn();
	cr_assert_eq(read(fd[0], got, sizeof(got)), 0, "no writer any more");
	/* of two, the second waits until all of the first is in the FIFO */
	asked = 0;
	data(2, 0, "two", 3);
	data(3, 0, "three", 5);
	turn();
	cr_assert_eq(asked, 1);
	closes(2, 3, STREAM_END_WHOLE);
	cr_assert_eq(pipe2(fd, O_NONBLOCK), 0);
	cr_assert(stream_flow_answer(&t, ticket, fd[1], 0, now_ns));
	turn();
	cr_assert_eq(read(fd[0], got, sizeof(got)), 3);
	now_ns += S;
	turn();
	cr_assert_eq(asked, 2);
	cr_assert_eq(of(1)->state, OUTLET_FREE);
}
