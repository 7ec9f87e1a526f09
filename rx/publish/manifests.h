// SPDX-License-Identifier: ISC
/*
 * manifests.h: signed manifests, from complete bytes to the commit point. The order is
 * the promise: signature over a private copy first, only then the parser, then whether
 * it is what it says, then the chain, then ROOT/manifests and its fsync. From there on
 * every object it names may appear under its name, and a restart goes on from what is
 * stored.
 *
 * Reassembly is not here: a manifest's bytes come as an object of kind OBJECT_MANIFEST.
 * rx publish; one thread.
 */
#ifndef MANIFESTS_H
#define MANIFESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow.h"

enum manifests_verdict {
	MANIFESTS_STORED,  /* new, stored, its objects are queued */
	MANIFESTS_KNOWN,   /* the same bytes were stored before */
	MANIFESTS_REFUSED, /* signature or form: not believed; may come again */
	MANIFESTS_FORK,	   /* rightly signed, but another of its name is stored */
	MANIFESTS_LATER,   /* could not be stored now (disk): try again */
};

/*
 * Everything that is judged without any state, for `verify` and the fuzz target too:
 * signature of TEXT by SIG, form, and that it is (channel, chain, number).
 * KM_ERR_AUTH, KM_ERR_NOTFOUND (unknown key), KM_ERR_MALFORMED. M's buffers are made
 * here if need be.
 */
KM_MUST_CHECK enum km_rc manifests_check(struct flow_manifest *m,
					 const struct flow_shared *shared, uint16_t channel,
					 uint64_t chain, uint64_t number, const char *text,
					 size_t text_len, const char *sig, size_t sig_len);

/* The complete transfer bytes (u32 text length, text, signature) in the part file of O.
 * Says everything that is to be said; the caller drops O unless MANIFESTS_LATER. */
KM_MUST_CHECK enum manifests_verdict manifests_accept(struct flow *flow, struct object *o);

/* A stored manifest, read again if need be; borrowed until the next call. NULL: cannot be
 * read, or is not what the ledger remembers (said). */
const struct flow_manifest *manifests_get(struct flow *flow, uint64_t chain,
					  uint64_t number);

/* The entry of an object number in a stored manifest; borrowed likewise. */
const struct manifest_entry *manifests_entry(struct flow *flow, uint64_t chain,
					     uint64_t number);

/* Whether bytes [offset, offset + len) of the transfer form equal what is stored. */
bool manifests_same(struct flow *flow, uint64_t chain, uint64_t number, uint64_t total,
		    uint64_t offset, const uint8_t *p, size_t len);

/*
 * Start: takes stored files that the ledger does not list yet, queues what is
 * unsettled.
 */
KM_MUST_CHECK int manifests_resume(struct flow *flow, struct km_err *err);

void manifests_free(struct flow_shared *shared);
void manifests_free_one(struct flow_manifest *m);

/* The keys whose signatures are believed: those of `trust` and those of `retired`. */
KM_MUST_CHECK int manifests_load_keys(struct flow_shared *shared,
				      const struct rx_config *config, struct km_err *err);

#endif
