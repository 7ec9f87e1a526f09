// SPDX-License-Identifier: ISC
/*
 * feed: one object on its way into a channel: its begin record once per window, then its
 * bytes, hashed on the way. Used for a batch (the whole file) and for a resend (an extent,
 * not hashed). It notices when the file is not what it was; what follows from that is the
 * caller's decision.
 *
 * The file is read by the piece, since a system call for each symbol costs as much as
 * sealing it. What is hashed is what was sent: both from the same memory, read once. The
 * leaves of a large file are hashed side by side (digest_many.h) when enough of them are in
 * memory, so a feed that finds the readahead free reads into that; else a piece of its own
 * serves, and its leaves are hashed one after the other.
 * One thread. Memory: FEED_PIECE, and the digest, one per object.
 */
#ifndef FEED_H
#define FEED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "channel.h"
#include "counts.h"
#include "digest.h"
#include "leaves.h"
#include "readahead.h"

/* Bytes per read: a share of the lane, so that a step reads once. */
#define FEED_PIECE (128u << 10)

enum feed_state {
	FEED_IDLE,
	FEED_READING,
	FEED_DONE,
};

struct feed {
	struct channel *channel;
	struct counts *counts;
	enum feed_state state;
	int fd;			   /* owned; -1 for a directory object */
	struct record_begin begin; /* path borrowed */
	uint64_t offset, end;
	uint64_t serial;	      /* window that has the begin record; 0 none */
	struct digest_object *digest; /* NULL: not hashed as a whole */
	struct leaves *leaves;	      /* borrowed: of a range; NULL: not hashed so */
	struct stat before;

	struct readahead *readahead; /* borrowed */
	uint8_t *piece;		     /* FEED_PIECE bytes */
	uint8_t *bytes;		     /* piece, or the readahead while it is ours */
	size_t room;		     /* of bytes */
	uint64_t base;		     /* offset in the file of bytes[0] */
	size_t loaded;		     /* bytes read of the file from base on */
};

/* Borrows channel, counts and readahead until feed_close(). KM_ERR_NOMEM. */
KM_MUST_CHECK enum km_rc feed_open(struct feed *feed, struct channel *channel,
				   struct counts *counts, struct readahead *readahead);
void feed_close(struct feed *feed);

/*
 * Begin an object. fd is taken (-1: a directory object), *st is what fstat() says of it; bytes [from, to) of it are sent,
 * to <= begin->size. begin->path stays the caller's until feed_end(). hash: make the digest
 * (from must be 0 and to the size). KM_ERR_STATE: the file has another size or is not regular;
 * KM_ERR_NOMEM.
 */
KM_MUST_CHECK enum km_rc feed_begin(struct feed *feed, int fd, const struct stat *st,
				    const struct record_begin *begin, uint64_t from,
				    uint64_t to, bool hash);

/* The same for a range of a large object of which others feed other ranges. leaves: begun, gets
 * the digests of its leaves; NULL: not hashed. Whether the file changed is the caller's to
 * look at, when all ranges are done. */
KM_MUST_CHECK enum km_rc feed_range(struct feed *feed, int fd, const struct stat *st,
				    const struct record_begin *begin, uint64_t from,
				    uint64_t to, struct leaves *leaves);

/* A range is done: its last leaves. */
void feed_range_end(struct feed *feed);

/*
 * Put more of it into the open window. KM_OK: all is in symbols. KM_ERR_FULL: no room, or
 * more than `bytes` were put by this call. KM_ERR_EMPTY: the window has ended, open the
 * next. KM_ERR_STATE: the file changed; KM_ERR_SYS: it cannot be read.
 */
KM_MUST_CHECK enum km_rc feed_step(struct feed *feed, uint64_t bytes, uint64_t now_ns);

/* The digest of a hashed object that is done. KM_ERR_STATE: the file changed meanwhile. */
KM_MUST_CHECK enum km_rc feed_digest(struct feed *feed, uint8_t digest[DIGEST_LEN]);

/* The file is what it was, as far as its inode tells. */
bool feed_unchanged(int fd, const struct stat *before);

/* Let go of the object, done or not. */
void feed_end(struct feed *feed);

/* Bytes still to be put. */
static inline uint64_t feed_left(const struct feed *feed)
{
	return feed->state == FEED_READING ? feed->end - feed->offset : 0;
}

#endif
