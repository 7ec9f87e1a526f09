// SPDX-License-Identifier: ISC
/*
 * The sockets of live channels, as the supervisor makes them: bound, non-blocking, and those of
 * an address deaf to the diode port (a filter on the interface's index, because a host takes a
 * packet to one of its addresses from any interface). They are handed to every process of their
 * role there will be, so that what waits in them outlives one.
 *
 * A kind without a role of its own has its producers' socket with the source. Of any other kind
 * the role has that, and the source one end of a pair (SOCK_SEQPACKET): each message that the role
 * puts in at the other end is a message of the channel. The pair holds receive_buffer bytes; what
 * the role does when that is full is its policy.
 */
#ifndef TX_SOCKETS_H
#define TX_SOCKETS_H

#include <sys/types.h>

#include "km_err.h"
#include "tx_config.h"

struct tx_sockets {
	int source[TX_LIVES_MAX]; /* the source's */
	int feed[TX_LIVES_MAX];	  /* the role's end of the pair; -1 without */
	int listen[TX_LIVES_MAX]; /* the role's, where producers come; -1 without */
	unsigned count;
};

/* DIODE: index of the diode port; UID and GID: the roles'. -1 with err; what was opened is closed
 * by tx_sockets_close(). */
KM_MUST_CHECK int tx_sockets_open(struct tx_sockets *sockets,
				  const struct tx_config *config, unsigned diode, uid_t uid,
				  gid_t gid, struct km_err *err);

/* The diode port has another index now. */
void tx_sockets_shun(struct tx_sockets *sockets, const struct tx_config *config,
		     unsigned diode);

/* CONFIG: whose paths go too. */
void tx_sockets_close(struct tx_sockets *sockets, const struct tx_config *config);

#endif
