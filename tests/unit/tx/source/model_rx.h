// SPDX-License-Identifier: ISC
/*
 * A receiver for tests of the source: takes the sender's side of the lane rings, opens what
 * comes (with the receiver's key, as a real keeper does), drops what the test says, decodes
 * windows by FEC, rebuilds objects and manifests in memory. It checks on the way what must
 * hold for every frame; a broken rule fails the test at once.
 */
#ifndef MODEL_RX_H
#define MODEL_RX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "keys.h"
#include "lane_out.h"
#include "record.h"

struct model_object {
	uint16_t channel;
	uint64_t chain, number, size;
	char path[WIRE_PATH_MAX + 1];
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint8_t kind, withdrawn;
	bool begun;
	uint8_t *data;
	uint8_t *have;	 /* a byte per byte */
	unsigned begins; /* windows that told it */
	struct model_object *next;
};

struct model_manifest {
	uint16_t channel;
	uint64_t chain, number, total;
	uint8_t *data, *have;
	unsigned copies; /* records with offset 0 */
	struct model_manifest *next;
};

struct model_window {
	uint32_t tag;
	uint16_t lane, channel, depth;
	uint8_t stream, M;
	uint32_t window, symbol_size;
	uint32_t symbols; /* N; 0 not known */
	uint32_t seen;	  /* highest source index + 1 */
	unsigned closes;
	uint8_t **source; /* by t */
	uint32_t *len;	  /* as on the wire */
	uint8_t **repair; /* by r */
	uint8_t *k, *m;	  /* by block, from repairs */
	unsigned repairs_seen, missing, repaired;
	struct model_window *next;
};

/* True: the frame is lost. index counts all sealed frames seen. */
typedef bool model_drop_fn(void *ctx, const struct frame_header *h, uint64_t index);

/* Close records that overtook their window: the rings hold more than the 100 ms after which the
 * second copy comes, for a receiver as slow as this one. */
#define MODEL_EARLY 1024u

#define MODEL_RINGS (LANE_WORKERS_MAX * LANE_COUNT)

struct model_rx {
	struct ring ring[MODEL_RINGS]; /* by lane_ring() */
	struct lane_plan plan;
	uint32_t ether_len;
	struct keys_box_secret *box;
	struct keys_sign_public *identity;

	uint32_t tag;
	uint16_t channel; /* of the frame or window in hand; finds look at this one */
	bool known;	  /* the announce was seen */
	unsigned announces, sessions;
	struct seal *seal[MODEL_RINGS];
	uint64_t seq[MODEL_RINGS]; /* next expected */
	uint64_t frames, dropped, wire_bytes;
	uint64_t data_bytes; /* link bytes of data streams and ledgers */

	model_drop_fn *drop;
	void *drop_ctx;
	unsigned slow, owed; /* model_slow(); frames of it seen and not released */

	struct record_heartbeat heartbeat; /* the last one */
	unsigned heartbeats, farewells;
	struct record_heads heads[8]; /* by channel number, small ones */
	struct model_object *objects;
	struct model_manifest *manifests;
	struct model_window *windows;
	struct {
		uint32_t tag;
		struct record_close close;
	} early[MODEL_EARLY];
	unsigned early_count;
};

void model_open(struct model_rx *rx, const struct lane_plan *plan, void *index, void *slots,
		uint32_t ether_len, struct keys_box_secret *box,
		struct keys_sign_public *identity);
/* Rings were formatted anew for another source; what was received stays. */
void model_reattach(struct model_rx *rx, void *index, void *slots);
void model_close(struct model_rx *rx);

/* The sender is slow in a ring (1 + its number; 0: in none): the last frame stays in it. */
void model_slow(struct model_rx *rx, unsigned ring);

/* Take what is in the rings, at most `max` frames per lane. Returns frames taken. */
unsigned model_take(struct model_rx *rx, unsigned max);

/* Windows of the session of which frames came and no close record. What a source that was
 * killed had open stays open. */
unsigned model_unclosed(const struct model_rx *rx);

/* Decode all windows as far as possible and parse what was repaired. Returns the number of
 * source symbols that stay missing. */
unsigned model_decode(struct model_rx *rx);

/* Of channel 1. */
struct model_object *model_find(struct model_rx *rx, const char *path);
struct model_object *model_number(struct model_rx *rx, uint64_t chain, uint64_t number);
bool model_whole(const struct model_object *o);

/*
 * Check every manifest that is whole: signature, form, chain of hashes, and that each object
 * it names (channel 1) is here with the digest it says. Returns the number of objects verified; *count is
 * the number of manifests.
 */
unsigned model_verify(struct model_rx *rx, unsigned *count);

#endif
