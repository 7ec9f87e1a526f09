// SPDX-License-Identifier: ISC
/*
 * object.h: one object (or one manifest) in progress: a named part file in .incoming,
 * the ranges of it that are there, the facts its begin record told, and its digest as
 * far as the bytes came in order. Bytes that are there are never written a second time,
 * so what was hashed from the private copy stays what is in the file. It knows one file;
 * shelf.h knows them all, and who may hold a descriptor.
 *
 * rx publish; one thread. Nothing here trusts the sender for more than bytes at an
 * offset.
 */
#ifndef OBJECT_H
#define OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "digest_file.h"
#include "extents.h"
#include "km_err.h"

/* What a part file holds. Part of its name and of its key. */
enum object_what {
	OBJECT_DATA = 0,
	OBJECT_MANIFEST = 1,
};

/* Hash at most so much of a file before something else gets its turn: some 5 ms. */
#define OBJECT_CATCH_UP DIGEST_FILE_GROUP

/* "<chain>-<number>.manifest.part" and the terminator. */
#define OBJECT_PART_NAME_MAX 64u

struct object {
	/* key */
	uint64_t chain, number;
	enum object_what what;

	/* facts of the begin record; a manifest's total is its size */
	bool begun;
	uint8_t kind; /* enum record_object_kind */
	uint64_t size;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint8_t *path; /* path_len bytes and a NUL */
	size_t path_len;

	struct extents have;
	size_t counted;		/* of its ranges, in shelf_fds */
	struct extents safe;	/* of these: on the disk, as far as known */
	struct extents sync_of; /* what will be safe after the sync under way */
	uint64_t hashed;	/* bytes from the start that the digest has seen */
	struct digest_object *hasher;
	bool digested; /* digest is of the whole object */
	uint8_t digest[DIGEST_LEN];

	int fd;		     /* part file, -1 = not open just now */
	bool made;	     /* the part file exists */
	bool unsynced;	     /* some of it may not be on the disk */
	bool dirtied;	     /* written to since a sync was handed in */
	bool durable;	     /* digested, and all of it is on the disk */
	uint64_t syncing;    /* ticket of the sync under way, 0 = none */
	bool held;	     /* a write failed: said once */
	bool damaged;	     /* said that it has holes */
	bool queued;	     /* waits to be placed */
	bool at_door;	     /* waits for role scan */
	uint8_t verdict;     /* enum scan_verdict */
	char *scan_says;     /* why it did not pass, or NULL */
	uint64_t touched_ns; /* monotonic, last byte */
	uint64_t tried;	     /* without begin: size that did not match its manifest */

	struct object *next;		    /* hash chain */
	struct object *lru_prev, *lru_next; /* open descriptors */
};

struct object *object_new(enum object_what what, uint64_t chain, uint64_t number);
void object_free(struct object *o); /* closes; the part file stays */

/* Name of the part file in .incoming. */
void object_part_name(char out[OBJECT_PART_NAME_MAX], enum object_what what, uint64_t chain,
		      uint64_t number);

/*
 * Facts of a begin record. The first ones stand. KM_ERR_EXISTS: others came before;
 * KM_ERR_RANGE: bytes beyond that size are already there; KM_ERR_NOMEM.
 */
KM_MUST_CHECK enum km_rc object_begin(struct object *o, uint8_t kind, uint64_t size,
				      int64_t mtime_s, uint32_t mtime_ns,
				      const uint8_t *path, size_t path_len);

/* Opens the part file in `incoming` for reading and writing, making it. -1 and errno. */
KM_MUST_CHECK int object_open(struct object *o, int incoming);

/* Makes the stage (below), once, at start; does nothing where leaves are hashed one by one. */
KM_MUST_CHECK int object_stage_make(struct km_err *err);

/*
 * Memory in which the bytes of O from `at` on are to be put together before object_write():
 * *room bytes. There the leaves of one large object at a time stay until there are enough of
 * them to be hashed side by side. NULL: put them anywhere. Valid until the next call here
 * that is about another object.
 */
uint8_t *object_stage(struct object *o, uint64_t at, size_t *room);

/*
 * Writes p[0..len), which is private memory, at offset, a range of which nothing is there
 * (extents_hole), and notes it; hashes p when it is next in order. KM_ERR_SYS with errno
 * (disk full...): nothing is noted. KM_ERR_LIMIT: too many holes. The file must be open.
 */
KM_MUST_CHECK enum km_rc object_write(struct object *o, uint64_t offset, const uint8_t *p,
				      size_t len);

/* True when all bytes are there (facts known). */
bool object_complete(const struct object *o);

/*
 * Hashes what is in order and was not hashed yet, from the file, at most `budget` bytes;
 * completes the digest when everything is there. Of a tree that is not whole yet only as
 * many leaves as fill the lanes. KM_OK, or KM_ERR_SYS. The file must be open (or size 0).
 */
KM_MUST_CHECK enum km_rc object_catch_up(struct object *o, uint64_t budget);

#endif
