// SPDX-License-Identifier: ISC
/*
 * Reading one directory of the spool: what is new, what has changed, what has gone, what is
 * refused. The new list is built beside the old one and merged with it by name.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "fileio.h"
#include "log.h"
#include "name.h"
#include "spool.h"

/* A directory is not read more often than this: a burst of events is one scan. */
#define SCAN_GAP_NS UINT64_C(20000000)

struct listing {
	struct spool_entry *entry;
	uint32_t count, room;
	bool complete;
};

void spool_ident_of(struct spool_ident *id, const struct stat *st)
{
	*id = (struct spool_ident){
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime_s = st->st_mtim.tv_sec,
		.ctime_s = st->st_ctim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
		.ctime_ns = (uint32_t)st->st_ctim.tv_nsec,
	};
}

bool spool_ident_same(const struct spool_ident *a, const struct spool_ident *b)
{
	return a->ino == b->ino && a->size == b->size && a->mtime_s == b->mtime_s &&
	       a->mtime_ns == b->mtime_ns && a->ctime_s == b->ctime_s &&
	       a->ctime_ns == b->ctime_ns;
}

size_t spool_path(char out[SPOOL_PATH_ROOM], const struct spool_dir *dir, const char *name)
{
	const int n = snprintf(out, SPOOL_PATH_ROOM, "%s%s%s", dir->path,
			       dir->path[0] ? "/" : "", name);

	return n < (int)SPOOL_PATH_ROOM ? (size_t)n : SPOOL_PATH_ROOM - 1;
}

void spool_refuse(struct spool *spool, const char *path, const char *why)
{
	char quoted[LOG_QUOTE_MAX(SPOOL_PATH_ROOM)];

	spool->counts->files_refused++;
	log_event(EVENT_FILE_REFUSED, "left in the spool: %s channel=%s path=%s", why,
		  spool->channel, log_quote(quoted, sizeof(quoted), path, strlen(path)));
}

int spool_dir_fd(const struct spool *spool, const char *path)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

	if (path[0] == '\0')
		return openat(spool->in, ".", flags);
	return fileio_open_beneath(spool->in, path, flags, 0);
}

static int by_name(const void *a, const void *b)
{
	const struct spool_entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

struct spool_entry *spool_find(const struct spool_dir *dir, const char *name)
{
	uint32_t low = 0, high = dir->count;

	while (low < high) {
		const uint32_t mid = low + (high - low) / 2;
		const int order = strcmp(dir->entry[mid].name, name);

		if (order == 0)
			return &dir->entry[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* Why policy does not let this in; NULL = it does. */
static const char *judge(const struct spool *spool, const char *path, size_t len,
			 const struct stat *st)
{
	const enum name_fault fault = name_check((const uint8_t *)path, len);

	if (fault != NAME_OK)
		return name_fault_text(fault);
	if (st->st_dev != spool->dev)
		return "is on another file system: a claim by rename cannot reach it";
	if (S_ISDIR(st->st_mode))
		return NULL;
	if (S_ISLNK(st->st_mode))
		return "is a symbolic link";
	if (!S_ISREG(st->st_mode))
		return S_ISFIFO(st->st_mode)   ? "is a FIFO"
		       : S_ISSOCK(st->st_mode) ? "is a socket"
					       : "is a device";
	if ((uint64_t)st->st_size > spool->policy.max_object)
		return "is larger than max_object";
	return NULL;
}

static bool held(const struct spool *spool, const struct spool_ident *id)
{
	for (uint32_t i = 0; i < SPOOL_HELD; i++) {
		if (spool->held[i].ino && spool_ident_same(&spool->held[i], id))
			return true;
	}
	return false;
}

/* Room for one more entry; false when the bound is reached or memory is out. */
static bool listing_grow(struct spool *spool, struct listing *list, uint32_t others)
{
	struct spool_entry *more;
	uint32_t room;

	if (others + list->count >= SPOOL_ENTRIES_MAX) {
		list->complete = false;
		if (!spool->told_full)
			log_event(EVENT_SPOOL_FULL,
				  "more names than are watched at once; the rest waits its "
				  "turn "
				  "channel=%s names=%u",
				  spool->channel, SPOOL_ENTRIES_MAX);
		spool->told_full = true;
		return false;
	}
	if (list->count < list->room)
		return true;
	room = list->room ? list->room * 2 : 64;
	more = realloc(list->entry, room * sizeof(*more));
	if (!more) {
		list->complete = false;
		return false;
	}
	list->entry = more;
	list->room = room;
	return true;
}

/* What is known about this name already goes over into the new entry. */
static void inherit(struct spool *spool, uint32_t slot, struct spool_entry *e,
		    uint64_t now_ns)
{
	struct spool_entry *old = spool_find(&spool->dir[slot], e->name);
	const bool same =
		old && old->state != SPOOL_TAKEN && spool_ident_same(&old->id, &e->id);

	e->since_ns = same ? old->since_ns : now_ns;
	e->seen_ns = old && old->state == e->state ? old->seen_ns : now_ns;
	e->moved = same && old->moved;
	if (spool_moved_take(spool, spool_name_hash(slot, e->name)))
		e->moved = true;
}

static void judge_entry(struct spool *spool, uint32_t slot, struct spool_entry *e,
			const struct stat *st)
{
	const struct spool_entry *old = spool_find(&spool->dir[slot], e->name);
	char path[SPOOL_PATH_ROOM];
	const size_t len = spool_path(path, &spool->dir[slot], e->name);
	const char *why = judge(spool, path, len, st);

	if (!why && held(spool, &e->id))
		why = "cannot be read";
	/* Refused at the claim (it could not be read), told then, and not changed since. */
	if (!why && old && old->state == SPOOL_REFUSED &&
	    spool_ident_same(&old->id, &e->id)) {
		e->state = SPOOL_REFUSED;
		return;
	}
	if (!why) {
		e->state = S_ISDIR(st->st_mode) ? SPOOL_SUBDIR : SPOOL_WAIT;
		return;
	}
	e->state = SPOOL_REFUSED;
	/* Once: what was refused before and has not changed is not told again. A directory's
	 * times change with every entry, so there the inode is enough. */
	if (old && old->state == SPOOL_REFUSED &&
	    (spool_ident_same(&old->id, &e->id) ||
	     (S_ISDIR(st->st_mode) && old->id.ino == e->id.ino)))
		return;
	spool_refuse(spool, path, why);
}

/* The slot of a subdirectory; a known one is kept while its inode is the same. */
static bool enter_subdir(struct spool *spool, uint32_t slot, struct spool_entry *e)
{
	const struct spool_entry *old = spool_find(&spool->dir[slot], e->name);
	char path[SPOOL_PATH_ROOM];
	int32_t sub;

	if (old && old->state == SPOOL_SUBDIR && old->id.ino == e->id.ino) {
		e->dir = old->dir;
		return true;
	}
	if (old && old->state == SPOOL_SUBDIR)
		spool_dir_drop(spool, old->dir);
	(void)spool_path(path, &spool->dir[slot], e->name);
	sub = spool_dir_add(spool, path);
	if (sub < 0)
		return false;
	e->dir = (uint32_t)sub;
	return true;
}

static void take_name(struct spool *spool, uint32_t slot, struct listing *list, int fd,
		      const char *name, uint64_t now_ns)
{
	const uint32_t others = spool->names - spool->dir[slot].count;
	struct spool_entry e = {0};
	struct stat st;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	    fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !listing_grow(spool, list, others))
		return;
	spool_ident_of(&e.id, &st);
	e.name = strdup(name);
	if (!e.name) {
		list->complete = false;
		return;
	}
	judge_entry(spool, slot, &e, &st);
	if (e.state == SPOOL_SUBDIR && !enter_subdir(spool, slot, &e)) {
		list->complete = false;
		free(e.name);
		return;
	}
	inherit(spool, slot, &e, now_ns);
	list->entry[list->count++] = e;
}

/* Subdirectories of the old list that are not in the new one have gone. */
static void drop_gone(struct spool *spool, uint32_t slot, const struct listing *list)
{
	struct spool_dir *dir = &spool->dir[slot];

	for (uint32_t i = 0; i < dir->count; i++) {
		const struct spool_entry *old = &dir->entry[i];
		bool there = false;

		if (old->state != SPOOL_SUBDIR)
			continue;
		for (uint32_t k = 0; k < list->count && !there; k++)
			there = list->entry[k].state == SPOOL_SUBDIR &&
				list->entry[k].dir == old->dir;
		if (!there && spool->dir[old->dir].path)
			spool_dir_drop(spool, old->dir);
	}
}

static void adopt(struct spool *spool, uint32_t slot, struct listing *list)
{
	struct spool_dir *dir = &spool->dir[slot];

	if (list->count > 1) /* qsort wants an array even for none */
		qsort(list->entry, list->count, sizeof(*list->entry), by_name);
	drop_gone(spool, slot, list);
	for (uint32_t i = 0; i < dir->count; i++)
		free(dir->entry[i].name);
	spool->names -= dir->count;
	free(dir->entry);
	dir->entry = list->entry;
	dir->count = list->count;
	dir->complete = list->complete;
	spool->names += dir->count;
}

static void note_times(struct spool_dir *dir, const struct stat *st, uint64_t now_ns)
{
	if (dir->ino != st->st_ino || dir->dev != st->st_dev ||
	    dir->mtime_s != st->st_mtim.tv_sec ||
	    dir->mtime_ns != (uint32_t)st->st_mtim.tv_nsec || dir->since_ns == 0)
		dir->since_ns = now_ns;
	dir->ino = st->st_ino;
	dir->dev = st->st_dev;
	dir->mtime_s = st->st_mtim.tv_sec;
	dir->mtime_ns = (uint32_t)st->st_mtim.tv_nsec;
}

/* CPU time of this thread: waiting for others must not look like a large directory. */
static uint64_t cpu_ns(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) != 0)
		return 0;
	return (uint64_t)ts.tv_sec * CLOCK_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

void spool_scan(struct spool *spool, uint32_t slot, uint64_t now_ns)
{
	const uint64_t start_ns = cpu_ns();
	struct listing list = {.complete = true};
	const struct dirent *entry;
	uint64_t took_ns, gap_ns;
	struct stat st;
	DIR *stream;
	int fd;

	spool->dir[slot].dirty = false;
	spool->dir[slot].due_ns = now_ns + SPOOL_POLL_NS;
	fd = spool_dir_fd(spool, spool->dir[slot].path);
	if (fd < 0 || fstat(fd, &st) != 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			log_event_limited(
				EVENT_SPOOL_UNREADABLE,
				"a directory of the spool cannot be read: give the "
				"source's user permission channel=%s error=\"%s\"",
				spool->channel, strerror(errno));
		km_close(&fd);
		return;
	}
	/* Watch first, read second: what comes in between is an event. */
	spool_watch(spool, slot, fd);
	note_times(&spool->dir[slot], &st, now_ns);
	stream = fdopendir(fd);
	if (!stream) {
		km_close(&fd);
		return;
	}
	while ((entry = readdir(stream)))
		take_name(spool, slot, &list, dirfd(stream), entry->d_name, now_ns);
	closedir(stream);
	adopt(spool, slot, &list);
	took_ns = cpu_ns() - start_ns;
	gap_ns = took_ns * SPOOL_REST > SCAN_GAP_NS ? took_ns * SPOOL_REST : SCAN_GAP_NS;
	/* Without a watch, or with names left out, time has to bring us back. */
	if (spool->dir[slot].wd < 0 && gap_ns < SPOOL_POLL_NS)
		gap_ns = SPOOL_POLL_NS;
	spool->dir[slot].due_ns = now_ns + gap_ns;
	if (!list.complete)
		spool->dir[slot].dirty = true;
}
