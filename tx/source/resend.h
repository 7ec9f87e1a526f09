// SPDX-License-Identifier: ISC
/*
 * resend: works off one ticket on one channel. What the ticket names is looked up in the
 * manifests of the outbox, taken from sent/, checked against the digest that was signed, and
 * put into the channel's data windows again; then the manifests concerned go out again. What
 * is no longer kept, or is not what was signed, is said by name and not sent. It does not
 * read request files (tickets.h) and does not decide when it may run (files.c).
 * One thread. Memory of one manifest while a ticket is worked on.
 */
#ifndef RESEND_H
#define RESEND_H

#include <stdbool.h>
#include <stdint.h>

#include "feed.h"
#include "ledger_out.h"
#include "ticket.h"

/* The answer's text; a longer one ends by saying how many lines were left out. */
#define RESEND_TEXT_MAX 65536u
/* Bytes hashed per step while a file is checked. */
#define RESEND_CHECK_BYTES (1u << 20)
/* Manifests one ticket may concern beyond its objects: their repeats are cheap. */
#define RESEND_MANIFESTS_MAX 1024u

enum resend_state {
	RESEND_IDLE,
	RESEND_NEXT,   /* look for the next thing to send */
	RESEND_CHECK,  /* hashing the file */
	RESEND_FEED,   /* sending it */
	RESEND_LEDGER, /* the manifests concerned */
	RESEND_DONE,
};

struct resend {
	enum resend_state state;
	struct feed feed;
	struct channel *channel;
	struct ledger_out *ledger;
	int sent, outbox; /* borrowed */

	struct ticket ticket;
	uint64_t highest_manifest; /* of the ticket's chain */
	uint64_t left_objects;	   /* above this: still being sent, or never given out */
	unsigned item;
	uint64_t next; /* number within the item */

	/* The manifest in hand: its entries. */
	uint64_t manifest; /* 0 none */
	uint8_t *bytes, *scratch;
	struct manifest_entry *entry;
	size_t entries;

	struct digest_object *digest;
	const struct manifest_entry *object;
	int fd;
	uint64_t size, checked;

	uint64_t wanted[RESEND_MANIFESTS_MAX];
	unsigned wanted_count, wanted_at;

	char *text; /* the answer */
	size_t text_len;
	uint64_t lines_left_out;
	uint64_t run_first, run_last; /* numbers without a name, not yet told */
	uint64_t objects_sent, bytes_sent, not_kept;
};

KM_MUST_CHECK int resend_open(struct resend *resend, struct channel *channel,
			      struct ledger_out *ledger, struct counts *counts, int sent,
			      int outbox, struct readahead *readahead, struct km_err *err);
void resend_close(struct resend *resend);

/* Begin. chain is the present one, left_objects and highest its numbers. Not while busy. */
void resend_begin(struct resend *resend, const struct ticket *ticket, uint64_t chain,
		  uint64_t highest, uint64_t left_objects);

static inline bool resend_busy(const struct resend *resend)
{
	return resend->state != RESEND_IDLE && resend->state != RESEND_DONE;
}

/* True while it has something for the data stream now (not merely hashing). */
static inline bool resend_feeding(const struct resend *resend)
{
	return resend->state == RESEND_FEED;
}

/*
 * Go on; when feeding, a window must be open. KM_OK: a step was made (look at the state);
 * KM_ERR_FULL: come back; KM_ERR_EMPTY: open the next window.
 */
KM_MUST_CHECK enum km_rc resend_step(struct resend *resend, uint64_t bytes,
				     uint64_t now_ns);

#endif
