// SPDX-License-Identifier: ISC
/*
 * The UDP sockets of datagram channels, as the supervisor makes them: bound, non-blocking,
 * with the configured queue, and deaf to the diode port (a filter on the interface's index,
 * because a host takes a packet to one of its addresses from any interface). They are handed
 * to every source there will be, so that what waits in them outlives one.
 */
#ifndef TX_SOCKETS_H
#define TX_SOCKETS_H

#include "km_err.h"
#include "tx_config.h"

struct tx_sockets {
	int fd[TX_DATAGRAMS_MAX];
	unsigned count;
};

/* DIODE: index of the diode port. -1 with err; what was opened is closed by tx_sockets_close(). */
KM_MUST_CHECK int tx_sockets_open(struct tx_sockets *sockets,
				  const struct tx_config *config, unsigned diode,
				  struct km_err *err);

/* The diode port has another index now. */
void tx_sockets_shun(struct tx_sockets *sockets, unsigned diode);

void tx_sockets_close(struct tx_sockets *sockets);

#endif
