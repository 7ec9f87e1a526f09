// SPDX-License-Identifier: ISC
/*
 * The groups (multicast) that channels listen at: joined by the interfaces that the configuration
 * names and by no other, and joined again when such an interface was away. Never by the diode port
 * or what stands on it: to join is to send, and what it would bring may not come in. The supervisor's.
 */
#ifndef TX_GROUPS_H
#define TX_GROUPS_H

#include <stdbool.h>

#include "tx_config.h"
#include "tx_sockets.h"

struct tx_groups {
	unsigned index[TX_LIVES_MAX][TX_JOIN_MAX]; /* of the interface; 0: not joined */
	bool told[TX_LIVES_MAX][TX_JOIN_MAX];	   /* that it cannot be */
};

/* At the start, zeroed, and then every second. Says what changes. */
void tx_groups_keep(struct tx_groups *groups, const struct tx_sockets *sockets,
		    const struct tx_config *config);

#endif
