// SPDX-License-Identifier: ISC
/* rx_state_serve.c: consumers at a socket of the file system; one that reads and one that does not. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "rx_state_serve.h"

#define KEYS 40u

static const struct rx_state_plan plan = {
	.max_keys = 1000, .max_bytes = 64 << 20, .stale_ns = UINT64_C(30000000000)};
static struct rx_state_table t;
static struct rx_state_serve serve;
static struct sockaddr_un at;
static uint64_t number;

static void begin(void)
{
	/* abstract: nothing to remove */
	const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(at);

	at.sun_family = AF_UNIX;
	cr_assert_eq(bind(listener, (struct sockaddr *)&at, sizeof(sa_family_t)), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	cr_assert_eq(listen(listener, 64), 0);
	cr_assert_eq(rx_state_table_init(&t, &plan, 1), KM_OK);
	rx_state_serve_init(&serve, "trains", listener);
}

static int consumer(void)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	/* the kernel's own name: five digits after a NUL */
	cr_assert_eq(connect(fd, (struct sockaddr *)&at, sizeof(sa_family_t) + 6), 0);
	return fd;
}

static void put(unsigned key, const char *value)
{
	char name[16];
	const int n = snprintf(name, sizeof(name), "%u", key);
	const struct state_message m = {
		.op = value ? STATE_VALUE : STATE_WITHDRAWN,
		.key = (const uint8_t *)name,
		.key_len = (uint8_t)n,
		.value = (const uint8_t *)value,
		.value_len = value ? (uint32_t)strlen(value) : 0,
	};
	const struct rx_state_origin from = {.number = ++number};

	cr_assert_eq(rx_state_table_put(&t, &m, &from, 1), KM_OK);
}

static void run(void)
{
	rx_state_serve_accept(&serve, &t);
	do {
		rx_state_serve_give(&serve, &t, 2);
	} while (serve.more);
}

/* What a consumer knows of it by what it has read. */
struct known {
	int fd;
	char line[70000];
	size_t len;
	unsigned lines, snapshots, withdrawn;
	uint64_t coalesced;
	char last[KEYS]; /* first byte of the value; 0: never heard of */
};

static void note(struct known *k)
{
	const char *key = strstr(k->line, "\"key\":\""),
		   *value = strstr(k->line, "\"value\":\""),
		   *coalesced = strstr(k->line, "\"coalesced\":");

	cr_assert_not_null(key);
	k->lines++;
	k->snapshots += strstr(k->line, "\"snapshot\":true") != NULL;
	k->withdrawn += strstr(k->line, "\"withdrawn\":true") != NULL;
	k->coalesced += coalesced ? strtoull(coalesced + 12, NULL, 10) : 0;
	k->last[strtoul(key + 7, NULL, 10) % KEYS] = value ? value[9] : '-';
}

/* Reads until it has some MOST lines more; false when nothing more is there. */
static bool drink(struct known *k, unsigned most)
{
	const unsigned until = k->lines + most;
	static char got[8192];

	while (k->lines < until) {
		const ssize_t n = recv(k->fd, got, sizeof(got), 0);

		if (n <= 0)
			return false;
		for (ssize_t i = 0; i < n; i++) {
			cr_assert_lt(k->len, sizeof(k->line) - 1);
			k->line[k->len++] = got[i];
			if (got[i] != '\n')
				continue;
			k->line[k->len] = '\0';
			note(k);
			k->len = 0;
		}
	}
	return true;
}

Test(rx_state_serve, everything_first_then_each_change)
{
	static struct known k;

	begin();
	put(1, "a");
	put(2, "b");
	put(3, "c");
	put(3, NULL);
	k.fd = consumer();
	run();
	cr_assert_not(drink(&k, 100));
	cr_assert_eq(k.lines, 2, "what is withdrawn is not there");
	cr_assert_eq(k.snapshots, 2);
	cr_assert_eq(k.coalesced, 0, "what was before it came is not its business");
	put(1, "A");
	run();
	put(1, "B");
	put(3, "C");
	run();
	put(2, NULL);
	run();
	run();
	cr_assert_not(drink(&k, 100));
	cr_assert_eq(k.lines, 6);
	cr_assert_eq(k.snapshots, 2);
	cr_assert_eq(k.withdrawn, 1);
	cr_assert_eq(k.coalesced, 0);
	cr_assert_eq(k.last[1], 'B');
	cr_assert_eq(k.last[2], '-');
	cr_assert_eq(k.last[3], 'C');
	rx_state_serve_free(&serve);
	rx_state_table_free(&t);
}

/* Lines and changes passed over are all changes; the last state is the last state. */
Test(rx_state_serve, a_slow_consumer_falls_behind_alone)
{
	static struct known fast, slow;
	static char value[20001];
	uint64_t changes = 0;

	begin();
	fast.fd = consumer();
	slow.fd = consumer();
	run();
	for (unsigned round = 0; round < 60; round++)
		for (unsigned i = 0; i < KEYS; i++, changes++) {
			memset(value, 'a' + (int)(round + i) % 26, sizeof(value) - 1);
			put(i, value);
			run();
			(void)drink(&fast, 1000);
		}
	cr_assert_eq(fast.lines, changes, "the fast one has every change");
	cr_assert_eq(fast.coalesced, 0);
	for (unsigned i = 0; i < 100; i++) {
		(void)drink(&slow, 10);
		run();
	}
	cr_assert_gt(slow.coalesced, changes / 2);
	cr_assert_eq(slow.lines + slow.coalesced, changes, "each is there or counted");
	cr_assert_eq(serve.coalesced, slow.coalesced);
	cr_assert_arr_eq(slow.last, fast.last, KEYS);
	cr_assert_eq(serve.n, 2);
	rx_state_serve_free(&serve);
	rx_state_table_free(&t);
}

Test(rx_state_serve, there_is_room_for_so_many_and_who_goes_makes_room)
{
	int fd[RX_STATE_CONSUMERS + 2];
	struct pollfd fds[RX_STATE_CONSUMERS + 1];
	unsigned n;
	char c;

	begin();
	for (unsigned i = 0; i < RX_STATE_CONSUMERS + 2; i++)
		fd[i] = consumer();
	run();
	run();
	cr_assert_eq(serve.n, RX_STATE_CONSUMERS);
	cr_assert_eq(serve.refused, 2);
	cr_assert_eq(recv(fd[RX_STATE_CONSUMERS], &c, 1, 0), 0, "it is told at once");
	/* one that only stops to speak goes on listening */
	(void)shutdown(fd[0], SHUT_WR);
	(void)close(fd[1]);
	n = rx_state_serve_poll(&serve, fds);
	cr_assert_eq(n, RX_STATE_CONSUMERS + 1);
	cr_assert_eq(poll(fds, n, 1000), 1);
	rx_state_serve_polled(&serve, fds, n);
	cr_assert_eq(serve.n, RX_STATE_CONSUMERS - 1);
	put(1, "a");
	run();
	cr_assert_eq(recv(fd[0], &c, 1, 0), 1);
	(void)close(fd[2]);
	put(1, "b");
	run();
	cr_assert_eq(serve.n, RX_STATE_CONSUMERS - 2, "by the error of sending");
	rx_state_serve_free(&serve);
	rx_state_table_free(&t);
}
