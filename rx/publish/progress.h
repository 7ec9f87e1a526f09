// SPDX-License-Identifier: ISC
/*
 * progress.h: what must not be forgotten about objects in progress,
 * STATE/<channel>/progress: begin records and the ranges that are in the part files.
 * Rows are written (not synced) before the message they come from is released: a killed
 * publish loses nothing. A power cut is another matter: a row may be on disk before the
 * bytes it lists. Therefore ranges are written twice, as EXTENT when in the page cache
 * and as SAFE after fdatasync of the part file; the first row names the boot, and only
 * the rows of this boot's EXTENT count.
 *
 * rx publish; `missing` reads it beside a running daemon.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdint.h>

#include "append.h"
#include "shelf.h"

/* Written anew when it has grown to this beyond its last fresh size. */
#define PROGRESS_GROWTH (UINT64_C(16) << 20)

/*
 * Smaller objects are cheaper to send again than to sync every few seconds: their one sync
 * comes when they are whole.
 */
#define PROGRESS_SAFE_FROM (UINT64_C(1) << 20)

struct progress {
	struct append log;
	int dir;	/* STATE/<channel>, borrowed */
	uint64_t fresh; /* size after it was last written anew */
};

/*
 * Reads the file into an empty shelf (which has its incoming directory), drops ranges
 * whose bytes are not there, and writes it anew.
 */
KM_MUST_CHECK int progress_open(struct progress *p, int dir, struct shelf *shelf,
				struct km_err *err);

/* Only reads. */
KM_MUST_CHECK int progress_read(int dir, struct shelf *shelf, struct km_err *err);

/* Rows; gathered until progress_flush(). -1: out of memory. */
KM_MUST_CHECK int progress_begin(struct progress *p, const struct object *o);
KM_MUST_CHECK int progress_extent(struct progress *p, const struct object *o, uint64_t from,
				  uint64_t to);
KM_MUST_CHECK int progress_done(struct progress *p, const struct object *o);

KM_MUST_CHECK int progress_flush(struct progress *p, struct km_err *err);

/* SAFE rows of ranges that are on the disk. -1: out of memory. */
KM_MUST_CHECK int progress_safe(struct progress *p, const struct object *o,
				const struct extents *set);

/* Writes the file anew when it has grown. Waits for the disk, once in many thousand rows. */
KM_MUST_CHECK int progress_tidy(struct progress *p, struct shelf *shelf,
				struct km_err *err);

/*
 * Everything to disk, waiting for it: fdatasync of what is large, SAFE rows, the file. At
 * the end of a run; durable.h does the same in the background.
 */
KM_MUST_CHECK int progress_sync(struct progress *p, struct shelf *shelf,
				struct km_err *err);

void progress_close(struct progress *p);

#endif
