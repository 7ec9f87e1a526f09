// SPDX-License-Identifier: ISC
/*
 * rx_state_in: messages of one channel, from the pair with the sink into the table. The sink's
 * head is judged as that of a hostile neighbour, the message behind it as that of a hostile tx.
 * It never waits. One thread of rx state.
 */
#ifndef RX_STATE_IN_H
#define RX_STATE_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "km_err.h"
#include "rx_state_age.h"
#include "rx_state_table.h"
#include "sink.h"

struct rx_state_in {
	int fd;		/* borrowed */
	uint16_t place; /* of the channel among the live ones */
	bool joined;	/* a message came */
	uint32_t session;
	uint64_t number;	  /* of the last one */
	uint64_t malformed, lost; /* lost: by the jumps of the numbers */
	uint8_t room[sizeof(struct sink_head) + WIRE_MESSAGE_MAX + 1u];
};

/* What waits, MOST messages at most. KM_OK: MOST were taken; KM_ERR_EMPTY: no more waits;
 * KM_ERR_MALFORMED: the sink said what no honest one says; KM_ERR_CLOSED, KM_ERR_SYS. */
KM_MUST_CHECK enum km_rc rx_state_in_take(struct rx_state_in *in,
					  struct rx_state_table *table,
					  struct rx_state_age *age, unsigned most,
					  uint64_t now_ns);

/* One of them: its head and its bytes. KM_OK or KM_ERR_MALFORMED. The part without a socket. */
KM_MUST_CHECK enum km_rc rx_state_in_message(struct rx_state_in *in, const uint8_t *p,
					     size_t n, struct rx_state_table *table,
					     struct rx_state_age *age, uint64_t now_ns);

#endif
