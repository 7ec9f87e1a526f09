// SPDX-License-Identifier: ISC
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "clock.h"

/* A day: longer is no watchdog. */
#define NOTIFY_USEC_MAX UINT64_C(86400000000)

/* A number of up to 20 digits and nothing else; false when it is none or above MAX. */
static bool notify_number(const char *text, uint64_t max, uint64_t *value)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *value <= max;
}

/* "/path", or "@name" for one without a file. */
static int notify_address(struct notify *n, const char *socket, struct km_err *err)
{
	const size_t len = strlen(socket);

	if ((socket[0] != '/' && socket[0] != '@') || len < 2 ||
	    len >= sizeof(n->to.sun_path))
		return km_err_set(err, EX_CONFIG,
				  "NOTIFY_SOCKET=%s: is neither a path nor @name; start by "
				  "systemd, or unset it",
				  socket);
	n->to.sun_family = AF_UNIX;
	memcpy(n->to.sun_path, socket, len);
	if (socket[0] == '@')
		n->to.sun_path[0] = '\0';
	n->to_len = (uint32_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return 0;
}

static int notify_watchdog(struct notify *n, const char *usec, const char *pid,
			   struct km_err *err)
{
	uint64_t value;

	if (!usec)
		return 0;
	if (pid) {
		if (!notify_number(pid, INT32_MAX, &value))
			return km_err_set(err, EX_CONFIG, "WATCHDOG_PID=%s: is no process",
					  pid);
		/* meant for whoever started us */
		if (value != (uint64_t)getpid())
			return 0;
	}
	if (!notify_number(usec, NOTIFY_USEC_MAX, &value) || value == 0)
		return km_err_set(
			err, EX_CONFIG,
			"WATCHDOG_USEC=%s: not 1 to %llu: see WatchdogSec= of the "
			"unit",
			usec, (unsigned long long)NOTIFY_USEC_MAX);
	n->watchdog_ns = value * 1000;
	return 0;
}

static int notify_take(struct notify *n, struct km_err *err)
{
	const struct timeval limit = {.tv_sec = 1};
	const char *socket_name = getenv("NOTIFY_SOCKET");

	if (!socket_name || socket_name[0] == '\0')
		return 0;
	if (notify_address(n, socket_name, err) != 0 ||
	    notify_watchdog(n, getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"), err) != 0)
		return -1;
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (n->fd < 0 ||
	    setsockopt(n->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0)
		return km_err_set_errno(err, EX_OSERR, "socket to NOTIFY_SOCKET");
	return 0;
}

int notify_open(struct notify *n, struct km_err *err)
{
	int rc;

	*n = (struct notify)NOTIFY_INIT;
	rc = notify_take(n, err);
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
	if (rc != 0)
		notify_close(n);
	return rc;
}

static bool notify_send(struct notify *n, const char *text, int flags)
{
	const size_t len = strlen(text);

	if (n->fd < 0)
		return true;
	/* by address each time: a manager that was started again has a new socket there */
	n->failed = sendto(n->fd, text, len, MSG_NOSIGNAL | flags, (const void *)&n->to,
			   n->to_len) != (ssize_t)len;
	return !n->failed;
}

bool notify_ready(struct notify *n, const char *status)
{
	char text[NOTIFY_STATUS_MAX + 32];

	n->ready = true;
	(void)snprintf(n->status, sizeof(n->status), "%s", status);
	(void)snprintf(text, sizeof(text), "READY=1\nSTATUS=%s\n", n->status);
	return notify_send(n, text, 0);
}

bool notify_stopping(struct notify *n)
{
	return notify_send(n, "STOPPING=1\nSTATUS=stopping\n", 0);
}

void notify_status(struct notify *n, const char *status)
{
	char text[NOTIFY_STATUS_MAX + 16];

	if (n->fd < 0 || strncmp(n->status, status, sizeof(n->status) - 1) == 0)
		return;
	(void)snprintf(text, sizeof(text), "STATUS=%.*s\n", NOTIFY_STATUS_MAX - 1, status);
	if (notify_send(n, text, MSG_DONTWAIT))
		(void)snprintf(n->status, sizeof(n->status), "%s", status);
}

void notify_alive(struct notify *n, uint64_t now_ns)
{
	if (n->fd < 0 || !n->ready || n->watchdog_ns == 0 || now_ns < n->next_ns)
		return;
	if (notify_send(n, "WATCHDOG=1\n", MSG_DONTWAIT))
		n->next_ns = clock_add(now_ns, n->watchdog_ns / 2);
}

uint64_t notify_due_ns(const struct notify *n)
{
	return n->fd < 0 || !n->ready || n->watchdog_ns == 0 ? CLOCK_NEVER : n->next_ns;
}

void notify_close(struct notify *n)
{
	km_close(&n->fd);
}
