// SPDX-License-Identifier: ISC
/*
 * tx_state_out: from the table to the pair with the source: each send is a message of the channel.
 * Never waits: what finds no room stays in the table. One thread of tx state.
 */
#ifndef TX_STATE_OUT_H
#define TX_STATE_OUT_H

#include <stdint.h>

#include "tx_state_table.h"

struct tx_state_sent {
	uint64_t updates, refreshes, failed; /* failed: the pair refused it for good */
};

struct tx_state_out {
	int fd; /* borrowed; connected, one end of a pair */
	struct tx_state_sent sent;
	uint8_t room[WIRE_MESSAGE_MAX];
};

/* What is to be said now, MOST messages at most. KM_OK: all of it; KM_ERR_FULL: the pair takes no
 * more now; KM_ERR_LIMIT: MOST were sent, and more may be due. */
KM_MUST_CHECK enum km_rc tx_state_out_run(struct tx_state_out *out,
					  struct tx_state_table *table, unsigned most,
					  uint64_t now_ns);

#endif
