// SPDX-License-Identifier: ISC
/*
 * tx_state_in: the taking end of a channel of kind state: a datagram socket that the supervisor
 * made, and what is let in. A datagram is `KEY LF VALUE`: the key's value is now that, or `KEY`
 * alone: it has none any more. The value is any bytes, untouched.
 *
 * The queue is the kernel's: nothing is stored here. It never waits. One thread of tx state.
 */
#ifndef TX_STATE_IN_H
#define TX_STATE_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "km_err.h"
#include "state.h"
#include "tx_config.h"

/* Why datagrams were dropped; overflow: the kernel's queue could not hold them. */
struct tx_state_drops {
	uint64_t not_allowed, malformed, too_long, overflow;
};

struct tx_state_in {
	const struct tx_config_live *conf;
	int fd;			     /* borrowed */
	struct tx_state_drops drops; /* the caller's to begin with */
	uint8_t room[WIRE_MESSAGE_MAX + 2u];
};

void tx_state_in_open(struct tx_state_in *in, const struct tx_config_live *conf, int fd);

/* The next one that is let in, into M (op, key, value: borrowed until the next call). False:
 * none waits. At most MOST datagrams are taken, *taken says how many. */
bool tx_state_in_next(struct tx_state_in *in, struct state_message *m, unsigned most,
		      unsigned *taken);

/* Notes what the kernel has dropped since the socket was made. */
void tx_state_in_look(struct tx_state_in *in);

/* A datagram as a message: KM_ERR_MALFORMED: no key; KM_ERR_LIMIT: longer than MAX bytes as a
 * message. The pure part. */
KM_MUST_CHECK enum km_rc tx_state_in_parse(struct state_message *m, const uint8_t *p,
					   size_t n, uint32_t max);

#endif
