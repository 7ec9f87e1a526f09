// SPDX-License-Identifier: ISC
/*
 * The sockets of rx sink, as the supervisor makes them. Those to a consumer are made for each
 * sink it starts: connected, non-blocking, and, to an address, bound to the interface by which the
 * consumer is reached now. That interface is never the diode port, nor does it stand on it; and
 * since the socket is bound to it, no later change of routes can turn it there.
 *
 * Of a kind with a role of its own, the sink has one end of a pair (SOCK_SEQPACKET), which is made
 * once, and the role the other: there a message is its struct sink_head and its bytes.
 */
#ifndef RX_SOCKETS_H
#define RX_SOCKETS_H

#include <stdbool.h>

#include "rx_config.h"

struct rx_sockets {
	int sink[RX_LIVES_MAX]; /* the sink's; -1: the consumer cannot be reached now */
	int feed[RX_LIVES_MAX]; /* the role's end of the pair; -1 without */
	unsigned count;
	bool told[RX_LIVES_MAX]; /* that it cannot */
};

/* The pairs; before anything else. -1 with err; rx_sockets_close() in any case. */
KM_MUST_CHECK int rx_sockets_make(struct rx_sockets *sockets,
				  const struct rx_config *config, struct km_err *err);

/* One to the consumer of each channel that has no role. One that cannot be reached, or only by
 * the diode port, is told once and left out. */
void rx_sockets_open(struct rx_sockets *sockets, const struct rx_config *config);

/* True when a consumer that could not be reached can be now. */
bool rx_sockets_news(const struct rx_sockets *sockets, const struct rx_config *config);

void rx_sockets_close(struct rx_sockets *sockets);

#endif
