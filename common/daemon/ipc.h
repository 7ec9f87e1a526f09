// SPDX-License-Identifier: ISC
/*
 * ipc.h: typed messages of fixed size between roles, over a SOCK_SEQPACKET pair.
 *
 * A message is a 4-byte type (host order: one machine, one binary) and a body of exactly the
 * size its type has, with exactly the descriptors its type has. Everything else (unknown
 * type, other size, truncation, unexpected or missing descriptors) is a violation: received
 * descriptors are closed, the event ipc.violation is logged, and the caller must end the
 * pair (KM_ERR_MALFORMED). The BODY is hostile until the handler has checked it.
 *
 * Not for bulk data (rings), not for another machine. One thread per socket.
 */
#ifndef IPC_H
#define IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "km_err.h"

#define IPC_BODY_MAX 8192 /* bytes; the largest is an announce of 16 receivers, 1.2 KB */
#define IPC_FDS_MAX 16	  /* descriptors of one message */

/* Types below this belong to role.c on its control socket. */
#define IPC_TYPE_OWN 64

struct ipc_msg {
	uint32_t type;
	uint32_t size; /* of the body */
	uint32_t n_fds;
	int fds[IPC_FDS_MAX]; /* the receiver's; -1 beyond n_fds or when taken */
	_Alignas(16) uint8_t body[IPC_BODY_MAX];
};

/*
 * Returns 0 to go on; anything else ends ipc_dispatch() and is returned by it: a positive
 * number of the daemon's own, or a km_rc (KM_ERR_MALFORMED: the body is a violation).
 */
typedef int ipc_handler(void *ctx, struct ipc_msg *msg);

struct ipc_type {
	uint32_t type;
	uint32_t size;	/* exact, <= IPC_BODY_MAX */
	uint32_t n_fds; /* exact, <= IPC_FDS_MAX */
	const char *name;
	ipc_handler *handler; /* NULL where the caller switches on the type itself */
};

struct ipc_table {
	const struct ipc_type *rows;
	size_t n;
};

/* A connected pair of sockets, CLOEXEC; both are the caller's. */
KM_MUST_CHECK int ipc_pair(int fds[2], struct km_err *err);

/*
 * Pure judgement of what came in: `size` is the body's. NULL = violation; *reason (static
 * text, may be NULL) says which.
 */
const struct ipc_type *ipc_check(const struct ipc_table *table, uint32_t type, size_t size,
				 size_t n_fds, const char **reason);

/*
 * Sends one message before `deadline_ns` (monotonic; 0 = do not wait). Descriptors stay the
 * caller's. KM_ERR_FULL (deadline 0) or KM_ERR_TIMEOUT: not sent; KM_ERR_CLOSED; KM_ERR_SYS;
 * KM_ERR_RANGE: size or n_fds beyond the limits.
 */
KM_MUST_CHECK enum km_rc ipc_send(int sock, uint32_t type, const void *body, size_t size,
				  const int *fds, size_t n_fds, uint64_t deadline_ns);

/*
 * Receives one message that `table` allows. Descriptors become the caller's: close them
 * with ipc_msg_close() or take them with ipc_msg_take(). KM_ERR_EMPTY (deadline 0) or
 * KM_ERR_TIMEOUT; KM_ERR_CLOSED: the other end has gone; KM_ERR_MALFORMED: violation.
 * msg is then empty (no descriptors).
 */
KM_MUST_CHECK enum km_rc ipc_recv(int sock, const struct ipc_table *table,
				  struct ipc_msg *msg, uint64_t deadline_ns);

/*
 * Receives and handles all waiting messages, at most `max`. 0 = none left, or max reached;
 * positive = a handler's; negative = as ipc_recv(), or a handler's km_rc. `msg` is scratch
 * space; descriptors a handler did not take are closed after it.
 */
KM_MUST_CHECK int ipc_dispatch(int sock, const struct ipc_table *table, void *ctx,
			       struct ipc_msg *msg, unsigned int max);

/* Takes descriptor i out of the message; the caller closes it. -1 when there is none. */
int ipc_msg_take(struct ipc_msg *msg, uint32_t i);

/* Closes every descriptor still in the message. */
void ipc_msg_close(struct ipc_msg *msg);

#endif
