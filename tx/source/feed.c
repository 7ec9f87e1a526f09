// SPDX-License-Identifier: ISC
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "digest_many.h"
#include "feed.h"
#include "fileio.h"

enum km_rc feed_open(struct feed *feed, struct channel *channel, struct counts *counts,
		     struct readahead *readahead)
{
	memset(feed, 0, sizeof(*feed));
	feed->channel = channel;
	feed->counts = counts;
	feed->readahead = readahead;
	feed->fd = -1;
	feed->piece = malloc(FEED_PIECE);
	return feed->piece ? KM_OK : KM_ERR_NOMEM;
}

void feed_close(struct feed *feed)
{
	feed_end(feed);
	free(feed->piece);
	feed->piece = NULL;
}

void feed_end(struct feed *feed)
{
	km_close(&feed->fd);
	digest_object_free(feed->digest);
	feed->digest = NULL;
	feed->leaves = NULL;
	if (feed->bytes && feed->bytes != feed->piece)
		readahead_give(feed->readahead);
	feed->bytes = NULL;
	feed->state = FEED_IDLE;
	feed->serial = 0;
}

/* Where the file is read to. */
static void choose_memory(struct feed *feed)
{
	feed->bytes = NULL;
	feed->room = 0;
	if ((feed->digest || feed->leaves) && digest_is_tree(feed->begin.size) &&
	    digest_many_lanes() > 1)
		feed->bytes = readahead_take(feed->readahead, &feed->room);
	if (!feed->bytes) {
		feed->bytes = feed->piece;
		feed->room = FEED_PIECE;
	}
	feed->base = feed->offset;
	feed->loaded = 0;
}

enum km_rc feed_begin(struct feed *feed, int fd, const struct stat *st,
		      const struct record_begin *begin, uint64_t from, uint64_t to,
		      bool hash)
{
	feed_end(feed);
	feed->fd = fd;
	feed->begin = *begin;
	feed->offset = from;
	feed->end = to;
	if (fd >= 0)
		feed->before = *st;
	if (fd >= 0 && (!S_ISREG(st->st_mode) || (uint64_t)st->st_size != begin->size)) {
		feed_end(feed);
		return KM_ERR_STATE;
	}
	if (hash && fd >= 0) {
		feed->digest = digest_object_new(begin->size);
		if (!feed->digest) {
			feed_end(feed);
			return KM_ERR_NOMEM;
		}
	}
	choose_memory(feed);
	feed->state = FEED_READING;
	return KM_OK;
}

enum km_rc feed_range(struct feed *feed, int fd, const struct stat *st,
		      const struct record_begin *begin, uint64_t from, uint64_t to,
		      struct leaves *leaves)
{
	const enum km_rc rc = feed_begin(feed, fd, st, begin, from, to, false);

	if (rc != KM_OK || !leaves)
		return rc;
	feed->leaves = leaves;
	choose_memory(feed);
	return KM_OK;
}

/* All in memory is in symbols: hash what was not hashed when it was read, and let it go. */
static void turn(struct feed *feed)
{
	if (feed->bytes != feed->piece && feed->leaves)
		leaves_update(feed->leaves, feed->bytes, feed->loaded);
	else if (feed->bytes != feed->piece)
		digest_many_update(feed->digest, feed->bytes, feed->loaded);
	feed->base += feed->loaded;
	feed->loaded = 0;
}

/* Read on: KM_ERR_SYS, KM_ERR_STATE (the file is shorter). */
static enum km_rc load(struct feed *feed)
{
	const uint64_t left = feed->end - feed->offset;
	size_t want = left < FEED_PIECE ? (size_t)left : FEED_PIECE;
	uint8_t *at;
	ssize_t n;

	if (feed->bytes == feed->piece || feed->loaded == feed->room)
		turn(feed);
	if (want > feed->room - feed->loaded)
		want = feed->room - feed->loaded;
	at = feed->bytes + feed->loaded;
	n = fileio_pread_full(feed->fd, at, want, (off_t)feed->offset);
	if (n < 0 || (size_t)n != want)
		return n < 0 ? KM_ERR_SYS : KM_ERR_STATE;
	if (feed->digest && feed->bytes == feed->piece)
		digest_object_update(feed->digest, at, want);
	if (feed->leaves && feed->bytes == feed->piece)
		leaves_update(feed->leaves, at, want);
	feed->loaded += want;
	return KM_OK;
}

/* One fragment: header, then the file's bytes. */
static enum km_rc fragment(struct feed *feed, uint64_t now_ns)
{
	uint64_t there = feed->base + feed->loaded - feed->offset;
	uint8_t *data;
	size_t taken;
	enum km_rc rc;

	if (there == 0) {
		rc = load(feed);
		if (rc != KM_OK)
			return rc;
		there = feed->base + feed->loaded - feed->offset;
	}

	rc = channel_fragment(feed->channel, feed->begin.chain, feed->begin.number,
			      feed->offset,
			      there < WIRE_SYMBOL_MAX ? (size_t)there : WIRE_SYMBOL_MAX,
			      &data, &taken, now_ns);
	if (rc != KM_OK)
		return rc == KM_ERR_STATE ? KM_ERR_EMPTY : rc;
	memcpy(data, feed->bytes + (feed->offset - feed->base), taken);
	feed->offset += taken;
	feed->counts->bytes_read += taken;
	return KM_OK;
}

enum km_rc feed_step(struct feed *feed, uint64_t bytes, uint64_t now_ns)
{
	const uint64_t start = feed->offset;

	if (feed->state != FEED_READING)
		return feed->state == FEED_DONE ? KM_OK : KM_ERR_RANGE;
	for (;;) {
		enum km_rc rc;

		if (feed->channel->block.phase != BLOCK_OPEN)
			return KM_ERR_EMPTY;
		if (feed->serial != feed->channel->serial) {
			rc = channel_begin(feed->channel, &feed->begin, now_ns);
			if (rc != KM_OK)
				return rc == KM_ERR_STATE ? KM_ERR_EMPTY : rc;
			feed->serial = feed->channel->serial;
		}
		if (feed->offset == feed->end) {
			feed->state = FEED_DONE;
			return KM_OK;
		}
		if (feed->offset - start > bytes)
			return KM_ERR_FULL;
		rc = fragment(feed, now_ns);
		if (rc != KM_OK)
			return rc;
	}
}

void feed_range_end(struct feed *feed)
{
	if (!feed->leaves)
		return;
	turn(feed);
	leaves_end(feed->leaves);
	feed->leaves = NULL;
}

bool feed_unchanged(int fd, const struct stat *a)
{
	struct stat b;

	return fstat(fd, &b) == 0 && a->st_size == b.st_size &&
	       a->st_mtim.tv_sec == b.st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b.st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b.st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

enum km_rc feed_digest(struct feed *feed, uint8_t digest[DIGEST_LEN])
{
	if (feed->state != FEED_DONE || !feed->digest)
		return KM_ERR_RANGE;
	if (!feed_unchanged(feed->fd, &feed->before))
		return KM_ERR_STATE;
	turn(feed);
	return digest_object_end(feed->digest, digest) == KM_OK ? KM_OK : KM_ERR_STATE;
}
