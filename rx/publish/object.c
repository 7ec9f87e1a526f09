// SPDX-License-Identifier: ISC
#include "object.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fileio.h"

#define OBJECT_READ_LEN (256u * 1024u)

/*
 * Kick off write-back of this much at a time, so that the last fdatasync finds little
 * to do.
 */
#define OBJECT_WRITE_BACK (UINT64_C(8) << 20)

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
	km_close(&o->fd);
	extents_free(&o->have);
	extents_free(&o->safe);
	extents_free(&o->sync_of);
	digest_object_free(o->hasher);
	free(o->path);
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
	if (offset == o->hashed && object_can_hash(o)) {
		digest_object_update(o->hasher, p, len);
		o->hashed += len;
		return object_finish_digest(o);
	}
	return KM_OK;
}

enum km_rc object_catch_up(struct object *o, uint64_t budget)
{
	static uint8_t buf[OBJECT_READ_LEN];
	uint64_t end = extents_run(&o->have, 0);

	if (!object_can_hash(o))
		return KM_OK;
	if (end > o->size)
		end = o->size;
	while (o->hashed < end && budget > 0) {
		uint64_t want = end - o->hashed;
		ssize_t n;

		want = want < sizeof(buf) ? want : sizeof(buf);
		n = fileio_pread_full(o->fd, buf, (size_t)want, (off_t)o->hashed);
		if (n <= 0 || (uint64_t)n != want)
			return KM_ERR_SYS; /* shorter than what we wrote */
		digest_object_update(o->hasher, buf, (size_t)n);
		o->hashed += want;
		budget -= want < budget ? want : budget;
	}
	return object_finish_digest(o);
}
