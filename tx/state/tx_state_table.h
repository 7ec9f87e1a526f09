// SPDX-License-Identifier: ISC
/*
 * tx_state_table: the latest value of each key of one channel, what of it waits to leave, and
 * when each is said again. A value that waits is replaced by a newer one of its key, so that what
 * waits is never more than the table.
 *
 * Said again: the key that has not been said for the longest time comes next, so many a second that
 * every key is said within `refresh` of any moment, evenly, and in any case when its own time is
 * up. A key that is withdrawn is said so, and again in TX_STATE_REPEATS turns, before it is forgotten:
 * one lost message would leave it standing at rx.
 *
 * Time is the caller's. One thread of tx state; never the network.
 */
#ifndef TX_STATE_TABLE_H
#define TX_STATE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "keymap.h"
#include "km_err.h"
#include "state.h"

#define TX_STATE_REPEATS 3u

struct tx_state_plan {
	uint32_t max_keys;
	uint64_t max_bytes; /* of keys and values */
	uint64_t refresh_ns;
};

struct tx_state_entry;
TAILQ_HEAD(tx_state_list, tx_state_entry);

struct tx_state_table {
	struct tx_state_plan plan;
	struct keymap map;
	struct tx_state_list said;  /* the one that was said longest ago first */
	struct tx_state_list waits; /* news, in the order in which they came */
	uint32_t keys;		    /* withdrawn ones that are still said too */
	uint64_t bytes;
	uint64_t next_ns;   /* when the next one is said again; no meaning without keys */
	uint64_t coalesced; /* values that were replaced before they left */
};

/* KM_ERR_NOMEM, KM_ERR_SYS. tx_state_table_free() in any case. */
KM_MUST_CHECK enum km_rc tx_state_table_init(struct tx_state_table *t,
					     const struct tx_state_plan *plan);
void tx_state_table_free(struct tx_state_table *t);

/* News of a producer: of M op, key, value and update_ns, copied. KM_ERR_LIMIT: a new key, or a
 * longer value, for which there is no room; what was known of the key stays. KM_ERR_NOMEM. */
KM_MUST_CHECK enum km_rc tx_state_table_put(struct tx_state_table *t,
					    const struct state_message *m, uint64_t now_ns);

/* What is to be said now, borrowed until the next call. False: nothing before
 * tx_state_table_due(). */
bool tx_state_table_peek(struct tx_state_table *t, struct state_message *m,
			 uint64_t now_ns);
/* What peek gave has left. */
void tx_state_table_take(struct tx_state_table *t, uint64_t now_ns);

/* News are waiting: peek gives them at any time. */
bool tx_state_table_waits(const struct tx_state_table *t);
/* When something is to be said again; CLOCK_NEVER without keys. */
uint64_t tx_state_table_due(const struct tx_state_table *t);

#endif
