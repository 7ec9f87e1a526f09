// SPDX-License-Identifier: ISC
#include "spread.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fileio.h"

int spread_open(struct spread *s, struct crew *crew, struct channel *channel,
		unsigned depth_max, struct km_err *err)
{
	memset(s, 0, sizeof(*s));
	s->fd = -1;
	s->crew = crew;
	s->channel = channel;
	s->depth_max = depth_max;
	if (crew->count == 0)
		return 0;
	s->leaf = calloc((size_t)SPREAD_SLOTS * WORKER_LEAVES_MAX, sizeof(*s->leaf));
	s->root = digest_new();
	if (!s->leaf || !s->root || leaves_open(&s->leaves) != KM_OK)
		return km_err_set(err, EX_OSERR, "workers: out of memory");
	return 0;
}

void spread_close(struct spread *s)
{
	spread_drop(s);
	free(s->leaf);
	s->leaf = NULL;
	digest_free(s->root);
	s->root = NULL;
	leaves_close(&s->leaves);
}

static uint64_t div_up(uint64_t a, uint64_t b)
{
	/* Never 0: spread_fits() came first. NOLINTNEXTLINE(clang-analyzer-core.DivideZero) */
	return a / b + (a % b != 0);
}

uint64_t spread_range(uint64_t size, uint64_t window, unsigned workers)
{
	uint64_t most = window / WIRE_TREE_LEAF * WIRE_TREE_LEAF, n;

	if (most > (uint64_t)WORKER_LEAVES_MAX * WIRE_TREE_LEAF)
		most = (uint64_t)WORKER_LEAVES_MAX * WIRE_TREE_LEAF;
	if (workers < 2 || most == 0 || !digest_is_tree(size))
		return 0;
	n = div_up(div_up(size, most), workers) * workers;
	return div_up(div_up(size, n), WIRE_TREE_LEAF) * WIRE_TREE_LEAF;
}

static uint64_t range_of(const struct spread *s, uint64_t size)
{
	const struct block_geometry *geo = &s->channel->block.geo;
	const uint64_t symbol = geo->symbol - CHANNEL_FRAGMENT_BYTES;
	const unsigned workers = s->crew->count + 1;
	uint64_t window = (uint64_t)s->depth_max * geo->k * symbol;

	/* all windows together are meant for no more than `flush` */
	if (window > s->channel->ahead_bytes / workers)
		window = s->channel->ahead_bytes / workers;
	/* and the begin record, of the longest path, goes along */
	window = window > WIRE_PATH_MAX + symbol ? window - WIRE_PATH_MAX - symbol : 0;
	return spread_range(size, window, workers);
}

bool spread_fits(const struct spread *s, uint64_t size)
{
	return s->crew->count > 0 && range_of(s, size) > 0;
}

void spread_begin(struct spread *s, int fd, const struct stat *before,
		  const struct record_begin *begin, bool hash)
{
	s->on = true;
	s->fd = fd;
	s->before = *before;
	s->begin = *begin;
	s->range = range_of(s, begin->size);
	s->ranges = div_up(begin->size, s->range);
	s->handed = s->folded = 0;
	memset(s->slot, 0, sizeof(s->slot));
	s->hash = hash;
	s->mine = false;
	/* another size than was claimed: it is not that file any more */
	s->failed = (uint64_t)before->st_size == begin->size ? KM_OK : KM_ERR_STATE;
	digest_tree_begin(s->root);
}

static uint64_t from_of(const struct spread *s, uint64_t n)
{
	return n * s->range;
}

static uint64_t to_of(const struct spread *s, uint64_t n)
{
	return n + 1 == s->ranges ? s->begin.size : (n + 1) * s->range;
}

static uint8_t (*leaf_of(const struct spread *s, uint64_t n))[DIGEST_LEN]
{
	return s->leaf + n % SPREAD_SLOTS * WORKER_LEAVES_MAX;
}

static bool more(const struct spread *s)
{
	return s->on && s->failed == KM_OK && s->handed < s->ranges &&
	       s->handed - s->folded < SPREAD_SLOTS;
}

/* Range n is through: into the digest, as far as all before it are. */
static void done(struct spread *s, uint64_t n, enum km_rc rc, unsigned leaves)
{
	s->slot[n % SPREAD_SLOTS] = SPREAD_DONE;
	if (rc == KM_OK && s->hash &&
	    leaves != digest_leaf_count((size_t)(to_of(s, n) - from_of(s, n))))
		rc = KM_ERR_STATE;
	if (rc != KM_OK && s->failed == KM_OK)
		s->failed = rc;
	for (; s->folded < s->handed && s->slot[s->folded % SPREAD_SLOTS] == SPREAD_DONE;
	     s->folded++) {
		const uint64_t bytes = to_of(s, s->folded) - from_of(s, s->folded);

		s->slot[s->folded % SPREAD_SLOTS] = SPREAD_FREE;
		for (size_t i = 0; s->hash && i < digest_leaf_count((size_t)bytes); i++)
			digest_tree_leaf(s->root, leaf_of(s, s->folded)[i]);
	}
}

static void collect(struct spread *s)
{
	for (unsigned i = 0; i < s->crew->count; i++) {
		struct worker *w = &s->crew->worker[i];

		if (worker_state(w) == WORKER_DONE && w->job.owner == s)
			done(s, w->job.from / s->range, worker_take(w), w->leaves.count);
	}
}

void spread_tick(struct spread *s)
{
	struct worker *w;

	if (!s->on)
		return;
	collect(s);
	while (more(s) && (w = crew_idle(s->crew))) {
		const uint64_t n = s->handed;
		const struct worker_job job = {
			.owner = s,
			.helped = s->channel,
			.depth_max = s->depth_max,
			.fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0),
			.before = s->before,
			.begin = s->begin,
			.from = from_of(s, n),
			.to = to_of(s, n),
			.leaf = s->hash ? leaf_of(s, n) : NULL,
		};

		/* out of descriptors or memory: the loop goes on alone until there are some */
		if (job.fd < 0 || crew_give(s->crew, w, &job) != KM_OK)
			return;
		s->slot[n % SPREAD_SLOTS] = SPREAD_GIVEN;
		s->handed++;
	}
}

enum spread_next spread_next(struct spread *s, struct feed *feed)
{
	int fd;

	if (s->mine)
		return SPREAD_FEED;
	if (!more(s)) {
		if (s->folded == s->handed &&
		    (s->failed != KM_OK || s->handed == s->ranges))
			return SPREAD_OVER;
		return SPREAD_WAIT;
	}
	fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return SPREAD_WAIT;
	s->own = s->handed;
	if (s->hash)
		leaves_begin(&s->leaves, leaf_of(s, s->own));
	if (feed_range(feed, fd, &s->before, &s->begin, from_of(s, s->own),
		       to_of(s, s->own), s->hash ? &s->leaves : NULL) != KM_OK)
		return SPREAD_WAIT;
	s->slot[s->own % SPREAD_SLOTS] = SPREAD_GIVEN;
	s->handed++;
	s->mine = true;
	return SPREAD_FEED;
}

void spread_fed(struct spread *s, enum km_rc rc)
{
	s->mine = false;
	done(s, s->own, rc, s->leaves.count);
}

enum km_rc spread_end(struct spread *s, uint8_t digest[DIGEST_LEN])
{
	enum km_rc rc = s->failed;

	if (rc == KM_OK && !feed_unchanged(s->fd, &s->before))
		rc = KM_ERR_STATE;
	if (rc == KM_OK && s->hash)
		digest_end(s->root, digest);
	spread_drop(s);
	return rc;
}

void spread_drop(struct spread *s)
{
	km_close(&s->fd);
	s->on = s->mine = false;
}
