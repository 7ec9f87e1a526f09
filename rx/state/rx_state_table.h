// SPDX-License-Identifier: ISC
/*
 * rx_state_table: the latest value of each key of one channel as it came, with its age, and the
 * order in which values changed.
 *
 * What is newer: within a session of tx the higher message number, whatever clocks say; of two
 * sessions the one that came to be known later. So what is late never takes the place of something
 * newer. A withdrawn key is remembered for a while for that reason, and then forgotten.
 *
 * Each change gets the next `seq` of the table, and entries stand in the order of theirs. A reader
 * that knows up to which seq it has read finds all that is new to it behind that, each key once with
 * its latest value, however long it was away; what lies between two of them was replaced.
 *
 * A full table lets a new key in only for one that is stale, the one heard of longest ago.
 * Time is the caller's. One thread of rx state.
 */
#ifndef RX_STATE_TABLE_H
#define RX_STATE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "keymap.h"
#include "km_err.h"
#include "state.h"

/* A withdrawn key is known for so long after it was last heard of. */
#define RX_STATE_GRAVE_NS UINT64_C(60000000000)
/* Sessions of which the order is remembered. */
#define RX_STATE_SESSIONS 8u

struct rx_state_plan {
	uint32_t max_keys;
	uint64_t max_bytes; /* of keys and values */
	uint64_t stale_ns;
};

struct rx_state_entry {
	struct keymap_node node; /* first: an entry is found by it */
	TAILQ_ENTRY(rx_state_entry) changed, heard;
	uint64_t seq;	    /* of the last change */
	uint64_t order;	    /* of its session: higher is newer */
	uint64_t number;    /* of the message that brought it */
	uint64_t update_ns; /* tx's clock */
	uint64_t born_ns;   /* monotonic: when it was new, as far as we know */
	uint64_t heard_ns;  /* monotonic: when we last heard of the key */
	uint32_t session;
	uint32_t len, room;
	bool withdrawn, stale;
	uint8_t *value;
	uint8_t key[];
};

TAILQ_HEAD(rx_state_list, rx_state_entry);

/* Where a message comes from, and how old what it says is. */
struct rx_state_origin {
	uint32_t session;
	uint64_t number;
	uint64_t age_ns;
};

struct rx_state_counts {
	uint64_t updates, refreshes; /* of these the ones that said nothing new */
	uint64_t late, full, evicted;
};

struct rx_state_table {
	struct rx_state_plan plan;
	struct keymap map;
	struct rx_state_list changed; /* the latest change last */
	struct rx_state_list heard;   /* the one heard of longest ago first */
	uint64_t seq;		      /* of the latest change; 0: none yet */
	uint32_t keys, withdrawn, stale;
	uint64_t bytes;
	uint64_t newest_ns; /* born_ns of the youngest that was ever here, or the start */
	uint64_t orders;
	struct {
		uint32_t session;
		uint64_t order;
	} known[RX_STATE_SESSIONS];
	struct rx_state_counts counts;
};

/* KM_ERR_NOMEM, KM_ERR_SYS. rx_state_table_free() in any case. */
KM_MUST_CHECK enum km_rc rx_state_table_init(struct rx_state_table *t,
					     const struct rx_state_plan *plan,
					     uint64_t now_ns);
void rx_state_table_free(struct rx_state_table *t);

/* What M says, unless it is late. KM_OK; KM_ERR_LIMIT: no room for a new key or a longer value,
 * which is counted; what was known stays. */
KM_MUST_CHECK enum km_rc rx_state_table_put(struct rx_state_table *t,
					    const struct state_message *m,
					    const struct rx_state_origin *from,
					    uint64_t now_ns);

/* What time does: entries become stale, which is a change; withdrawn ones are forgotten. */
void rx_state_table_age(struct rx_state_table *t, uint64_t now_ns);

/* The entry with the least seq above SEQ; NULL: there is none. */
const struct rx_state_entry *rx_state_table_after(const struct rx_state_table *t,
						  uint64_t seq);
/* The change that follows E's. */
const struct rx_state_entry *rx_state_table_next(const struct rx_state_entry *e);

static inline uint64_t rx_state_entry_age(const struct rx_state_entry *e, uint64_t now_ns)
{
	return now_ns > e->born_ns ? now_ns - e->born_ns : 0;
}

#endif
