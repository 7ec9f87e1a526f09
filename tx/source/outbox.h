// SPDX-License-Identifier: ISC
/*
 * outbox: a channel's manifests on disk, DIR/outbox/<chain>-<number>.manifest and the
 * .minisig beside it. A manifest is written and synced here before its first frame leaves,
 * and every later repeat sends these bytes again. Also the way from an object number back to
 * its name and digest (resend). It does not sign and does not send. One thread; blocks.
 */
#ifndef OUTBOX_H
#define OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "km_err.h"
#include "manifest.h"
#include "minisig.h"

/* The newest manifests always stay: they are what cycles in idle time. */
#define OUTBOX_KEEP 1000u

/* Write text and signature, both synced. */
KM_MUST_CHECK int outbox_write(int dir, uint64_t chain, uint64_t number, const char *text,
			       size_t len, const char *sig, size_t sig_len,
			       struct km_err *err);

/*
 * Read a manifest as it goes over the wire: u32 text length, text, signature file. *data is
 * the caller's (free). -1 when either file is not there or together they are too long.
 */
KM_MUST_CHECK int outbox_read(int dir, uint64_t chain, uint64_t number, uint8_t **data,
			      size_t *len, struct km_err *err);

/* First and last object of a stored manifest, from its head. */
KM_MUST_CHECK int outbox_range(int dir, uint64_t chain, uint64_t number, uint64_t *first,
			       uint64_t *last);

/*
 * Number of the manifest of `chain`, 1..highest, that covers object `number`; 0 = none kept. From
 * `number` up to *until the answer is the same.
 */
uint64_t outbox_find(int dir, uint64_t chain, uint64_t highest, uint64_t number,
		     uint64_t *until);

/* Highest manifest number of `chain` that is stored; 0 = none. */
uint64_t outbox_highest(int dir, uint64_t chain);

/*
 * Remove manifests that are older than keep_ns and not among the newest OUTBOX_KEEP of the
 * present chain. Returns how many went.
 */
unsigned outbox_prune(int dir, uint64_t chain, uint64_t highest, uint64_t keep_ns,
		      uint64_t now_real_ns);

#endif
