// SPDX-License-Identifier: ISC
/*
 * The epoch that outlives everything: seconds, strictly rising over all sessions
 * this tx ever opened. The next one is the greater of the stored one plus one and
 * the wall clock, and is on disk before anybody hears of it.
 *
 * Two slots of 64 bytes written in turn, each with its own checksum, through a
 * descriptor opened at start: a power cut spoils at most the slot being written, and
 * the signer never opens a file after load.
 */
#ifndef EPOCH_H
#define EPOCH_H

#include <stdint.h>

#include "km_err.h"

#define EPOCH_SLOT_LEN 64u

struct epoch {
	int fd;
	uint64_t value; /* the highest ever given out; 0 = none */
	unsigned slot;	/* the slot that holds it; the other is written next */
};

/* Open or create DIR/epoch (DIR is created too). A file in which no slot is
 * valid is refused (EX_DATAERR) unless it is new: an epoch must not go back. */
KM_MUST_CHECK int epoch_open(struct epoch *e, const char *dir, struct km_err *err);
void epoch_close(struct epoch *e);

/* The value again, from the open file: another process gave out epochs meanwhile. */
KM_MUST_CHECK int epoch_look(struct epoch *e, struct km_err *err);

/* Give out the next epoch for wall clock NOW_S: stored and synced when 0 is returned. */
KM_MUST_CHECK int epoch_next(struct epoch *e, uint64_t now_s, uint64_t *epoch,
			     struct km_err *err);

#endif
