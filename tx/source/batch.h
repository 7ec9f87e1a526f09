// SPDX-License-Identifier: ISC
/*
 * batch: the objects that one manifest covers, in number order, which is path order. Holds
 * them in memory, reads and writes the lines of the journal's claim record, and fills the
 * entries of the manifest. Knows no file system and no channel. One thread; memory is
 * allocated once by batch_new() (4,096 objects and 4 MiB of paths, touched as used).
 */
#ifndef BATCH_H
#define BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "km_err.h"
#include "manifest.h"
#include "record.h"
#include "wire_limits.h"

struct batch_object {
	uint32_t path_at;
	uint16_t path_len;
	uint8_t kind;	/* enum record_object_kind */
	uint8_t reason; /* enum record_withdrawn_reason, 0 = not withdrawn */
	uint64_t size;
	int64_t mtime_s; /* as carried: never below 0 */
	uint32_t mtime_ns;
	uint32_t hint; /* of the spool: the directory's slot; not stored */
	uint64_t ino;
	int64_t ctime_s; /* as seen at the claim; not stored */
	uint32_t ctime_ns;
	uint8_t digest[DIGEST_LEN]; /* once it was read to the end */
};

struct batch {
	uint64_t chain, manifest, first;
	unsigned count;
	struct batch_object *object; /* WIRE_BATCH_OBJECTS_MAX */
	uint8_t *paths;
	size_t paths_used;
	uint64_t bytes; /* of all objects */
};

/* Room for any batch's paths. */
#define BATCH_PATHS_MAX ((size_t)WIRE_BATCH_OBJECTS_MAX * (WIRE_PATH_MAX + 1))
/* Room for any batch as journal text: per object 2 letters, 5 numbers, path. */
#define BATCH_TEXT_MAX (64u + (size_t)WIRE_BATCH_OBJECTS_MAX * (WIRE_PATH_MAX + 112u))

struct batch *batch_new(void); /* NULL: out of memory */
void batch_free(struct batch *batch);
void batch_reset(struct batch *batch);

/* The path of an object: path_len bytes and a NUL. */
static inline const char *batch_path(const struct batch *batch,
				     const struct batch_object *object)
{
	return (const char *)batch->paths + object->path_at;
}

/* Append a copy of *object with this path. KM_ERR_FULL: 4,096 are in. */
KM_MUST_CHECK enum km_rc batch_add(struct batch *batch, const struct batch_object *object,
				   const void *path, size_t path_len);

/* Bytewise order of paths, without numbers yet. */
void batch_sort(struct batch *batch);

/* Drop the objects whose mark[] is true; order stays. */
void batch_drop(struct batch *batch, const bool *mark);

/*
 * Journal text, one line each:
 *	B <manifest> <first> <last>
 *	O f|d <size> <mtime s> <mtime ns> <inode> <path to the end of the line>
 * (no policy lets a control character into a path, so a line always ends where it should).
 * OUT has BATCH_TEXT_MAX bytes; returns the length.
 */
size_t batch_write(char *out, const struct batch *batch);

/* The reverse; chain is the caller's. KM_ERR_MALFORMED. */
KM_MUST_CHECK enum km_rc batch_read(struct batch *batch, const char *text, size_t len);

/* Entries for manifest_write(); OUT has WIRE_BATCH_OBJECTS_MAX; paths stay the batch's. */
void batch_entries(struct manifest_entry *out, const struct batch *batch);

#endif
