// SPDX-License-Identifier: ISC
/*
 * flow.h: all that publish holds about one channel, and what all channels share. Only
 * data: the verbs are in manifests.h, place.h, retain.h and messages.h.
 *
 * rx publish; one thread.
 */
#ifndef FLOW_H
#define FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jobs.h"
#include "keys.h"
#include "ledger.h"
#include "manifest.h"
#include "names.h"
#include "progress.h"
#include "root.h"
#include "rx_config.h"
#include "scan.h"
#include "shelf.h"
#include "voice.h"

/*
 * Parsed manifests kept at hand, over all channels; each at most two
 * WIRE_MANIFEST_MAX.
 */
#define FLOW_MANIFESTS 4u

struct flow;

/*
 * A manifest in memory: verified when it came in, compared with the ledger when read
 * again.
 */
struct flow_manifest {
	const struct flow *flow; /* NULL = free */
	uint64_t chain, number;
	uint64_t used_at; /* the least recently used one makes room */
	struct manifest_head head;
	struct manifest_entry *entry; /* WIRE_BATCH_OBJECTS_MAX of them; paths in scratch */
	size_t count;
	uint8_t *scratch;
	uint8_t hash[DIGEST_LEN];
	char *text; /* text_len bytes, then the signature file's sig_len */
	size_t text_len, sig_len;
};

/* What publish knows of role scan: door.h. */
struct door {
	int sock;	 /* -1: no channel scans */
	uint64_t ticket; /* last one given */
	bool busy;
};

/* Releases under way at once, and the words of one with their head: waiver.h. */
#define WAIVER_MAX 16u
#define WAIVER_REASON_MAX 200u

struct waiver {
	uint64_t chain, number;
	uint32_t uid;
	unsigned looks; /* times it was not found where it should be */
	char reason[WAIVER_REASON_MAX];
};

struct door_ask {
	uint64_t chain, number, ticket;
};

struct flow_shared {
	struct keys_sign_public trusted[2 * RX_TRUSTED_MAX]; /* and retired */
	unsigned trusted_count;
	struct flow_manifest manifest[FLOW_MANIFESTS];
	uint64_t clock; /* for used_at */
	struct shelf_fds fds;
	struct place *place;   /* the group under way; place.c */
	struct syncer *syncer; /* the threads that wait for the disk */
	uint64_t ticket;       /* of the last sync of an object */
	struct door door;      /* to role scan; door.c */
	struct voice voice;
};

struct flow {
	const struct rx_config_channel *conf;
	struct flow_shared *shared;
	struct root root;
	int dir; /* STATE/<channel> */
	struct ledger ledger;
	struct names names;
	struct progress progress;
	struct shelf shelf;

	struct jobs jobs;		    /* whose turn to be placed may have come */
	struct jobs scans;		    /* at the door, not asked about yet */
	struct door_ask ask[SCAN_JOBS_MAX]; /* with role scan */
	unsigned asked;
	uint64_t scan_retry_ns; /* nothing is asked before this */
	struct waiver waiver[WAIVER_MAX];
	unsigned waivers;
	bool behind;	   /* some object may be complete and not yet hashed or judged */
	size_t scan_at;	   /* where the next look over the shelf goes on */
	uint64_t retry_ns; /* placing failed (disk): not before this; 0 = at once */

	bool round;	 /* a round over large objects is under way: durable.h */
	size_t round_at; /* where it goes on */
	unsigned parts;	 /* of its syncs under way */
	bool crowded;	 /* a sync did not fit the queue: look again when it has room */
	bool heads_busy; /* the heads are being written */

	bool full;	    /* no fragment is taken: disk full or below min_free */
	bool state_failed;  /* a state file could not be written: said */
	uint64_t checked;   /* bytes written since free space was last looked at */
	uint64_t damage_ns; /* look for damaged objects then; CLOCK_NEVER */
	uint64_t watch_ns;  /* look for missing manifests then */
	uint64_t newest_chain;
	uint64_t heard_ns;  /* wall clock, last record; 0 = never */
	uint64_t placed_ns; /* wall clock, last object published */
};

static inline bool flow_has_jobs(const struct flow *flow)
{
	return jobs_any(&flow->jobs);
}

/*
 * Puts an object number into the queue; placing it decides what that means. -1: no
 * memory.
 */
KM_MUST_CHECK int flow_enqueue(struct flow *flow, uint64_t chain, uint64_t number);

/*
 * Opens root and state of a channel, goes on from what is stored. `state_dir` is
 * STATE.
 */
KM_MUST_CHECK int flow_open(struct flow *flow, const struct rx_config_channel *conf,
			    struct flow_shared *shared, int state_dir, struct km_err *err);
void flow_close(struct flow *flow);

/*
 * A write for this flow failed with errno: named, and held back while the disk is
 * full.
 */
void flow_write_failed(struct flow *flow, struct object *o);

/*
 * An object has new bytes or facts: when it is whole it is hashed, and queued or
 * (manifest) taken. A manifest that was taken or refused is dropped: O is then gone.
 */
void flow_advance(struct flow *flow, struct object *o);

/*
 * A part of the shelf: hashing that runs behind, manifests to try again, objects that
 * lost their begin record. True while there is more to do at once.
 */
bool flow_scan(struct flow *flow, uint64_t now_ns);

/* Once a second: free space, heads, damaged objects, missing manifests. */
void flow_tick(struct flow *flow, uint64_t now_ns);

/* Forgets an object in progress and its part file. */
void flow_drop(struct flow *flow, struct object *o, bool unlink_part);

#endif
