// SPDX-License-Identifier: ISC
/*
 * notify.h: what the service manager is told: ready, stopping, a line of state, and that we are
 * well. The protocol of sd_notify(3): a datagram of "KEY=value" lines to the socket that is
 * named in NOTIFY_SOCKET. Not libsystemd: four messages to one address are less than a library
 * in a process that keeps a capability.
 *
 * For the supervisor. Roles never see it: their environment is a short list (role.h), and every
 * descriptor that is not theirs is closed. Without a service manager all of this does nothing.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include "km_err.h"

#define NOTIFY_STATUS_MAX 160

struct notify {
	int fd; /* -1 = nobody wants to be told */
	struct sockaddr_un to;
	uint32_t to_len;
	uint64_t
		watchdog_ns; /* without a sign of life for so long we are ended; 0 = for ever */
	uint64_t next_ns; /* when the next sign is due */
	bool ready;	  /* said; before it nobody waits for a sign of life */
	bool failed;	  /* the last message did not go */
	char status[NOTIFY_STATUS_MAX];
};

#define NOTIFY_INIT                                                                        \
	{                                                                                  \
		.fd = -1                                                                   \
	}

/*
 * Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment. An address or a
 * number that is none is an error (EX_CONFIG): a manager that waits in vain would end us later
 * and say less.
 */
KM_MUST_CHECK int notify_open(struct notify *notify, struct km_err *err);

/* READY=1 with a state. Waits up to a second for room in the socket. False: it did not go. */
bool notify_ready(struct notify *notify, const char *status);

/* STOPPING=1, likewise. */
bool notify_stopping(struct notify *notify);

/* STATUS=, if it is another than before. Never waits. */
void notify_status(struct notify *notify, const char *status);

/* WATCHDOG=1 when one is due at NOW_NS (monotonic): once ready, twice in each watchdog_ns. Never
 * waits; one that did not go is tried again at the next call. */
void notify_alive(struct notify *notify, uint64_t now_ns);

/* When notify_alive() has something to do; CLOCK_NEVER without a watchdog. */
uint64_t notify_due_ns(const struct notify *notify);

void notify_close(struct notify *notify);

#endif
