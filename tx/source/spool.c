// SPDX-License-Identifier: ISC
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "clock.h"
#include "fileio.h"
#include "log.h"
#include "spool.h"

#define WATCH_MASK                                                                         \
	(IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |            \
	 IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB | IN_ONLYDIR | IN_EXCL_UNLINK)
/* Watch numbers only rise: beyond this the inotify instance is made anew. */
#define WD_MAX (1u << 20)
#define EVENT_BYTES 65536u

static int sub_open(int parent, const char *name, mode_t mode, struct km_err *err)
{
	int fd;

	if (mkdirat(parent, name, mode) != 0 && errno != EEXIST)
		return km_err_set_errno(
			err, EX_CANTCREAT,
			"%s cannot be made: give the source's user write permission", name);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return km_err_set_errno(err, EX_NOINPUT,
					"%s cannot be opened as a directory", name);
	return fd;
}

static int dirs_open(struct spool *spool, const char *path, struct km_err *err)
{
	_cleanup_close_ int top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int ours = -1;
	struct stat in, work, sent;

	if (top < 0)
		return km_err_set_errno(
			err, EX_NOINPUT,
			"the directory cannot be opened: make it, or correct spool =");
	/* Producers of other users are let in by the mode that the operator gives `in`. */
	spool->in = sub_open(top, "in", 0770, err);
	if (spool->in < 0)
		return -1;
	ours = sub_open(top, ".katamichi", 0700, err);
	if (ours < 0)
		return -1;
	spool->work = sub_open(ours, "work", 0700, err);
	if (spool->work < 0)
		return -1;
	spool->sent = sub_open(ours, "sent", 0700, err);
	if (spool->sent < 0)
		return -1;
	if (fstat(spool->in, &in) != 0 || fstat(spool->work, &work) != 0 ||
	    fstat(spool->sent, &sent) != 0)
		return km_err_set_errno(err, EX_IOERR, "fstat");
	if (in.st_dev != work.st_dev || in.st_dev != sent.st_dev)
		return km_err_set(
			err, EX_CONFIG,
			"in and .katamichi are on different file systems: a claim is a "
			"rename, keep them on one");
	spool->dev = in.st_dev;
	return 0;
}

int spool_open(struct spool *spool, const char *path, const char *channel,
	       const struct spool_policy *policy, struct counts *counts,
	       struct dirmark *marks, struct km_err *err)
{
	memset(spool, 0, sizeof(*spool));
	spool->channel = channel;
	spool->policy = *policy;
	spool->counts = counts;
	spool->marks = marks;
	spool->in = spool->work = spool->sent = spool->notify = -1;
	spool->oldest_ns = spool->next_ready_ns = CLOCK_NEVER;
	if (dirs_open(spool, path, err) != 0)
		return km_err_prefix(err, "channel %s: spool %s", channel, path);
	spool->dir = calloc(SPOOL_DIRS_MAX, sizeof(*spool->dir));
	if (!spool->dir)
		return km_err_set(err, EX_OSERR, "channel %s: out of memory", channel);
	spool->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (spool_dir_add(spool, "") != 0)
		return km_err_set(err, EX_OSERR, "channel %s: out of memory", channel);
	return 0;
}

static void dir_clear(struct spool *spool, struct spool_dir *dir)
{
	for (uint32_t i = 0; i < dir->count; i++)
		free(dir->entry[i].name);
	spool->names -= dir->count;
	free(dir->entry);
	free(dir->path);
	if (dir->wd >= 0) {
		if ((size_t)dir->wd < spool->by_wd_len)
			spool->by_wd[dir->wd] = -1;
		(void)inotify_rm_watch(spool->notify, dir->wd);
	}
	memset(dir, 0, sizeof(*dir));
	dir->wd = -1;
}

void spool_close(struct spool *spool)
{
	for (uint32_t i = 0; i < spool->dirs; i++) {
		if (spool->dir[i].path)
			dir_clear(spool, &spool->dir[i]);
	}
	free(spool->dir);
	free(spool->by_wd);
	spool->dir = NULL;
	spool->by_wd = NULL;
	spool->dirs = 0;
	km_close(&spool->notify);
	km_close(&spool->in);
	km_close(&spool->work);
	km_close(&spool->sent);
}

/* gcc's -fanalyzer (12) takes a string that hangs in the table for one that is lost. */
#ifndef __clang__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
int32_t spool_dir_add(struct spool *spool, const char *path)
{
	uint32_t slot = 0;
	char *copy;

	while (slot < spool->dirs && spool->dir[slot].path)
		slot++;
	if (slot == SPOOL_DIRS_MAX)
		return -1;
	copy = strdup(path);
	if (!copy)
		return -1;
	memset(&spool->dir[slot], 0, sizeof(spool->dir[slot]));
	spool->dir[slot].path = copy;
	spool->dir[slot].wd = -1;
	spool->dir[slot].dirty = true;
	if (slot == spool->dirs)
		spool->dirs++;
	return (int32_t)slot;
}
#ifndef __clang__
#pragma GCC diagnostic pop
#endif

void spool_dir_drop(struct spool *spool, uint32_t slot)
{
	_cleanup_free_ char *path = strdup(spool->dir[slot].path);
	const size_t len = path ? strlen(path) : 0;

	if (!path)
		return;
	for (uint32_t i = 1; i < spool->dirs; i++) {
		struct spool_dir *dir = &spool->dir[i];

		if (dir->path && strncmp(dir->path, path, len) == 0 &&
		    (dir->path[len] == '/' || dir->path[len] == '\0'))
			dir_clear(spool, dir);
	}
}

void spool_watch(struct spool *spool, uint32_t slot, int dir_fd)
{
	char path[64];
	int wd;

	if (spool->notify < 0 || spool->dir[slot].wd >= 0)
		return;
	/* Through the descriptor: no name can lead the watch astray. */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dir_fd);
	wd = inotify_add_watch(spool->notify, path, WATCH_MASK);
	if (wd >= 0 && (size_t)wd >= spool->by_wd_len && (size_t)wd < WD_MAX) {
		const size_t len = (size_t)wd * 2 + 64;
		int32_t *more = realloc(spool->by_wd, len * sizeof(*more));

		if (more) {
			for (size_t i = spool->by_wd_len; i < len; i++)
				more[i] = -1;
			spool->by_wd = more;
			spool->by_wd_len = len;
		}
	}
	if (wd >= 0 && (size_t)wd < spool->by_wd_len) {
		/* A directory that was moved within the tree keeps its watch. */
		if (spool->by_wd[wd] >= 0)
			spool->dir[spool->by_wd[wd]].wd = -1;
		spool->dir[slot].wd = wd;
		spool->by_wd[wd] = (int32_t)slot;
		return;
	}
	if (!spool->told_no_watch)
		log_event(EVENT_SPOOL_NO_WATCH,
			  "directories are read every second instead: raise "
			  "fs.inotify.max_user_watches channel=%s error=\"%s\"",
			  spool->channel, wd < 0 ? strerror(errno) : "too many watches");
	spool->told_no_watch = true;
}

/* FNV-1a over slot and name; 0 stands for none. */
uint64_t spool_name_hash(uint32_t slot, const char *name)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (int i = 0; i < 4; i++)
		hash = (hash ^ (slot >> 8 * i & 0xFF)) * UINT64_C(1099511628211);
	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * UINT64_C(1099511628211);
	return hash ? hash : 1;
}

static void moved_put(struct spool *spool, uint64_t hash)
{
	if (spool->moved_count >= SPOOL_MOVED / 2)
		return; /* it will be taken after settle: later, never wrongly */
	for (uint32_t i = 0; i < SPOOL_MOVED; i++) {
		uint64_t *at = &spool->moved[(hash + i) % SPOOL_MOVED];

		if (*at == hash)
			return;
		if (*at == 0) {
			*at = hash;
			spool->moved_count++;
			return;
		}
	}
}

bool spool_moved_take(struct spool *spool, uint64_t hash)
{
	if (spool->moved_count == 0)
		return false;
	for (uint32_t i = 0; i < SPOOL_MOVED; i++) {
		uint64_t *at = &spool->moved[(hash + i) % SPOOL_MOVED];

		if (*at == 0)
			return false;
		if (*at == hash) {
			/* A hole would cut probe chains: leave a mark that no name has. */
			*at = UINT64_MAX;
			if (--spool->moved_count == 0)
				memset(spool->moved, 0, sizeof(spool->moved));
			return true;
		}
	}
	return false;
}

static bool ours_take(struct spool *spool, uint64_t hash)
{
	for (uint32_t i = 0; i < SPOOL_OURS; i++) {
		if (spool->ours[i] == hash) {
			spool->ours[i] = 0;
			return true;
		}
	}
	return false;
}

/* Everything may have changed: drop all below the root and read anew. */
static void reset(struct spool *spool)
{
	for (uint32_t i = 0; i < spool->dirs; i++) {
		if (spool->dir[i].path)
			spool->dir[i].dirty = true;
	}
}

static void event_take(struct spool *spool, const struct inotify_event *event)
{
	struct spool_dir *dir;
	int32_t slot;

	if (event->mask & IN_Q_OVERFLOW) {
		reset(spool);
		return;
	}
	if (event->wd < 0 || (size_t)event->wd >= spool->by_wd_len)
		return;
	slot = spool->by_wd[event->wd];
	if (slot < 0)
		return;
	dir = &spool->dir[slot];
	if (event->mask & IN_IGNORED) {
		spool->by_wd[event->wd] = -1;
		dir->wd = -1;
	}
	dir->dirty = true;
	if (event->mask & IN_ISDIR && event->mask & (IN_MOVED_FROM | IN_MOVED_TO)) {
		/* Names below a moved directory have changed: its parent's scan finds out, by
		 * inode, and drops what was known below. */
		return;
	}
	if (event->mask & IN_MOVED_TO && event->len > 0) {
		const uint64_t hash = spool_name_hash((uint32_t)slot, event->name);

		if (!ours_take(spool, hash))
			moved_put(spool, hash);
	}
}

static void events_take(struct spool *spool)
{
	_Alignas(struct inotify_event) char buf[EVENT_BYTES];

	/* Bounded: a producer that is faster than we are must not keep us here. */
	for (int i = 0; i < 16 && spool->notify >= 0; i++) {
		const ssize_t n = read(spool->notify, buf, sizeof(buf));

		for (ssize_t at = 0; n > 0 && at < n;) {
			const struct inotify_event *event = (const void *)(buf + at);

			event_take(spool, event);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
		if (n <= 0)
			return;
	}
}

uint64_t spool_tick(struct spool *spool, uint64_t now_ns)
{
	const uint64_t until = now_ns + SPOOL_TICK_NS;
	uint64_t next = CLOCK_NEVER;
	uint32_t looked = 0;

	if (spool->survey_until_ns == 0)
		spool->survey_until_ns = now_ns + SPOOL_SURVEY_MAX_NS;
	events_take(spool);
	if (now_ns >= spool->rescan_ns) {
		reset(spool);
		/* Names that were renamed in and away again must not fill the table. */
		memset(spool->moved, 0, sizeof(spool->moved));
		spool->moved_count = 0;
		spool->rescan_ns = now_ns + SPOOL_RESCAN_NS;
	}
	for (; looked < spool->dirs; looked++) {
		const uint32_t slot = spool->cursor;
		struct spool_dir *dir = &spool->dir[slot];

		spool->cursor = (spool->cursor + 1) % spool->dirs;
		if (!dir->path)
			continue;
		if (dir->wd < 0 && now_ns >= dir->due_ns)
			dir->dirty = true;
		if (dir->dirty && now_ns >= dir->due_ns) {
			spool_scan(spool, slot, now_ns);
			now_ns = clock_mono_ns();
			dir = &spool->dir[slot];
		}
		if (dir->path && (dir->dirty || dir->wd < 0) && dir->due_ns < next)
			next = dir->due_ns;
		if (now_ns >= until)
			return now_ns;
	}
	if (!spool->surveyed) {
		const uint64_t settle_ns = spool->policy.settle_ns < SPOOL_SURVEY_SETTLE_NS
						   ? spool->policy.settle_ns
						   : SPOOL_SURVEY_SETTLE_NS;

		spool->surveyed = true;
		if (now_ns + settle_ns < spool->survey_until_ns)
			spool->survey_until_ns = now_ns + settle_ns;
	}
	if (spool->rescan_ns < next)
		next = spool->rescan_ns;
	return spool->next_ready_ns < next ? spool->next_ready_ns : next;
}
