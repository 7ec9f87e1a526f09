// SPDX-License-Identifier: ISC
/*
 * host.h: what a daemon asks the machine it runs on: interface, counters of a port, its own
 * directories, the one pid file that says "I am running". For supervisors and commands;
 * no role calls it. Not configuration (conf.h) and not a role's files.
 */
#ifndef HOST_H
#define HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "km_err.h"

struct host_interface {
	unsigned int index; /* 0 = there is none */
	uint32_t mtu;
	bool up;
};

/* Letters, digits, '-', '_', '.'; not empty, not beginning with '.': safe in a path. */
bool host_name_is_plain(const char *name);

/* -1 with EX_UNAVAILABLE when there is no such interface (out->index is 0). */
KM_MUST_CHECK int host_find_interface(const char *name, struct host_interface *out,
				      struct km_err *err);

/* Whether an interface of this host (of its network namespace) has the IPv4 address. False
 * where the kernel does not tell. */
bool host_has_address(const uint8_t ip[4]);

/* The interface that has the IPv4 address, into NAME; lo for all of 127.0.0.0/8. False: none. */
bool host_address_interface(const uint8_t ip[4], char name[16]);

/*
 * By which interface the host would send to the IPv4 address now; loopback for one of its own.
 * -1 with errno when it would not (ENETUNREACH, EHOSTUNREACH, ...).
 */
KM_MUST_CHECK int host_route(const uint8_t ip[4], unsigned *index);

/* Whether the interface UPPER is LOWER, or stands on it: a VLAN, bridge or bond of it. One
 * floor up, as far as /sys tells. */
bool host_stands_on(const char *upper, const char *lower);

/* Opens /sys/class/net/NAME/statistics/COUNTER read-only; -1 where that is not to be had. */
int host_open_counter(const char *name, const char *counter);

/* The number in an open counter file, read from its start. False when it cannot be read. */
bool host_read_counter(int fd, uint64_t *value);

/*
 * A net.core limit ("wmem_max"); 0 when it cannot be read.
 */
uint64_t host_net_core(const char *name);

/*
 * Bytes of a line of /proc/meminfo ("MemTotal", "MemAvailable"); UINT64_MAX when unknown.
 */
uint64_t host_memory(const char *line);

/*
 * Makes the directory and what is missing above it (0755), then gives it mode and, where
 * permitted and uid or gid is not 0, owner. One that is there keeps mode and owner.
 */
KM_MUST_CHECK int host_make_dir(const char *path, mode_t mode, uid_t uid, gid_t gid,
				struct km_err *err);

/*
 * True when `path` is a directory that we may write to, or could be made: else *why says
 * what is in the way (static text) and *at is the length of the prefix of path it is about.
 */
bool host_dir_usable(const char *path, const char **why, size_t *at);

/*
 * Takes RUN_DIR/pid: locked as long as the returned descriptor (the caller's) is open.
 * -1 with EX_UNAVAILABLE when another process holds it, naming its pid.
 */
KM_MUST_CHECK int host_lock_pid(const char *run_dir, struct km_err *err);

/* Whether a daemon holds RUN_DIR/pid; *pid (may be NULL) is what the file says. */
bool host_is_running(const char *run_dir, pid_t *pid);

/* A memfd of these bytes that nobody can change any more. */
KM_MUST_CHECK int host_seal_bytes(const char *name, const void *bytes, size_t len,
				  struct km_err *err);

/* All bytes of such a memfd into fresh memory with a NUL behind (the caller's); len <= max. */
KM_MUST_CHECK int host_read_sealed(int fd, size_t max, char **bytes, size_t *len,
				   struct km_err *err);

/* The value behind `word` among the arguments ("--mtu", "9000"), or NULL. */
const char *host_arg(int argc, char **argv, const char *word);
/* Whether `word` is among them. */
bool host_flag(int argc, char **argv, const char *word);

#endif
