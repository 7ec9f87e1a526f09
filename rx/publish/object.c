// SPDX-License-Identifier: ISC
#include "object.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "digest_many.h"
#include "fileio.h"

/*
 * Kick off write-back of this much at a time, so that the last fdatasync finds little
 * to do.
 */
#define OBJECT_WRITE_BACK (UINT64_C(8) << 20)

/* Another object gets the stage when it asked so often and nothing came for this one. */
#define OBJECT_STAGE_PATIENCE 64u

/*
 * The stage: bytes [from, from + len) of one tree, as they were written to its file and not
 * hashed yet; from is what it has hashed.
 */
static struct {
	const struct object *owner; /* NULL: free */
	uint64_t from;
	size_t len;
	unsigned denied;
	uint8_t *bytes;
} stage;

struct object *object_new(enum object_what what, uint64_t chain, uint64_t number)
{
	struct object *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->what = what;
	o->chain = chain;
	o->number = number;
	o->fd = -1;
	o->tried = UINT64_MAX;
	return o;
}

void object_free(struct object *o)
{
	if (!o)
		return;
	if (stage.owner == o)
		stage.owner = NULL;
	km_close(&o->fd);
	extents_free(&o->have);
	extents_free(&o->safe);
	extents_free(&o->sync_of);
	digest_object_free(o->hasher);
	free(o->path);
	free(o->scan_says);
	free(o);
}

void object_part_name(char out[OBJECT_PART_NAME_MAX], enum object_what what, uint64_t chain,
		      uint64_t number)
{
	snprintf(out, OBJECT_PART_NAME_MAX, "%" PRIu64 "-%" PRIu64 "%s.part", chain, number,
		 what == OBJECT_MANIFEST ? ".manifest" : "");
}

enum km_rc object_begin(struct object *o, uint8_t kind, uint64_t size, int64_t mtime_s,
			uint32_t mtime_ns, const uint8_t *path, size_t path_len)
{
	if (o->begun) {
		bool same = o->kind == kind && o->size == size && o->mtime_s == mtime_s &&
			    o->mtime_ns == mtime_ns && o->path_len == path_len &&
			    memcmp(o->path, path, path_len) == 0;

		return same ? KM_OK : KM_ERR_EXISTS;
	}
	if (extents_end(&o->have) > size)
		return KM_ERR_RANGE;
	o->path = malloc(path_len + 1);
	if (!o->path)
		return KM_ERR_NOMEM;
	if (path_len > 0)
		memcpy(o->path, path, path_len);
	o->path[path_len] = 0;
	o->path_len = path_len;
	o->kind = kind;
	o->size = size;
	o->mtime_s = mtime_s;
	o->mtime_ns = mtime_ns;
	o->begun = true;
	return KM_OK;
}

int object_open(struct object *o, int incoming)
{
	char name[OBJECT_PART_NAME_MAX];

	if (o->fd >= 0)
		return 0;
	object_part_name(name, o->what, o->chain, o->number);
	o->fd = fileio_open_beneath(incoming, name, O_RDWR | O_CREAT, 0600);
	if (o->fd < 0)
		return -1;
	o->made = true;
	return 0;
}

bool object_complete(const struct object *o)
{
	return o->begun && extents_covers(&o->have, 0, o->size);
}

/* A digest context when the size is known: the kind of digest depends on it. */
static bool object_can_hash(struct object *o)
{
	if (!o->begun || o->digested || o->what == OBJECT_MANIFEST)
		return false;
	if (!o->hasher)
		o->hasher = digest_object_new(o->size);
	return o->hasher != NULL;
}

static enum km_rc object_finish_digest(struct object *o)
{
	enum km_rc rc;

	if (o->hashed != o->size || !object_can_hash(o))
		return KM_OK;
	rc = digest_object_end(o->hasher, o->digest);
	digest_object_free(o->hasher);
	o->hasher = NULL;
	if (rc == KM_OK)
		o->digested = true;
	return rc;
}

/* Leaves of O are hashed side by side: it is a tree, and there are lanes. */
static bool object_has_lanes(struct object *o)
{
	return object_can_hash(o) && digest_is_tree(o->size) && digest_many_lanes() > 1;
}

/* O gets the stage, with what is in the file and not hashed. False: not now. */
static bool object_take_stage(struct object *o, uint64_t at)
{
	const uint64_t behind = at - o->hashed;

	if (stage.owner && ++stage.denied < OBJECT_STAGE_PATIENCE)
		return false;
	if (!stage.bytes || (behind > 0 && o->fd < 0))
		return false;
	stage.owner = NULL; /* its bytes are in its file */
	if (fileio_pread_full(o->fd, stage.bytes, (size_t)behind, (off_t)o->hashed) !=
	    (ssize_t)behind)
		return false;
	stage.owner = o;
	stage.from = o->hashed;
	stage.len = (size_t)behind;
	stage.denied = 0;
	return true;
}

int object_stage_make(struct km_err *err)
{
	if (stage.bytes || digest_many_lanes() < 2)
		return 0;
	stage.bytes = malloc(DIGEST_FILE_GROUP);
	if (!stage.bytes)
		return km_err_set(err, EX_OSERR, "out of memory for leaves to be hashed");
	/* No page fault later. Of malloc and memset the compiler makes a calloc, which leaves
	 * them all to come. */
	explicit_bzero(stage.bytes, DIGEST_FILE_GROUP);
	return 0;
}

uint8_t *object_stage(struct object *o, uint64_t at, size_t *room)
{
	if (stage.owner == o) {
		if (at != stage.from + stage.len)
			return NULL;
	} else if (!object_has_lanes(o) || extents_run(&o->have, 0) != at ||
		   o->hashed % WIRE_TREE_LEAF || at - o->hashed >= DIGEST_FILE_GROUP ||
		   !object_take_stage(o, at)) {
		return NULL;
	}
	*room = DIGEST_FILE_GROUP - stage.len;
	return stage.bytes + stage.len;
}

/* Bytes of the stage's owner were written. */
static enum km_rc object_staged(struct object *o, size_t len)
{
	stage.len += len;
	stage.denied = 0;
	if (stage.len < DIGEST_FILE_GROUP && stage.from + stage.len < o->size)
		return KM_OK;
	digest_many_update(o->hasher, stage.bytes, stage.len);
	o->hashed += stage.len;
	stage.owner = NULL; /* whose bytes come next may have it */
	return object_finish_digest(o);
}

enum km_rc object_write(struct object *o, uint64_t offset, const uint8_t *p, size_t len)
{
	uint64_t before = offset / OBJECT_WRITE_BACK,
		 after = (offset + len) / OBJECT_WRITE_BACK;
	enum km_rc rc;

	/* Noted only when it is in the file: a failed write leaves a hole, not a lie. */
	if (fileio_pwrite_full(o->fd, p, len, (off_t)offset) != 0)
		return KM_ERR_SYS;
	rc = extents_add(&o->have, offset, offset + len);
	if (rc != KM_OK)
		return rc;
	o->unsynced = o->dirtied = true;
	if (before != after)
		(void)sync_file_range(o->fd, (off_t)(before * OBJECT_WRITE_BACK),
				      (off_t)((after - before) * OBJECT_WRITE_BACK),
				      SYNC_FILE_RANGE_WRITE);
	if (stage.owner == o && p == stage.bytes + stage.len)
		return object_staged(o, len);
	if (offset == o->hashed && object_can_hash(o) && !object_has_lanes(o)) {
		digest_object_update(o->hasher, p, len);
		o->hashed += len;
		return object_finish_digest(o);
	}
	return KM_OK;
}

/* As far as hashing from the file may go now. */
static uint64_t object_hash_to(struct object *o, uint64_t budget)
{
	uint64_t end = extents_run(&o->have, 0);

	if (end > o->size)
		end = o->size;
	if (end < o->hashed || (stage.owner == o && stage.from + stage.len == end))
		return o->hashed;
	if (stage.owner == o)
		stage.owner = NULL; /* a hole was filled: the file has more in order */
	if (end < o->size && object_has_lanes(o))
		end -= (end - o->hashed) % DIGEST_FILE_GROUP;
	return end - o->hashed < budget ? end : o->hashed + budget;
}

enum km_rc object_catch_up(struct object *o, uint64_t budget)
{
	static uint8_t buf[DIGEST_FILE_BUF];
	enum km_rc rc = KM_OK;
	uint64_t to;

	if (!object_can_hash(o))
		return KM_OK;
	to = object_hash_to(o, budget);
	if (to > o->hashed)
		rc = digest_file_feed(o->hasher, o->fd, to, buf);
	o->hashed = digest_object_fed(o->hasher);
	/* Shorter than what we wrote is as bad as not to be read. */
	return rc == KM_OK ? object_finish_digest(o) : KM_ERR_SYS;
}
