// SPDX-License-Identifier: ISC
/*
 * spool: the watched directory of a files channel.
 *
 *	DIR/in			producers put files and trees here
 *	DIR/.katamichi/work	claimed, being sent: <chain>-<number>
 *	DIR/.katamichi/sent	sent, kept for resend: <chain>-<number>
 *
 * all on one file system, so that a claim is a rename. It knows what lies in `in`, what of
 * it may be taken and when, and refuses by name what policy does not allow. It never
 * follows a link, never opens anything but regular files, never waits for a producer and
 * never removes a directory. It does not number, send or hash (files.c).
 *
 * Watching: one inotify watch per directory plus a rescan; events only mark a directory as
 * dirty, and a dirty directory is read again. Where no watch can be had, the directory is
 * read at every rescan. A file is ready when it was renamed in, or has been seen unchanged
 * (size, mtime, ctime, inode) for the settle time; either way a read lease must be granted
 * at the claim, which the kernel refuses while anybody has it open for writing.
 *
 * Memory: at most SPOOL_ENTRIES_MAX names; what does not fit waits on disk for its turn.
 * One thread of the source role.
 */
#ifndef SPOOL_H
#define SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "batch.h"
#include "counts.h"
#include "dirmark.h"
#include "km_err.h"

#define SPOOL_ENTRIES_MAX 65536u /* names remembered, all directories together */
#define SPOOL_DIRS_MAX 32768u
#define SPOOL_RESCAN_NS UINT64_C(10000000000)
/* A directory without a watch is read this often. */
#define SPOOL_POLL_NS UINT64_C(1000000000)
/* Reading directories takes at most this long per tick, and a directory that takes long
 * itself is read again only after SPOOL_REST times as long. */
#define SPOOL_TICK_NS UINT64_C(4000000)
#define SPOOL_REST 4u
/* Objects of this size and up are batches of their own. */
#define SPOOL_LARGE (UINT64_C(16) << 20)
/* Bytes of paths in a batch: escaping may double them, and the manifest is to fit the wire. */
#define SPOOL_PATHS_MAX (2u << 20)
#define SPOOL_MOVED 8192u /* renamed-in names remembered between event and scan */
#define SPOOL_OURS 64u	  /* names that we put back ourselves */
#define SPOOL_HELD 64u	  /* files put back because they cannot be read */

struct spool_ident {
	uint64_t ino, size;
	int64_t mtime_s, ctime_s;
	uint32_t mtime_ns, ctime_ns;
};

enum spool_state {
	SPOOL_WAIT,    /* a file, ready when its time has come */
	SPOOL_REFUSED, /* told once, left alone until it changes */
	SPOOL_SUBDIR,
	SPOOL_TAKEN, /* claimed, or gone: until the next scan of its directory */
};

struct spool_entry {
	char *name;
	struct spool_ident id;
	uint64_t since_ns; /* unchanged since (monotonic) */
	uint64_t seen_ns;  /* first seen */
	uint32_t dir;	   /* SPOOL_SUBDIR: its slot */
	uint8_t state;
	bool moved; /* renamed in: need not settle */
};

struct spool_dir {
	char *path;		   /* relative to in; "" is in itself; NULL: slot free */
	int wd;			   /* inotify watch, -1 none */
	struct spool_entry *entry; /* sorted by name */
	uint32_t count;
	bool dirty;
	bool complete;	 /* the last scan found room for every name */
	uint64_t due_ns; /* not read again before */
	uint64_t dev, ino;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint64_t since_ns; /* empty and unchanged since */
};

/* At start a spool may be full: so long the first batch waits until every directory has been
 * read and settled, because the depth of the first windows follows from all that waits. */
#define SPOOL_SURVEY_MAX_NS UINT64_C(10000000000)
#define SPOOL_SURVEY_SETTLE_NS UINT64_C(1000000000) /* of which for settling, at most */

/* Policy and bounds of a claim. */
struct spool_policy {
	uint64_t settle_ns, max_object, batch_bytes, gather_ns;
};

struct spool {
	const char *channel; /* its name, for messages; borrowed */
	struct spool_policy policy;
	struct counts *counts;
	struct dirmark *marks;
	int in, work, sent; /* directory descriptors */
	uint64_t dev;	    /* of in */
	int notify;	    /* inotify, -1 none */
	bool told_no_watch, told_no_lease, told_full;
	bool small_next; /* small and large batches take turns */

	struct spool_dir *dir; /* SPOOL_DIRS_MAX */
	uint32_t dirs;	       /* slots ever used */
	uint32_t cursor;       /* next slot to look at for a scan */
	int32_t *by_wd;	       /* slot of a watch, -1 none */
	size_t by_wd_len;
	uint32_t names; /* entries in all directories */
	uint64_t rescan_ns;
	uint64_t survey_until_ns; /* the first batch waits for this; 0 = not begun */
	bool surveyed;		  /* every directory has been read once */

	uint64_t moved[SPOOL_MOVED]; /* hashes, 0 = free */
	uint32_t moved_count;
	uint64_t ours[SPOOL_OURS];
	uint32_t ours_next;
	struct spool_ident held[SPOOL_HELD];
	uint32_t held_next;

	/* As of the last spool_look(). */
	uint64_t waiting, waiting_bytes; /* files that may be sent, settled or not */
	uint64_t ready, ready_bytes;
	uint64_t ready_since_ns; /* when the first of the ready became so */
	uint64_t oldest_ns; /* first seen of the oldest waiting one; CLOCK_NEVER = none */
	uint64_t next_ready_ns; /* when another one will be */
};

/* Open (and create) the directories of DIR. -1: with what to do. */
KM_MUST_CHECK int spool_open(struct spool *spool, const char *path, const char *channel,
			     const struct spool_policy *policy, struct counts *counts,
			     struct dirmark *marks, struct km_err *err);
void spool_close(struct spool *spool);

/* The descriptor to poll for input; -1 none. */
static inline int spool_fd(const struct spool *spool)
{
	return spool->notify;
}

/* Take events and read dirty directories, for SPOOL_TICK_NS at most. Returns when it wants to be
 * called again. */
uint64_t spool_tick(struct spool *spool, uint64_t now_ns);

/* Bring waiting, ready and the rest up to date. */
void spool_look(struct spool *spool, uint64_t now_ns);

/* True when a batch should be claimed now: there is enough for one, or the first ready
 * object has waited gather_ns for company. */
bool spool_wants(const struct spool *spool, uint64_t now_ns);

/*
 * Choose what is ready: longest ready first, within 4,096 objects and batch_bytes, a large
 * file alone; each one verified (unchanged, readable, no writer). batch is reset, filled
 * and sorted. Returns the number of objects. Nothing is moved yet.
 */
unsigned spool_collect(struct spool *spool, struct batch *batch, uint64_t now_ns);

/* The directory that files are being taken from: neighbours in a batch share it. */
struct spool_from {
	int fd;		  /* owned; -1: none */
	const char *path; /* borrowed of the batch, and its first len bytes */
	size_t len;
};

#define SPOOL_FROM_INIT                                                                    \
	{                                                                                  \
		.fd = -1                                                                   \
	}

/* Move object `o` of the batch out of `in` to work/NAME. -1 and errno. A directory object
 * is only marked as carried. `from` is the caller's, for the files of one batch. */
KM_MUST_CHECK int spool_take(struct spool *spool, struct spool_from *from,
			     const struct batch *batch, const struct batch_object *o,
			     const char *name);
void spool_from_close(struct spool_from *from);

/* After a batch was taken: directories that it left empty must not be carried as empty. */
void spool_took(struct spool *spool, const struct batch *batch);

/*
 * Put work/NAME back to where it was (or beside it, when that name is taken by now). hold:
 * leave it alone until it changes. put: PATH_MAX-like room for the path used. -1 and errno:
 * it stays in work.
 */
#define SPOOL_PUT_MAX (WIRE_PATH_MAX + 64u)
KM_MUST_CHECK int spool_put_back(struct spool *spool, const char *path, const char *name,
				 bool hold, char put[SPOOL_PUT_MAX]);

/* ---- between the files of this module --------------------------------------------------- */

/* Read directory `slot` again. */
void spool_scan(struct spool *spool, uint32_t slot, uint64_t now_ns);
/* A slot for a directory, -1 when there are too many. */
int32_t spool_dir_add(struct spool *spool, const char *path);
/* Forget a directory and everything below it. */
void spool_dir_drop(struct spool *spool, uint32_t slot);
void spool_watch(struct spool *spool, uint32_t slot, int dir_fd);
uint64_t spool_name_hash(uint32_t slot, const char *name);
bool spool_moved_take(struct spool *spool, uint64_t hash);
void spool_ident_of(struct spool_ident *id, const struct stat *st);
bool spool_ident_same(const struct spool_ident *a, const struct spool_ident *b);
struct spool_entry *spool_find(const struct spool_dir *dir, const char *name);
/* The directory of a slot, opened for reading; -1 and errno. */
int spool_dir_fd(const struct spool *spool, const char *path);
/* Full path of an entry into out[WIRE_PATH_MAX + 256 + 2]; its length. */
#define SPOOL_PATH_ROOM (WIRE_PATH_MAX + WIRE_NAME_MAX + 3u)
size_t spool_path(char out[SPOOL_PATH_ROOM], const struct spool_dir *dir, const char *name);
void spool_refuse(struct spool *spool, const char *path, const char *why);

#endif
