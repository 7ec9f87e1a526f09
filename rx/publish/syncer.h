// SPDX-License-Identifier: ISC
/*
 * syncer.h: a few threads that wait for the disk, so that the loop of publish never does.
 * What is handed in is synced in the background; what became of it is collected without
 * blocking. It knows files, descriptors and small files to be replaced, not objects: the
 * caller's tag comes back with the result. Two queues: what a group of names waits for goes
 * before the content of objects. Bounded: a full queue refuses, and the caller comes again.
 *
 * Only pthread_mutex and pthread_cond; nothing is shared with the threads but the queue. All
 * functions here are for the one thread that owns the syncer.
 */
#ifndef SYNCER_H
#define SYNCER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "km_err.h"
#include "ring.h"

/* Syncs under way at once: a journalling file system commits them together. */
#define SYNCER_THREADS 8u

/* Handed in and not yet collected; of these kept free for what goes first. */
#define SYNCER_JOBS 4096u
#define SYNCER_RESERVE 1024u

#define SYNCER_NAME_MAX 64u

/* What the caller wants to know again. */
struct syncer_tag {
	void *owner;
	unsigned kind, what;
	uint64_t chain, number, ticket;
};

struct syncer_done {
	struct syncer_tag tag;
	int error;   /* 0, or errno */
	bool opened; /* false: the error came before anything was synced; try again */
};

struct syncer;

/* `bell` (may be NULL) is rung when something can be collected. NULL: see err. */
struct syncer *syncer_new(struct bell *bell, struct km_err *err);

/* fsync of dir/name, opened for reading by the thread; `dir` stays open until collected.
 * False: no room now. A few may wait until syncer_collect() or syncer_ready() finds nothing,
 * and are then begun together: come by before you sleep. */
KM_MUST_CHECK bool syncer_file(struct syncer *syncer, const struct syncer_tag *tag, int dir,
			       const char *name);

/* fsync (data_only: fdatasync) of fd, which is taken over and closed, even on false. */
KM_MUST_CHECK bool syncer_fd(struct syncer *syncer, const struct syncer_tag *tag, int fd,
			     bool data_only);

/* fileio_write_atomic(dir, name, text, len, mode); `text` is taken over and freed, even on
 * false; `dir` stays open until collected. */
KM_MUST_CHECK bool syncer_write(struct syncer *syncer, const struct syncer_tag *tag,
				int dir, const char *name, char *text, size_t len,
				mode_t mode);

/* One result; false: none now. Never waits for the disk. */
bool syncer_collect(struct syncer *syncer, struct syncer_done *done);

/* True when syncer_collect() would give one. */
bool syncer_ready(struct syncer *syncer);

/* Handed in and not yet collected; and whether syncer_file() would be taken. */
unsigned syncer_pending(const struct syncer *syncer);
bool syncer_has_room(const struct syncer *syncer);

/* Drops what no thread has begun, waits for what is under way, ends the threads. To have
 * everything done, collect until nothing is pending first. NULL is allowed. */
void syncer_free(struct syncer *syncer);

/* For tests: nothing is begun while held; every sync begun fails with `error` (0 = none). */
void syncer_hold(struct syncer *syncer, bool held);
void syncer_break(struct syncer *syncer, int error);

#endif
