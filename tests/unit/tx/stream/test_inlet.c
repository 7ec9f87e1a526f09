// SPDX-License-Identifier: ISC
/* inlet.c: producers on sockets of the host, the source's end of the pair in our hand. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inlet.h"

#define S UINT64_C(1000000000)
#define RUN 0xabcdef01u

static struct tx_config_live conf;
static struct inlet in;
static int source; /* its end of the pair */
static struct sockaddr_in at;
static uint64_t now_ns;
static struct stream_msg said;
static uint8_t bytes[70000];

static void begin(enum tx_overflow overflow)
{
	const int room = 1 << 17;
	socklen_t len = sizeof(at);
	int pair[2], listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	at = (struct sockaddr_in){.sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	cr_assert_eq(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(listen(listener, 64), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	cr_assert_eq(setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	source = pair[0];
	conf = (struct tx_config_live){
		.kind = TX_KIND_STREAM,
		.listen.kind = LOCAL_END_INET,
		.max_size = 65507,
		.connections = 3,
		.overflow = (uint8_t)overflow,
	};
	now_ns = 1000 * S;
	memset(&in, 0, sizeof(in));
	inlet_open(&in, &conf, listener, pair[1], RUN, now_ns);
}

static uint64_t turn(void)
{
	struct pollfd fds[INLET_POLL_MAX];
	uint64_t due_ns = UINT64_MAX;
	const unsigned n = inlet_poll(&in, fds, now_ns, &due_ns);

	cr_assert_geq(poll(fds, n, 0), 0);
	(void)inlet_run(&in, fds, now_ns);
	return due_ns;
}

/* Nothing to do: poll() would wait. */
static bool rests(void)
{
	struct pollfd fds[INLET_POLL_MAX];
	uint64_t due_ns = UINT64_MAX;
	const unsigned n = inlet_poll(&in, fds, now_ns, &due_ns);

	return poll(fds, n, 0) == 0;
}

/* The next message that the source gets. False: none. */
static bool hears(void)
{
	const ssize_t n = recv(source, bytes, sizeof(bytes), 0);

	if (n < 0)
		return false;
	cr_assert_eq(stream_read(&said, bytes, (size_t)n), KM_OK);
	cr_assert_eq(said.run, RUN);
	return true;
}

static void expect(enum stream_op op, uint64_t connection, uint64_t offset)
{
	cr_assert(hears(), "no message");
	cr_assert_eq(said.op, op, "op %u", said.op);
	cr_assert_eq(said.connection, connection);
	cr_assert_eq(said.offset, offset);
}

static int producer(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void brings(int fd, const char *text)
{
	cr_assert_eq(send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

static void expect_data(uint64_t connection, uint64_t offset, const char *text)
{
	expect(STREAM_DATA, connection, offset);
	cr_assert_eq(said.len, strlen(text));
	cr_assert_arr_eq(said.data, text, said.len);
}

Test(inlet, each_connection_is_a_stream_with_a_number)
{
	int one, two;

	begin(TX_OVERFLOW_WAIT);
	one = producer();
	two = producer();
	turn();
	expect(STREAM_OPEN, 1, 0);
	cr_assert_eq(said.source_len, STREAM_SOURCE);
	cr_assert_arr_eq(said.source, "\x7f\0\0\1", 4);
	expect(STREAM_OPEN, 2, 0);
	brings(one, "one");
	brings(two, "two");
	turn();
	brings(one, "more");
	turn();
	/* fair: each has its turn, whoever is first */
	cr_assert(hears());
	cr_assert(hears());
	expect_data(1, 3, "more");
	shutdown(one, SHUT_WR);
	turn();
	expect(STREAM_CLOSE, 1, 7);
	cr_assert_eq(said.end, STREAM_END_WHOLE);
	cr_assert_eq(recv(one, bytes, 1, 0), 0, "nothing is ever sent to a producer");
	close(one);
	one = producer();
	turn();
	expect(STREAM_OPEN, 3, 0);
	cr_assert_not(hears());
	cr_assert_eq(in.count[INLET_OPENED], 3);
	cr_assert_eq(in.count[INLET_OPEN], 2);
	cr_assert_eq(in.count[INLET_BYTES], 10);
	close(two);
	close(one);
}

Test(inlet, a_reset_is_no_end)
{
	static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	int fd;

	begin(TX_OVERFLOW_WAIT);
	fd = producer();
	turn();
	expect(STREAM_OPEN, 1, 0);
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	close(fd);
	turn();
	expect(STREAM_CLOSE, 1, 0);
	cr_assert_eq(said.end, STREAM_END_BROKEN);
	cr_assert_eq(in.count[INLET_BROKEN], 1);
}

Test(inlet, no_more_producers_than_it_may_have_and_none_that_it_may_not)
{
	int fd[5];

	begin(TX_OVERFLOW_WAIT);
	for (unsigned i = 0; i < 5; i++)
		fd[i] = producer();
	turn();
	cr_assert_eq(recv(fd[3], bytes, 1, 0), 0, "closed at once");
	cr_assert_eq(in.count[INLET_REFUSED], 2);
	cr_assert_eq(in.count[INLET_OPEN], 3);
	close(fd[0]);
	turn();
	fd[0] = producer();
	turn();
	cr_assert_eq(in.count[INLET_OPEN], 3);
	conf.allowed = 1;
	memcpy(conf.allow[0], (uint8_t[]){192, 0, 2, 1}, 4);
	close(fd[0]);
	turn();
	fd[0] = producer();
	turn();
	cr_assert_eq(in.count[INLET_NOT_ALLOWED], 1);
	cr_assert_eq(recv(fd[0], bytes, 1, 0), 0);
	memcpy(conf.allow[0], (uint8_t[]){127, 0, 0, 1}, 4);
	fd[0] = producer();
	turn();
	cr_assert_eq(in.count[INLET_NOT_ALLOWED], 1);
	cr_assert_eq(in.count[INLET_OPEN], 3);
}

Test(inlet, alive_says_what_is_open_each_second)
{
	int one, two;

	begin(TX_OVERFLOW_WAIT);
	for (unsigned i = 0; i < INLET_EMPTY_ROUNDS; i++) {
		cr_assert_leq(turn(), now_ns + S);
		now_ns += S;
		turn();
		expect(STREAM_ALIVE, 0, 0);
		cr_assert_eq(said.marks, 0);
	}
	now_ns += S;
	cr_assert_eq(turn(), UINT64_MAX, "enough said");
	cr_assert_not(hears());
	one = producer();
	two = producer();
	turn();
	brings(two, "two");
	turn();
	while (hears())
		;
	cr_assert_leq(turn(), now_ns + S);
	now_ns += S;
	turn();
	expect(STREAM_ALIVE, 0, 0);
	cr_assert_eq(said.marks, 2);
	cr_assert_eq(said.newest, 2);
	cr_assert(said.mark[0].connection == 1 && said.mark[0].offset == 0);
	cr_assert(said.mark[1].connection == 2 && said.mark[1].offset == 3);
	/* a place that is used again does not disturb the order */
	close(one);
	turn();
	one = producer();
	turn();
	while (hears())
		;
	now_ns += S;
	turn();
	expect(STREAM_ALIVE, 0, 0);
	cr_assert(said.mark[0].connection == 2 && said.mark[1].connection == 3);
	close(two);
	close(one);
}

#define STUFF 8192u
#define STUFFS 4000u

/* As much as one producer and the pair take. */
static uint64_t stuff(int fd)
{
	static const char much[STUFF];
	uint64_t sum = 0;

	cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	for (unsigned i = 0; i < STUFFS; i++) {
		const ssize_t n = send(fd, much, sizeof(much), 0);

		sum += n > 0 ? (uint64_t)n : 0;
		turn();
	}
	return sum;
}

Test(inlet, wait_makes_the_producer_wait_and_loses_nothing)
{
	uint64_t brought, got = 0;
	int one, two;

	begin(TX_OVERFLOW_WAIT);
	one = producer();
	two = producer();
	turn();
	brought = stuff(one);
	cr_assert_lt(brought, STUFFS * STUFF, "it was told to wait");
	brings(two, "other");
	cr_assert_gt(in.count[INLET_WAITS], 0);
	shutdown(one, SHUT_WR);
	now_ns += S;
	for (unsigned idle = 0; idle < 3; idle++) {
		turn();
		while (hears()) {
			idle = 0;
			if (said.op == STREAM_DATA && said.connection == 1) {
				cr_assert_eq(said.offset, got);
				got += said.len;
			}
		}
	}
	cr_assert_eq(got, brought);
	cr_assert_eq(in.count[INLET_BYTES], brought + 5);
	cr_assert_eq(in.count[INLET_DROPPED], 0);
	cr_assert_eq(in.count[INLET_OPEN], 1, "its end was said too");
	close(one);
	close(two);
}

Test(inlet, drop_reads_on_and_leaves_a_gap)
{
	uint64_t brought, got = 0, next = 0, holes = 0;
	bool ended = false;
	int one;

	begin(TX_OVERFLOW_DROP);
	one = producer();
	turn();
	brought = stuff(one);
	cr_assert_eq(brought, STUFFS * STUFF, "it never waits");
	cr_assert(rests(), "there is no room, and nothing to read");
	shutdown(one, SHUT_WR);
	for (unsigned i = 0; i < 200; i++) {
		turn();
		while (hears()) {
			ended |= said.op == STREAM_CLOSE;
			if (said.op != STREAM_DATA && said.op != STREAM_CLOSE)
				continue;
			holes += said.offset - next;
			got += said.len;
			next = said.offset + said.len;
		}
	}
	cr_assert(ended, "its end comes, however full it was");
	cr_assert(rests());
	cr_assert_eq(next, brought, "and says how many bytes there were");
	cr_assert_eq(got, in.count[INLET_BYTES]);
	cr_assert_eq(holes, in.count[INLET_DROPPED]);
	cr_assert_eq(got + holes, brought);
	cr_assert_gt(holes, 0);
	close(one);
}

Test(inlet, room_again_is_noticed_once)
{
	int one;

	begin(TX_OVERFLOW_DROP);
	one = producer();
	turn();
	(void)stuff(one);
	cr_assert(rests());
	while (hears())
		;
	cr_assert_not(rests());
	turn();
	cr_assert(rests());
	close(one);
}

Test(inlet, a_full_pair_is_not_asked_all_the_time)
{
	int one;

	begin(TX_OVERFLOW_WAIT);
	one = producer();
	turn();
	(void)stuff(one);
	cr_assert(rests());
	while (hears())
		;
	for (unsigned i = 0; i < STUFFS; i++) {
		turn();
		while (hears())
			;
	}
	cr_assert(rests(), "all is through");
	close(one);
}

Test(inlet, a_fifo_is_a_stream_for_as_long_as_it_has_a_writer)
{
	char path[] = "/tmp/km-fifo-XXXXXX";
	int pair[2], writer;

	cr_assert_neq(mkdtemp(path), NULL);
	cr_assert_eq(rmdir(path), 0);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	source = pair[0];
	conf = (struct tx_config_live){
		.listen.kind = LOCAL_END_FIFO, .max_size = 65507, .connections = 1};
	now_ns = 1000 * S;
	inlet_open(&in, &conf, open(path, O_RDONLY | O_NONBLOCK), pair[1], RUN, now_ns);
	for (uint64_t stream = 1; stream <= 2; stream++) {
		writer = open(path, O_WRONLY);
		now_ns += INLET_LOOK_NS;
		turn();
		cr_assert_not(hears(), "a writer alone is no stream yet");
		cr_assert_eq(write(writer, "some", 4), 4);
		now_ns += INLET_LOOK_NS;
		turn();
		expect(STREAM_OPEN, stream, 0);
		cr_assert_eq(said.source_len, 0);
		expect_data(stream, 0, "some");
		close(writer);
		turn();
		expect(STREAM_CLOSE, stream, 4);
		cr_assert_eq(said.end, STREAM_END_WHOLE);
		cr_assert(rests(), "and is not looked at all the time");
		cr_assert_leq(turn(), now_ns + INLET_LOOK_NS, "but soon");
	}
	(void)unlink(path);
}

Test(inlet, when_it_stops_every_stream_is_ended)
{
	int one, two;

	begin(TX_OVERFLOW_WAIT);
	one = producer();
	two = producer();
	turn();
	brings(one, "last");
	inlet_stop(&in);
	turn();
	cr_assert(inlet_finish(&in));
	expect(STREAM_OPEN, 1, 0);
	expect(STREAM_OPEN, 2, 0);
	expect_data(1, 0, "last");
	expect(STREAM_CLOSE, 1, 4);
	cr_assert_eq(said.end, STREAM_END_STOPPED);
	expect(STREAM_CLOSE, 2, 0);
	close(one);
	close(two);
}
