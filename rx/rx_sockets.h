// SPDX-License-Identifier: ISC
/*
 * The sockets of rx sink, as the supervisor makes them. Those to a consumer are made for each
 * sink it starts: connected, non-blocking, and, to an address, bound to the interface by which the
 * consumer is reached now. That interface is never the diode port, nor does it stand on it; and
 * since the socket is bound to it, no later change of routes can turn it there.
 *
 * The socket to a path stays the supervisor's too, and the two are one: when a consumer has made
 * its socket anew, the supervisor connects it there and the sink, which may not, sends on by it.
 *
 * Of a kind with a role of its own, the sink has one end of a pair (SOCK_SEQPACKET), which is made
 * once, and the role the other: there a message is its struct sink_head and its bytes. To such a
 * role consumers connect: a socket listens at `deliver`, bound to the interface that has the address.
 */
#ifndef RX_SOCKETS_H
#define RX_SOCKETS_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "rx_config.h"

/* What a socket leads to, to see when another has taken its place. */
struct rx_sockets_end {
	char interface[16];
	unsigned index; /* of the interface */
	dev_t dev;
	ino_t inode; /* of the path; 0: not connected */
	struct timespec changed;
};

struct rx_sockets {
	int sink[RX_LIVES_MAX];	  /* the sink's; -1: the consumer cannot be reached now */
	int feed[RX_LIVES_MAX];	  /* the role's end of the pair; -1 without */
	int listen[RX_LIVES_MAX]; /* where consumers connect; -1 without */
	unsigned count;
	bool told[RX_LIVES_MAX]; /* that it cannot */
	struct rx_sockets_end end[RX_LIVES_MAX];
};

/* The pairs and what listens; before anything else. UID and GID: the roles', to whom a path
 * belongs. -1 with err; rx_sockets_close() in any case. */
KM_MUST_CHECK int rx_sockets_make(struct rx_sockets *sockets,
				  const struct rx_config *config, uid_t uid, gid_t gid,
				  struct km_err *err);

/* One to the consumer of each channel that has no role. One that cannot be reached, or only by
 * the diode port, is told once; to an address there is no socket then. */
void rx_sockets_open(struct rx_sockets *sockets, const struct rx_config *config);

/*
 * Every second: connects what leads to a path to the consumer that is there now. True when the sink
 * needs other sockets: a consumer that could not be reached can be now, or an interface was made
 * again.
 */
bool rx_sockets_watch(struct rx_sockets *sockets, const struct rx_config *config);

/* CONFIG: whose paths go too. */
void rx_sockets_close(struct rx_sockets *sockets, const struct rx_config *config);

#endif
