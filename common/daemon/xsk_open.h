// SPDX-License-Identifier: ISC
/*
 * xsk_open.h: opening an AF_XDP socket: memory registered, rings made, bound to one queue of an
 * interface. For the role that opens a port, while it still has CAP_NET_RAW (registering more
 * memory than RLIMIT_MEMLOCK allows needs CAP_IPC_LOCK). Afterwards the socket can be handed
 * to a role that has no right at all; it maps the rings it needs (base/xsk_ring.h).
 *
 * A socket that is bound takes no further ring: one without TX ring can never send (ENOBUFS),
 * one without RX ring never receive.
 */
#ifndef XSK_OPEN_H
#define XSK_OPEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "km_err.h"

struct xsk_plan {
	const char *interface;
	uint32_t queue;
	void *umem; /* whole pages; pinned by the kernel until the socket is gone */
	size_t umem_bytes;
	uint32_t chunk; /* 2,048 or 4,096 bytes */
	/* entries, powers of two. The kernel wants FILL and COMPLETION always, and one of RX
	 * and TX; 0: that ring does not exist. */
	uint32_t rx, tx, fill, completion;
	bool several; /* frames of several chunks */
	bool force;   /* the kernel may copy; else zero-copy or nothing */
};

/*
 * The socket, bound. -1: err->saved_errno tells the kernel's reason and the text the step;
 * EX_NOPERM, EX_UNAVAILABLE (the interface, or what it cannot do), EX_OSERR. When an earlier
 * socket of the same queue is being dismantled (the kernel does that later, by itself), it is
 * waited for, 2 s at most.
 */
KM_MUST_CHECK int xsk_open(const struct xsk_plan *plan, struct km_err *err);

/*
 * Whether PLAN with zero-copy would be had: by a socket with one page of memory, closed again.
 * Large memory is then registered only where it is of use. 0, or -1 as xsk_open().
 */
KM_MUST_CHECK int xsk_try_zero_copy(const struct xsk_plan *plan, struct km_err *err);

bool xsk_is_zero_copy(int fd);

/*
 * Receive queues of the interface (ETHTOOL_GCHANNELS; FD any socket that knows devices, such as
 * AF_PACKET): 1 where the driver does not say.
 */
uint32_t xsk_queues(int fd, const char *interface);

/* Whether the NIC takes VLAN tags out of frames before a program sees them. */
bool xsk_strips_tags(int fd, const char *interface);

#endif
