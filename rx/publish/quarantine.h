// SPDX-License-Identifier: ISC
/*
 * quarantine.h: where what was refused goes, with the reason beside it:
 * .quarantine/<chain>-<number>.part and .reason. Content that was never verified keeps
 * mode 0600 and never leaves this directory by itself. Bounded in number: beyond it the
 * reason alone is kept in the ledger and the log.
 *
 * rx publish; one thread.
 */
#ifndef QUARANTINE_H
#define QUARANTINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "km_err.h"

/* Entries of one channel; a hostile sender must not fill a directory without end. */
#define QUARANTINE_MAX 10000u

/* Stored in receipts: never renumber. */
enum quarantine_reason {
	QUARANTINE_DIGEST = 1,	  /* content differs from the signed digest */
	QUARANTINE_NAME = 2,	  /* begin record and manifest disagree on the path */
	QUARANTINE_TAKEN = 3,	  /* the name exists and is not ours */
	QUARANTINE_DIRECTORY = 4, /* a directory has the name */
	QUARANTINE_PARENT = 5,	  /* a file has the name of a parent directory */
	QUARANTINE_REFUSED = 6,	  /* replace = refuse, and a generation is there */
	QUARANTINE_SIGNATURE = 7, /* manifest: signature refused */
	QUARANTINE_MALFORMED = 8, /* manifest: does not parse, or says it is another */
	QUARANTINE_FORK = 9,	  /* manifest: another of this name is stored */
	QUARANTINE_KIND = 10,	  /* begin record and manifest disagree on the kind */
	QUARANTINE_BUSY = 11,	  /* somebody else holds the part file open */
	QUARANTINE_STRAY = 12,	  /* not a verdict: a crash left it, and nothing knows it */
	QUARANTINE_SCAN_REJECT = 13,  /* scan: rejected */
	QUARANTINE_SCAN_ERROR = 14,   /* scan: no verdict */
	QUARANTINE_SCAN_TIMEOUT = 15, /* scan: none in time */
};

/* One sentence for people. */
const char *quarantine_text(uint8_t reason);

/*
 * Moves dirfd/name to .quarantine/<as> and writes <as>.reason. A name that is not there
 * any more is no error (a restart comes by again). `path` may be NULL. 0, or -1 when the
 * move itself failed; a reason that cannot be written (full disk) is left out.
 */
KM_MUST_CHECK int quarantine_move(int quarantine, int from, const char *name,
				  const char *as, uint8_t reason, const uint8_t *path,
				  size_t path_len, struct km_err *err);

/* The same with one line more: what the scanner said (bytes, quoted here); may be NULL. */
KM_MUST_CHECK int quarantine_move_said(int quarantine, int from, const char *name,
				       const char *as, uint8_t reason, const char *says,
				       const uint8_t *path, size_t path_len,
				       struct km_err *err);

/* True when .quarantine holds <as> already. */
bool quarantine_holds(int quarantine, const char *as);

#endif
