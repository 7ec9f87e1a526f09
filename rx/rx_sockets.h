// SPDX-License-Identifier: ISC
/*
 * The sockets of rx sink, as the supervisor makes them for each sink it starts: connected to
 * the consumer, non-blocking, and bound to the interface by which the consumer is reached
 * now. That interface is never the diode port, nor does it stand on it; and since the socket
 * is bound to it, no later change of routes can turn it there.
 */
#ifndef RX_SOCKETS_H
#define RX_SOCKETS_H

#include <stdbool.h>

#include "rx_config.h"

struct rx_sockets {
	int fd[RX_DATAGRAMS_MAX]; /* -1: the consumer cannot be reached now */
	unsigned count;
	bool told[RX_DATAGRAMS_MAX]; /* that it cannot */
};

/* One for each datagram channel. A consumer that cannot be reached, or only by the diode port,
 * is told once and left out. */
void rx_sockets_open(struct rx_sockets *sockets, const struct rx_config *config);

/* True when a consumer that could not be reached can be now. */
bool rx_sockets_news(const struct rx_sockets *sockets, const struct rx_config *config);

void rx_sockets_close(struct rx_sockets *sockets);

#endif
