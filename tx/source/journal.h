// SPDX-License-Identifier: ISC
/*
 * journal: what a files channel must still know after kill -9 or a power cut: the chain's
 * id, the numbers given out, the head hashes, the batches whose frames have not all left,
 * and the numbers given up. One append-only file of the channel's state directory. Not the
 * manifests themselves (outbox.h) and not the files (spool.h).
 *
 * Format (docs/): the first line is "katamichi journal 1". Then entries:
 *
 *	T <bytes of the payload, decimal> <CRC-32 of the payload, 8 hex digits> LF payload
 *
 * A payload is one or more LF-ended lines that hold together or not at all:
 *
 *	C <chain> <objects> <manifests> <hash|-> <left> <hash|->   state as of here
 *	B <manifest> <first> <last>, then O lines: see batch.h     a claim
 *	W <number> <reason>                                        a number given up
 *	M <manifest> <hash>       its text is in the outbox, synced
 *	L <manifest>              all its frames have left
 *
 * Every entry is one write and one fdatasync, and nothing is appended behind an entry that
 * failed. So after a power cut only the last entry can be torn, in any way; it is cut off,
 * and as each step is taken only after its entry is safe, nothing is missing. A damaged
 * entry with sound ones behind it is therefore no power cut: the state is not valid.
 *
 * One thread. Blocks on the disk.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "batch.h"
#include "digest.h"
#include "km_err.h"

/* Batches claimed whose frames have not all left: the one being read and those whose last
 * frames are still in the rings. */
#define JOURNAL_LIVE_MAX 8u
/* Rewritten when it is this long and mostly history. */
#define JOURNAL_COMPACT_BYTES (1u << 20)
/* A sane journal never comes near it: eight claims of 4,096 paths and 16 MiB. */
#define JOURNAL_FILE_MAX ((size_t)128 << 20)

#define JOURNAL_NAME "journal"

struct journal_live {
	uint64_t manifest, first, last;
	off_t at; /* of the payload */
	size_t len;
	bool made; /* manifest in the outbox */
	uint8_t hash[DIGEST_LEN];
	uint8_t reason[WIRE_BATCH_OBJECTS_MAX]; /* of withdrawn numbers, 0 = not */
};

struct journal {
	int dir; /* borrowed */
	int fd;	 /* -1: must be rewritten before the next entry */
	off_t size;
	uint64_t chain;	    /* 0: no valid state */
	uint64_t objects;   /* highest number given out */
	uint64_t manifests; /* highest manifest made */
	uint8_t head[DIGEST_LEN];
	uint64_t left; /* highest manifest that has left */
	uint8_t left_hash[DIGEST_LEN];
	uint64_t left_objects; /* highest object number of a batch that has left */
	struct journal_live live[JOURNAL_LIVE_MAX]; /* oldest first */
	unsigned live_count;
};

enum journal_found {
	JOURNAL_NONE,	 /* there was no file */
	JOURNAL_SOUND,	 /* state taken over */
	JOURNAL_TORN,	 /* same, after cutting off a torn last entry */
	JOURNAL_DAMAGED, /* not valid; the file was set aside as journal.damaged */
};

/*
 * Read DIR/journal. *found says what was there; with NONE and DAMAGED journal->chain is 0 and
 * journal_start() must follow. -1 when the directory cannot be read or written.
 */
KM_MUST_CHECK int journal_open(struct journal *journal, int dir, enum journal_found *found,
			       struct km_err *err);
void journal_close(struct journal *journal);

/* Begin a new chain: the file is written anew. */
KM_MUST_CHECK int journal_start(struct journal *journal, uint64_t chain,
				struct km_err *err);

/*
 * Store a claim: batch->manifest and first are given here. KM-style -1 with err: nothing is
 * claimed and the batch has no numbers. Needs live_count < JOURNAL_LIVE_MAX.
 * text: scratch of BATCH_TEXT_MAX + 64 bytes.
 */
KM_MUST_CHECK int journal_claim(struct journal *journal, struct batch *batch, char *text,
				struct km_err *err);
KM_MUST_CHECK int journal_withdraw(struct journal *journal, uint64_t number, uint8_t reason,
				   struct km_err *err);
KM_MUST_CHECK int journal_made(struct journal *journal, uint64_t manifest,
			       const uint8_t hash[DIGEST_LEN], struct km_err *err);
/* Batches leave in order: `manifest` must be that of live[0]. */
KM_MUST_CHECK int journal_left(struct journal *journal, uint64_t manifest,
			       struct km_err *err);

/* Read the claim of live[i] back, withdrawn reasons included. text as above. */
KM_MUST_CHECK int journal_load(struct journal *journal, unsigned i, struct batch *batch,
			       char *text, struct km_err *err);

/* Rewrite when worth it. An error is not lost: the next entry tries again. */
KM_MUST_CHECK int journal_compact(struct journal *journal, bool force, struct km_err *err);

#endif
