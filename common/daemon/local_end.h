// SPDX-License-Identifier: ISC
/*
 * local_end.h: where a live channel meets a program of its own host: an IPv4 address and a port, a
 * socket in the file system, or a FIFO. How it is written in the configuration (CONF_END of
 * conf.h), and the sockets that a supervisor makes of it before it gives up its rights.
 *
 * Descriptors are the caller's, CLOEXEC and non-blocking.
 */
#ifndef LOCAL_END_H
#define LOCAL_END_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "km_err.h"

struct sock_fprog;

/* sockaddr_un's, with terminator */
#define LOCAL_END_PATH_MAX 108u
/* "fifo:" and the longest path; "255.255.255.255:65535" is shorter */
#define LOCAL_END_TEXT_MAX (LOCAL_END_PATH_MAX + 8u)

enum local_end_kind {
	LOCAL_END_NONE, /* not set */
	LOCAL_END_INET, /* 192.0.2.1:4001 */
	LOCAL_END_UNIX, /* /run/app/socket */
	LOCAL_END_FIFO, /* fifo:/run/app/pipe */
};

struct local_end {
	uint8_t kind; /* enum local_end_kind */
	uint8_t ip[4];
	uint16_t port;
	char path[LOCAL_END_PATH_MAX];
};

/* As in the configuration; returns BUF. "" for LOCAL_END_NONE. */
char *local_end_text(const struct local_end *place, char buf[LOCAL_END_TEXT_MAX]);

bool local_end_equal(const struct local_end *a, const struct local_end *b);

/* An address that stands for a group of hosts (multicast). */
static inline bool local_end_is_group(const struct local_end *place)
{
	return place->kind == LOCAL_END_INET && place->ip[0] >= 224 && place->ip[0] < 240;
}

/* How a place is taken. */
struct local_end_terms {
	int type;    /* SOCK_DGRAM, SOCK_STREAM; FIFO: not looked at */
	mode_t mode; /* of a path, which belongs to uid and gid */
	uid_t uid;   /* 0: as made */
	gid_t gid;
	const struct sock_fprog *filter; /* at work before anything can come; NULL: none */
	const char *device; /* the only interface that an address is served at; NULL: any */
};

/*
 * A socket bound to PLACE (INET or UNIX), a SOCK_STREAM one listening. A socket that lies at the
 * path and that nobody listens at is replaced, anything else there is refused. A TCP address that
 * a connection of before still lingers at is taken all the same. At a group's address others of
 * this host may listen too, and nothing comes but by interfaces on which this socket joins the
 * group. -1 with err.
 */
KM_MUST_CHECK int local_end_bind(const struct local_end *place,
				 const struct local_end_terms *terms, struct km_err *err);

/*
 * The FIFO at PLACE, made if it is not there, opened for reading and writing so that it has an
 * end at no time. Anything else at the path is refused. -1 with err.
 */
KM_MUST_CHECK int local_end_fifo(const struct local_end *place,
				 const struct local_end_terms *terms, struct km_err *err);

/* What was made at the path goes; what is no socket or FIFO stays. */
void local_end_remove(const struct local_end *place);

#endif
