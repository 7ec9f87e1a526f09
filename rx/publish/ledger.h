// SPDX-License-Identifier: ISC
/*
 * ledger.h: what became of every object number of a channel, and which manifests are
 * stored: STATE/<channel>/{objects,manifests,heads}. The sum it keeps is
 *
 *	announced = published + quarantined + withdrawn + missing
 *
 * for each chain, where missing is what is left: a file whose every frame was lost is
 * still missed, because the heads and the manifests name its number. Append-only: a
 * receipt is never taken back; one of quarantine may be followed by one of release.
 *
 * rx publish; the commands read it beside a running daemon. One thread.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "append.h"
#include "digest.h"
#include "extents.h"

#define LEDGER_HEADS "heads" /* file */

/* Chains of a channel. A new one begins only when tx has lost its state. Those that only
 * unsigned records have named make room for others. */
#define LEDGER_CHAINS_MAX 256u

enum ledger_state {
	LEDGER_PUBLISHED = 1,
	LEDGER_QUARANTINED = 2,
	LEDGER_WITHDRAWN = 3,
	LEDGER_RELEASED =
		4, /* was quarantined, and is published: the second row of a number */
};

struct ledger_manifest {
	uint64_t number, first, last; /* object numbers */
	uint8_t hash[DIGEST_LEN];     /* of its text */
	uint8_t previous[DIGEST_LEN]; /* as it says itself */
};

struct ledger_chain {
	uint64_t id;
	uint64_t objects;   /* highest number heard of */
	uint64_t manifests; /* highest number heard of */
	uint8_t head[DIGEST_LEN];
	struct extents settled;	 /* object numbers with a receipt */
	struct extents released; /* of these, with a second one */
	struct extents stored;	 /* manifest numbers */
	struct extents told;	 /* missing manifests already said */
	uint64_t watched;	 /* manifests as of the last look at what is missing */
	uint64_t published, quarantined, withdrawn;
	struct ledger_manifest *manifest; /* by number */
	size_t n, cap;
};

struct ledger {
	struct append objects, manifests;
	int dir;				       /* borrowed */
	struct ledger_chain *chain[LEDGER_CHAINS_MAX]; /* by id */
	unsigned chains;
	bool heads_changed;
	bool bad; /* out of memory while reading */
};

struct ledger_receipt {
	enum ledger_state state;
	uint64_t chain, number;
	uint8_t reason; /* enum quarantine_reason, or why withdrawn */
	uint8_t digest[DIGEST_LEN];
	const uint8_t *path;
	size_t path_len;
};

struct ledger_sum {
	uint64_t announced, published, quarantined, withdrawn, missing;
	uint64_t manifests_stored, manifests_missing;
};

KM_MUST_CHECK int ledger_open(struct ledger *ledger, int dir, struct km_err *err);
KM_MUST_CHECK int ledger_open_existing(struct ledger *ledger, int dir, struct km_err *err);
void ledger_close(struct ledger *ledger);

/* The chain, made when `make` is set and there is room; NULL else. */
struct ledger_chain *ledger_chain(struct ledger *ledger, uint64_t id, bool make);

/* An object number was heard of. */
void ledger_note(struct ledger *ledger, uint64_t chain, uint64_t number);

/* Heads as tx told them; kept by ledger_save_heads(). */
void ledger_heads(struct ledger *ledger, uint64_t chain, uint64_t objects,
		  uint64_t manifests, const uint8_t head[DIGEST_LEN]);
KM_MUST_CHECK int ledger_save_heads(struct ledger *ledger, struct km_err *err);

/* The text of LEDGER_HEADS when it changed (to be freed), for a caller that writes it itself
 * and sets heads_changed again when it could not. NULL: unchanged, or no memory. */
char *ledger_take_heads(struct ledger *ledger, size_t *len);

bool ledger_settled(const struct ledger *ledger, uint64_t chain, uint64_t number);

/*
 * Counts a receipt and gathers its row; on disk after ledger_sync(). A number that has
 * one already is left alone. -1: out of memory.
 */
KM_MUST_CHECK int ledger_receipt(struct ledger *ledger,
				 const struct ledger_receipt *receipt);

/* Notes a manifest that is stored. KM_ERR_EXISTS: that number is there; KM_ERR_RANGE: its
 * object numbers do not lie between those of its neighbours. */
KM_MUST_CHECK enum km_rc ledger_store(struct ledger *ledger, uint64_t chain,
				      const struct ledger_manifest *m);

/* Same judgement without storing. */
KM_MUST_CHECK enum km_rc ledger_judge(const struct ledger *ledger, uint64_t chain,
				      const struct ledger_manifest *m);

KM_MUST_CHECK int ledger_sync(struct ledger *ledger, struct km_err *err);

/* Stored manifest `number`, or the one that covers object `number`; NULL. */
const struct ledger_manifest *ledger_manifest(const struct ledger *ledger, uint64_t chain,
					      uint64_t number);
const struct ledger_manifest *ledger_covering(const struct ledger *ledger, uint64_t chain,
					      uint64_t number);

/* Sums of all chains. */
void ledger_add_up(const struct ledger *ledger, struct ledger_sum *sum);

/* A receipt's row again, for `verify`: true when well formed. */
bool ledger_decode_receipt(struct ledger_receipt *receipt, const uint8_t *row, size_t len);
KM_MUST_CHECK int ledger_read_receipts(int dir, append_row_fn *fn, void *ctx,
				       struct km_err *err);

#endif
