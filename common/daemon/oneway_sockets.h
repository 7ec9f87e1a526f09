// SPDX-License-Identifier: ISC
/*
 * oneway_sockets.h: the packet sockets of this network namespace and who holds them, for
 * oneway.h. By NETLINK_SOCK_DIAG, as `ss -0 -e -b -p` does; needs root to see filters and
 * holders.
 */
#ifndef ONEWAY_SOCKETS_H
#define ONEWAY_SOCKETS_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "km_err.h"

#define ONEWAY_SOCKETS_MAX 64u
#define ONEWAY_FILTER_MAX 64u
#define ONEWAY_ROLES_MAX 8u
#define ONEWAY_NAME_MAX 20u

struct oneway_socket {
	uint32_t inode;
	uint32_t index;	   /* of the interface it is bound to; 0: every one */
	uint16_t protocol; /* 0: the kernel gives it nothing */
	bool receives_by_ring, sends_by_ring;
	bool has_filter; /* known only to root */
	unsigned instructions;
	struct sock_filter filter[ONEWAY_FILTER_MAX];
	pid_t pid; /* who holds it; 0 unknown */
	int fd;	   /* and by which descriptor */
	char name[ONEWAY_NAME_MAX];
};

struct oneway_sockets {
	unsigned n;
	bool more;   /* than ONEWAY_SOCKETS_MAX */
	bool hidden; /* filters or holders cannot be seen: not root */
	struct oneway_socket socket[ONEWAY_SOCKETS_MAX];
};

struct oneway_role {
	pid_t pid;
	char name[ONEWAY_NAME_MAX];
	int seccomp; /* Seccomp: of /proc/PID/status; -1 unknown */
};

struct oneway_daemon {
	pid_t pid;	/* of the supervisor */
	bool elsewhere; /* in another network namespace: its sockets are not among ours */
	unsigned n;
	struct oneway_role role[ONEWAY_ROLES_MAX];
};

/* -1: the kernel does not tell (no CONFIG_PACKET_DIAG). */
KM_MUST_CHECK int oneway_sockets_list(struct oneway_sockets *list);

/* The daemon of this PID and its roles. */
void oneway_daemon_find(struct oneway_daemon *daemon, pid_t pid);

/* NULL: it has no such role now. */
const struct oneway_role *oneway_daemon_role(const struct oneway_daemon *daemon,
					     const char *name);

/* Whether PID is the supervisor or one of its roles. */
bool oneway_daemon_has(const struct oneway_daemon *daemon, pid_t pid);

/* Whether the socket lets its filter be changed no more: 1, 0; -1 cannot be asked. */
int oneway_socket_locked(const struct oneway_socket *socket);

#endif
