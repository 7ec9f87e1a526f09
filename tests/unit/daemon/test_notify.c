// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "notify.h"

/* The manager's end: an abstract address that is this process's. */
static int listen_as(char name[32])
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	int n = snprintf(name, 32, "@km-notify-%d", getpid());

	memcpy(to.sun_path, name, (size_t)n);
	to.sun_path[0] = '\0';
	cr_assert_eq(bind(fd, (const void *)&to,
			  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)),
		     0, "bind: %s", strerror(errno));
	cr_assert_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

/* The next message, or "" when there is none. */
static const char *heard(int fd)
{
	static char text[512];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void with_watchdog(const char *usec, pid_t pid)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", pid);
	cr_assert_eq(setenv("WATCHDOG_USEC", usec, 1), 0);
	cr_assert_eq(setenv("WATCHDOG_PID", text, 1), 0);
}

Test(notify, without_a_manager_nothing_is_sent_and_nothing_fails)
{
	struct notify n;
	struct km_err err = KM_ERR_INIT;

	with_watchdog("1000000", getpid());
	cr_assert_eq(notify_open(&n, &err), 0, "%s", err.text);
	cr_assert_eq(n.fd, -1);
	cr_assert(notify_ready(&n, "x"));
	cr_assert(notify_stopping(&n));
	notify_alive(&n, 1);
	cr_assert_eq(notify_due_ns(&n), CLOCK_NEVER);
	notify_close(&n);
}

Test(notify, the_environment_does_not_reach_a_child)
{
	struct notify n;
	struct km_err err = KM_ERR_INIT;
	char name[32];
	int fd = listen_as(name);

	with_watchdog("1000000", getpid());
	cr_assert_eq(notify_open(&n, &err), 0, "%s", err.text);
	cr_assert_null(getenv("NOTIFY_SOCKET"));
	cr_assert_null(getenv("WATCHDOG_USEC"));
	cr_assert_null(getenv("WATCHDOG_PID"));
	notify_close(&n);
	close(fd);
}

Test(notify, ready_then_states_that_change_then_stopping)
{
	struct notify n;
	struct km_err err = KM_ERR_INIT;
	char name[32];
	int fd = listen_as(name);

	cr_assert_eq(notify_open(&n, &err), 0, "%s", err.text);
	cr_assert_str_empty(heard(fd), "not before it is ready");
	cr_assert(notify_ready(&n, "at work"));
	cr_assert_str_eq(heard(fd), "READY=1\nSTATUS=at work\n");
	notify_status(&n, "at work");
	cr_assert_str_empty(heard(fd), "the same state is no news");
	notify_status(&n, "down: x");
	cr_assert_str_eq(heard(fd), "STATUS=down: x\n");
	cr_assert(notify_stopping(&n));
	cr_assert_str_eq(heard(fd), "STOPPING=1\nSTATUS=stopping\n");
	notify_alive(&n, CLOCK_NEVER - 1);
	cr_assert_str_empty(heard(fd), "no watchdog was asked for");
	notify_close(&n);
	close(fd);
}

Test(notify, a_sign_of_life_twice_in_the_watchdogs_time)
{
	const uint64_t second = CLOCK_NS_PER_SEC;
	struct notify n;
	struct km_err err = KM_ERR_INIT;
	char name[32];
	int fd = listen_as(name);

	with_watchdog("4000000", getpid());
	cr_assert_eq(notify_open(&n, &err), 0, "%s", err.text);
	cr_assert_eq(n.watchdog_ns, 4 * second);
	notify_alive(&n, 9 * second);
	cr_assert_str_empty(heard(fd), "nobody waits for it before it is ready");
	cr_assert(notify_ready(&n, "at work"));
	cr_assert_str_neq(heard(fd), "");
	notify_alive(&n, 10 * second);
	cr_assert_str_eq(heard(fd), "WATCHDOG=1\n");
	cr_assert_eq(notify_due_ns(&n), 12 * second);
	notify_alive(&n, 12 * second - 1);
	cr_assert_str_empty(heard(fd));
	notify_alive(&n, 12 * second);
	cr_assert_str_eq(heard(fd), "WATCHDOG=1\n");
	notify_close(&n);
	close(fd);
}

Test(notify, a_watchdog_for_another_process_is_not_ours)
{
	struct notify n;
	struct km_err err = KM_ERR_INIT;
	char name[32];
	int fd = listen_as(name);

	with_watchdog("4000000", getppid());
	cr_assert_eq(notify_open(&n, &err), 0, "%s", err.text);
	cr_assert_eq(n.watchdog_ns, 0);
	notify_close(&n);
	close(fd);
}

Test(notify, a_sign_that_did_not_go_is_tried_again)
{
	struct notify n;
	struct km_err err = KM_ERR_INIT;
	char name[32];
	int fd = listen_as(name), sent = 0;

	with_watchdog("2", getpid());
	cr_assert_eq(notify_open(&n, &err), 0, "%s", err.text);
	cr_assert(notify_ready(&n, "at work"));
	for (uint64_t now = 1; !n.failed && now < 1000000; now += 2000, sent++)
		notify_alive(&n, now);
	cr_assert(n.failed, "the socket takes %d messages and no end", sent);
	cr_assert(notify_due_ns(&n) < UINT64_C(3000000000), "still due");
	while (*heard(fd))
		;
	notify_alive(&n, notify_due_ns(&n));
	cr_assert_str_eq(heard(fd), "WATCHDOG=1\n");
	notify_close(&n);
	close(fd);
}

Test(notify, a_manager_that_has_gone_is_an_answer)
{
	struct notify n;
	struct km_err err = KM_ERR_INIT;
	char name[32];
	int fd = listen_as(name);

	cr_assert_eq(notify_open(&n, &err), 0, "%s", err.text);
	close(fd);
	cr_assert_not(notify_ready(&n, "x"));
	cr_assert_not(notify_stopping(&n));
	notify_close(&n);
}

Test(notify, what_is_no_address_and_no_number_is_refused)
{
	static const char *const sockets[] = {"x", "/", "@", "vsock:2:1"};
	static const char *const numbers[] = {
		"", "0", "-1", "1s", " 1", "86400000001", "18446744073709551616"};
	struct notify n;
	char name[32], longest[120];

	for (size_t i = 0; i < KM_COUNT(sockets); i++) {
		struct km_err err = KM_ERR_INIT;

		cr_assert_eq(setenv("NOTIFY_SOCKET", sockets[i], 1), 0);
		cr_assert_eq(notify_open(&n, &err), -1, "NOTIFY_SOCKET=%s", sockets[i]);
		cr_assert_eq(err.code, EX_CONFIG);
		cr_assert_not_null(strstr(err.text, sockets[i]));
		cr_assert_null(getenv("NOTIFY_SOCKET"));
	}
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(((struct sockaddr_un *)0)->sun_path)] = '\0';
	cr_assert_eq(setenv("NOTIFY_SOCKET", longest, 1), 0);
	cr_assert_eq(notify_open(&n, &(struct km_err)KM_ERR_INIT), -1, "too long");
	for (size_t i = 0; i < KM_COUNT(numbers); i++) {
		struct km_err err = KM_ERR_INIT;
		int fd = listen_as(name);

		with_watchdog(numbers[i], getpid());
		cr_assert_eq(notify_open(&n, &err), -1, "WATCHDOG_USEC=%s", numbers[i]);
		cr_assert_eq(err.code, EX_CONFIG);
		close(fd);
	}
}
