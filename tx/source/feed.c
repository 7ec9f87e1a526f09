// SPDX-License-Identifier: ISC
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "feed.h"
#include "fileio.h"

void feed_init(struct feed *feed, struct channel *channel, struct counts *counts)
{
	memset(feed, 0, sizeof(*feed));
	feed->channel = channel;
	feed->counts = counts;
	feed->fd = -1;
}

void feed_end(struct feed *feed)
{
	km_close(&feed->fd);
	digest_object_free(feed->digest);
	feed->digest = NULL;
	feed->state = FEED_IDLE;
	feed->serial = 0;
}

enum km_rc feed_begin(struct feed *feed, int fd, const struct record_begin *begin,
		      uint64_t from, uint64_t to, bool hash)
{
	feed_end(feed);
	feed->fd = fd;
	feed->begin = *begin;
	feed->offset = from;
	feed->end = to;
	if (fd >= 0 && (fstat(fd, &feed->before) != 0 || !S_ISREG(feed->before.st_mode) ||
			(uint64_t)feed->before.st_size != begin->size)) {
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
	feed->state = FEED_READING;
	return KM_OK;
}

/* One fragment: header, then the file's bytes straight into the symbol. */
static enum km_rc fragment(struct feed *feed, uint64_t now_ns)
{
	const uint64_t left = feed->end - feed->offset;
	const size_t want = left < WIRE_SYMBOL_MAX ? (size_t)left : WIRE_SYMBOL_MAX;
	uint8_t *data;
	size_t taken;
	ssize_t n;
	enum km_rc rc;

	rc = channel_fragment(feed->channel, feed->begin.chain, feed->begin.number,
			      feed->offset, want, &data, &taken, now_ns);
	if (rc != KM_OK)
		return rc == KM_ERR_STATE ? KM_ERR_EMPTY : rc;
	n = fileio_pread_full(feed->fd, data, taken, (off_t)feed->offset);
	if (n < 0 || (size_t)n != taken) {
		channel_undo(feed->channel);
		return n < 0 ? KM_ERR_SYS : KM_ERR_STATE;
	}
	if (feed->digest)
		digest_object_update(feed->digest, data, taken);
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

enum km_rc feed_digest(struct feed *feed, uint8_t digest[DIGEST_LEN])
{
	const struct stat *a = &feed->before;
	struct stat b;

	if (feed->state != FEED_DONE || !feed->digest)
		return KM_ERR_RANGE;
	if (fstat(feed->fd, &b) != 0 || a->st_size != b.st_size ||
	    a->st_mtim.tv_sec != b.st_mtim.tv_sec ||
	    a->st_mtim.tv_nsec != b.st_mtim.tv_nsec ||
	    a->st_ctim.tv_sec != b.st_ctim.tv_sec ||
	    a->st_ctim.tv_nsec != b.st_ctim.tv_nsec)
		return KM_ERR_STATE;
	return digest_object_end(feed->digest, digest) == KM_OK ? KM_OK : KM_ERR_STATE;
}
