// SPDX-License-Identifier: ISC
/*
 * spread: one large object over all workers, in ranges of whole leaves. The ranges are of one
 * size, none longer than a window, a multiple of the workers in number, so that all have
 * windows of about one depth on their way at once. The loop takes ranges as any worker does
 * (files.c feeds them). The digest is the root over the leaves in their order, whoever hashed
 * them. It does not open files and does not decide what follows from a file that changed.
 * The loop's thread.
 */
#ifndef SPREAD_H
#define SPREAD_H

#include "crew.h"

/* Ranges handed out and not yet part of the digest: a slow one holds back no more than the
 * other workers do meanwhile. */
#define SPREAD_SLOTS (2u * LANE_WORKERS_MAX)

enum spread_next {
	SPREAD_FEED, /* the feed has a range: the loop's turn */
	SPREAD_WAIT, /* nothing for the loop now */
	SPREAD_OVER, /* all are back: spread_end() */
};

struct spread {
	struct crew *crew;
	struct channel *channel; /* the loop's: whom the workers help */
	unsigned depth_max;	 /* of a window of one worker */
	bool on;
	int fd; /* owned while on */
	struct stat before;
	struct record_begin begin;
	uint64_t range; /* bytes of each but the last */
	uint64_t ranges, handed, folded;
	enum { SPREAD_FREE, SPREAD_GIVEN, SPREAD_DONE } slot[SPREAD_SLOTS];
	uint8_t (*leaf)[DIGEST_LEN]; /* WORKER_LEAVES_MAX for each slot; NULL: no workers */
	struct digest *root;
	struct leaves leaves; /* of the loop's own range */
	bool hash, mine;
	uint64_t own; /* number of the loop's own range, while mine */
	enum km_rc failed;
};

KM_MUST_CHECK int spread_open(struct spread *spread, struct crew *crew,
			      struct channel *channel, unsigned depth_max,
			      struct km_err *err);
void spread_close(struct spread *spread);

/* Pure: bytes of a range of an object of `size`, 0: it is not worth it or does not fit.
 * window: bytes of objects that a window of one worker takes. */
uint64_t spread_range(uint64_t size, uint64_t window, unsigned workers);

/* Whether this object is to be spread. */
bool spread_fits(const struct spread *spread, uint64_t size);
/* Begin. fd is taken; path of begin borrowed until spread_end() or spread_drop(). */
void spread_begin(struct spread *spread, int fd, const struct stat *before,
		  const struct record_begin *begin, bool hash);

/* Take back what workers have done, give them more. Each turn of the loop. */
void spread_tick(struct spread *spread);
/* What the loop is to do. An idle feed gets the next range. */
enum spread_next spread_next(struct spread *spread, struct feed *feed);
/* The loop's range is through, or has failed. */
void spread_fed(struct spread *spread, enum km_rc rc);

/* The end. KM_OK with the digest, if it was hashed; KM_ERR_STATE: the file changed; KM_ERR_SYS: it
 * could not be read. */
KM_MUST_CHECK enum km_rc spread_end(struct spread *spread, uint8_t digest[DIGEST_LEN]);
/* Forget it; no worker may have a job of it. */
void spread_drop(struct spread *spread);

#endif
