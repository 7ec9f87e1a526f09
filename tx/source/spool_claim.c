// SPDX-License-Identifier: ISC
/*
 * Taking files out of the spool: what is ready, the check that nobody writes any more, the
 * rename, and the way back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "fileio.h"
#include "log.h"
#include "spool.h"

/* When an entry is ready: 0 = at once. */
static uint64_t ready_at(const struct spool *spool, const struct spool_entry *e)
{
	return e->moved ? e->since_ns : e->since_ns + spool->policy.settle_ns;
}

/* An empty directory that has not been carried in this state; *at_ns: when it is ready. */
static bool dir_may_go(const struct spool *spool, const struct spool_dir *dir,
		       uint64_t *at_ns)
{
	const struct dirmark_row row = {.dev = dir->dev,
					.ino = dir->ino,
					.mtime_s = dir->mtime_s,
					.mtime_ns = dir->mtime_ns};

	if (!dir->path || dir->path[0] == '\0' || dir->count > 0 || dir->since_ns == 0 ||
	    !dir->complete || dirmark_known(spool->marks, &row))
		return false;
	*at_ns = dir->since_ns + spool->policy.settle_ns;
	return true;
}

static void look_at(struct spool *spool, uint64_t at_ns, uint64_t seen_ns, uint64_t size,
		    uint64_t now_ns)
{
	spool->waiting++;
	spool->waiting_bytes += size;
	if (seen_ns < spool->oldest_ns)
		spool->oldest_ns = seen_ns;
	if (at_ns > now_ns) {
		if (at_ns < spool->next_ready_ns)
			spool->next_ready_ns = at_ns;
		return;
	}
	spool->ready++;
	spool->ready_bytes += size;
	if (at_ns < spool->ready_since_ns)
		spool->ready_since_ns = at_ns;
}

void spool_look(struct spool *spool, uint64_t now_ns)
{
	spool->waiting = spool->waiting_bytes = spool->ready = spool->ready_bytes = 0;
	spool->ready_since_ns = spool->oldest_ns = spool->next_ready_ns = CLOCK_NEVER;
	for (uint32_t d = 0; d < spool->dirs; d++) {
		const struct spool_dir *dir = &spool->dir[d];
		uint64_t at_ns;

		if (dir_may_go(spool, dir, &at_ns))
			look_at(spool, at_ns, dir->since_ns, 0, now_ns);
		for (uint32_t i = 0; dir->path && i < dir->count; i++) {
			const struct spool_entry *e = &dir->entry[i];

			if (e->state == SPOOL_WAIT)
				look_at(spool, ready_at(spool, e), e->seen_ns, e->id.size,
					now_ns);
		}
	}
	/* Company that it waits for comes by time too. */
	if (spool->ready > 0 && now_ns < spool->survey_until_ns) {
		if (spool->survey_until_ns < spool->next_ready_ns)
			spool->next_ready_ns = spool->survey_until_ns;
	} else if (spool->ready > 0 && !spool_wants(spool, now_ns) &&
		   spool->ready_since_ns + spool->policy.gather_ns < spool->next_ready_ns)
		spool->next_ready_ns = spool->ready_since_ns + spool->policy.gather_ns;
}

bool spool_wants(const struct spool *spool, uint64_t now_ns)
{
	if (spool->ready == 0 || now_ns < spool->survey_until_ns)
		return false;
	return spool->ready >= WIRE_BATCH_OBJECTS_MAX ||
	       spool->ready_bytes >= spool->policy.batch_bytes ||
	       spool->ready_since_ns + spool->policy.gather_ns <= now_ns;
}

/* ---- choosing --------------------------------------------------------------------------- */

struct choice {
	uint64_t at_ns, size;
	uint32_t dir;
	int64_t entry; /* -1: the directory itself */
};

static int oldest_first(const void *a, const void *b)
{
	const struct choice *x = a, *y = b;

	if (x->at_ns != y->at_ns)
		return x->at_ns < y->at_ns ? -1 : 1;
	if (x->dir != y->dir)
		return x->dir < y->dir ? -1 : 1;
	return x->entry < y->entry ? -1 : x->entry > y->entry;
}

/* All that is ready, oldest first. The caller frees. */
static struct choice *choices(const struct spool *spool, uint64_t now_ns, size_t *count)
{
	struct choice *list = calloc(spool->ready + 1, sizeof(*list));
	size_t n = 0;

	*count = 0;
	if (!list)
		return NULL;
	for (uint32_t d = 0; d < spool->dirs; d++) {
		const struct spool_dir *dir = &spool->dir[d];
		uint64_t at_ns;

		if (dir_may_go(spool, dir, &at_ns) && at_ns <= now_ns && n < spool->ready)
			list[n++] = (struct choice){.at_ns = at_ns, .dir = d, .entry = -1};
		for (uint32_t i = 0; dir->path && i < dir->count && n < spool->ready; i++) {
			const struct spool_entry *e = &dir->entry[i];

			if (e->state == SPOOL_WAIT && ready_at(spool, e) <= now_ns)
				list[n++] = (struct choice){.at_ns = ready_at(spool, e),
							    .size = e->id.size,
							    .dir = d,
							    .entry = i};
		}
	}
	qsort(list, n, sizeof(*list), oldest_first);
	*count = n;
	return list;
}

static void choose(struct batch *batch, const struct spool *spool, const struct choice *c)
{
	const struct spool_dir *dir = &spool->dir[c->dir];
	struct batch_object o = {.hint = c->dir};
	char path[SPOOL_PATH_ROOM];

	if (c->entry < 0) {
		o.kind = RECORD_OBJECT_DIR;
		o.ino = dir->ino;
		o.mtime_s = dir->mtime_s;
		o.mtime_ns = dir->mtime_ns;
		(void)!batch_add(batch, &o, dir->path, strlen(dir->path));
		return;
	}
	o.kind = RECORD_OBJECT_FILE;
	o.ino = dir->entry[c->entry].id.ino;
	o.size = dir->entry[c->entry].id.size;
	o.mtime_s = dir->entry[c->entry].id.mtime_s;
	o.mtime_ns = dir->entry[c->entry].id.mtime_ns;
	o.ctime_s = dir->entry[c->entry].id.ctime_s;
	o.ctime_ns = dir->entry[c->entry].id.ctime_ns;
	(void)!batch_add(batch, &o, path, spool_path(path, dir, dir->entry[c->entry].name));
}

/* Small ones together, or one large one; they take turns when both wait. */
static void choose_batch(struct spool *spool, struct batch *batch,
			 const struct choice *list, size_t count)
{
	bool large = false, small = false, take_small;

	for (size_t i = 0; i < count; i++) {
		if (list[i].size >= SPOOL_LARGE)
			large = true;
		else
			small = true;
	}
	take_small = small && (!large || spool->small_next);
	spool->small_next = !take_small;
	for (size_t i = 0; i < count && batch->count < WIRE_BATCH_OBJECTS_MAX &&
			   batch->paths_used < SPOOL_PATHS_MAX;
	     i++) {
		if ((list[i].size < SPOOL_LARGE) != take_small)
			continue;
		if (batch->count > 0 &&
		    batch->bytes + list[i].size > spool->policy.batch_bytes)
			continue;
		choose(batch, spool, &list[i]);
		if (!take_small)
			return;
	}
}

/* ---- verifying -------------------------------------------------------------------------- */

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* True unless somebody has the file open for writing. */
static bool no_writer(struct spool *spool, int fd)
{
	/* The caller closes it at once, and the lease goes with it. */
	if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0)
		return true;
	if (errno == EAGAIN)
		return false;
	/* Not our file (EACCES) or a file system without leases: settle alone decides. */
	if (!spool->told_no_lease)
		log_event(EVENT_SPOOL_NO_LEASE,
			  "open writers cannot be seen here, only size and times: rename "
			  "finished files into the spool channel=%s error=\"%s\"",
			  spool->channel, strerror(errno));
	spool->told_no_lease = true;
	return true;
}

static void wait_anew(struct spool *spool, const struct batch *batch,
		      const struct batch_object *o, uint64_t now_ns)
{
	struct spool_entry *e =
		spool_find(&spool->dir[o->hint], last_part(batch_path(batch, o)));

	if (e) {
		e->since_ns = now_ns;
		e->moved = false;
	}
}

static void refuse_unreadable(struct spool *spool, struct spool_entry *e, const char *path)
{
	e->state = SPOOL_REFUSED;
	spool_refuse(spool, path,
		     "permission denied: let the source's user read it, then touch it");
}

/* The file is what was listed, readable, and nobody writes. Else the entry waits anew. */
static bool verify(struct spool *spool, int dir_fd, const struct batch *batch,
		   const struct batch_object *o, uint64_t now_ns)
{
	const char *path = batch_path(batch, o), *name = last_part(path);
	struct spool_entry *e = spool_find(&spool->dir[o->hint], name);
	_cleanup_close_ int fd = -1;
	struct spool_ident id;
	struct stat st;

	if (!e || e->state != SPOOL_WAIT)
		return false;
	fd = openat(dir_fd, name,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		if (errno == EACCES || errno == EPERM)
			refuse_unreadable(spool, e, path);
		else
			spool->dir[o->hint].dirty = true;
		return false;
	}
	spool_ident_of(&id, &st);
	if (S_ISREG(st.st_mode) && spool_ident_same(&id, &e->id)) {
		if (no_writer(spool, fd))
			return true;
		/* Still being written: its next close is an event, and it settles again. */
		e->since_ns = now_ns;
		e->moved = false;
		return false;
	}
	spool->dir[o->hint].dirty = true;
	return false;
}

/* The directory is what was listed: unchanged, so still empty. */
static bool verify_dir(struct spool *spool, const struct batch_object *o)
{
	struct spool_dir *dir = &spool->dir[o->hint];
	_cleanup_close_ int fd = spool_dir_fd(spool, dir->path);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == dir->ino &&
	    st.st_mtim.tv_sec == dir->mtime_s &&
	    (uint32_t)st.st_mtim.tv_nsec == dir->mtime_ns)
		return true;
	dir->dirty = true;
	dir->since_ns = 0;
	return false;
}

/* mtimes before 1970 are carried as 0; the entry keeps the true one for comparing. */
static void carry_times(struct batch *batch)
{
	for (unsigned i = 0; i < batch->count; i++) {
		if (batch->object[i].mtime_s < 0) {
			batch->object[i].mtime_s = 0;
			batch->object[i].mtime_ns = 0;
		}
	}
}

/* A claim is a rename out of the directory: without the right to that, wait. */
static bool may_rename(struct spool *spool, int dir_fd, const char *path)
{
	char quoted[LOG_QUOTE_MAX(WIRE_PATH_MAX)];

	if (faccessat(dir_fd, ".", W_OK | X_OK, AT_EACCESS) == 0)
		return true;
	log_event_limited(
		EVENT_SPOOL_FAILED,
		"files cannot be taken out of a directory of the spool: give the source's "
		"user write permission on it channel=%s path=%s error=\"%s\"",
		spool->channel, log_quote(quoted, sizeof(quoted), path, strlen(path)),
		strerror(errno));
	return false;
}

static void verify_all(struct spool *spool, struct batch *batch, uint64_t now_ns)
{
	bool drop[WIRE_BATCH_OBJECTS_MAX] = {false};
	_cleanup_close_ int dir_fd = -1;
	uint32_t open_slot = UINT32_MAX;

	for (unsigned i = 0; i < batch->count; i++) {
		const struct batch_object *o = &batch->object[i];

		if (o->kind == RECORD_OBJECT_DIR) {
			drop[i] = !verify_dir(spool, o);
			continue;
		}
		if (o->hint != open_slot) {
			km_close(&dir_fd);
			dir_fd = spool_dir_fd(spool, spool->dir[o->hint].path);
			open_slot = o->hint;
			if (dir_fd >= 0 &&
			    !may_rename(spool, dir_fd, spool->dir[o->hint].path))
				km_close(&dir_fd);
		}
		drop[i] = dir_fd < 0 || !verify(spool, dir_fd, batch, o, now_ns);
		if (dir_fd < 0)
			wait_anew(spool, batch, o, now_ns);
	}
	batch_drop(batch, drop);
}

unsigned spool_collect(struct spool *spool, struct batch *batch, uint64_t now_ns)
{
	_cleanup_free_ struct choice *list = NULL;
	size_t count;

	batch_reset(batch);
	list = choices(spool, now_ns, &count);
	if (!list)
		return 0;
	choose_batch(spool, batch, list, count);
	batch_sort(batch);
	verify_all(spool, batch, now_ns);
	carry_times(batch);
	return batch->count;
}

/* ---- moving ----------------------------------------------------------------------------- */

/* The directory part of a path, opened; -1 and errno. */
static int parent_fd(const struct spool *spool, const char *path)
{
	char parent[WIRE_PATH_MAX + 1];
	const char *name = last_part(path);
	const size_t len = name == path ? 0 : (size_t)(name - path) - 1;

	if (len >= sizeof(parent)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(parent, path, len);
	parent[len] = '\0';
	return spool_dir_fd(spool, parent);
}

/* The directory of a path of the spool; opened only when it is not that of the last one. */
static int from_fd(const struct spool *spool, struct spool_from *from, const char *path)
{
	const size_t len = (size_t)(last_part(path) - path);

	if (from->fd >= 0 && from->len == len && memcmp(from->path, path, len) == 0)
		return from->fd;
	km_close(&from->fd);
	from->fd = parent_fd(spool, path);
	from->path = path;
	from->len = len;
	return from->fd;
}

void spool_from_close(struct spool_from *from)
{
	km_close(&from->fd);
}

int spool_take(struct spool *spool, struct spool_from *from, const struct batch *batch,
	       const struct batch_object *o, const char *name)
{
	const char *path = batch_path(batch, o);
	struct stat st;
	int fd;

	if (o->kind == RECORD_OBJECT_DIR)
		return 0;
	fd = from_fd(spool, from, path);
	if (fd < 0)
		return -1;
	/* Never move something else of that name: it would be lost from its place. */
	if (fstatat(fd, last_part(path), &st, AT_SYMLINK_NOFOLLOW) != 0)
		return -1;
	if (!S_ISREG(st.st_mode) || st.st_ino != o->ino) {
		errno = ESTALE;
		return -1;
	}
	return fileio_rename_noreplace(fd, last_part(path), spool->work, name);
}

static void mark_dir(struct spool *spool, struct spool_dir *dir)
{
	_cleanup_close_ int fd = spool_dir_fd(spool, dir->path);
	struct dirmark_row row;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return;
	row = (struct dirmark_row){.dev = st.st_dev,
				   .ino = st.st_ino,
				   .mtime_s = st.st_mtim.tv_sec,
				   .mtime_ns = (uint32_t)st.st_mtim.tv_nsec};
	dirmark_set(spool->marks, &row);
}

void spool_took(struct spool *spool, const struct batch *batch)
{
	for (unsigned i = 0; i < batch->count; i++) {
		const struct batch_object *o = &batch->object[i];
		struct spool_dir *dir = &spool->dir[o->hint];
		struct spool_entry *e;

		if (!dir->path)
			continue;
		dir->dirty = true;
		if (o->kind == RECORD_OBJECT_DIR) {
			const struct dirmark_row row = {.dev = dir->dev,
							.ino = dir->ino,
							.mtime_s = dir->mtime_s,
							.mtime_ns = dir->mtime_ns};

			dirmark_set(spool->marks, &row);
			continue;
		}
		e = spool_find(dir, last_part(batch_path(batch, o)));
		if (e)
			e->state = SPOOL_TAKEN;
		/* Files of one directory are not always neighbours; marking twice is
		 * harmless, and only the last mark stays. */
		if (dir->path[0] &&
		    (i + 1 == batch->count || batch->object[i + 1].hint != o->hint))
			mark_dir(spool, dir);
	}
}

static void hold_file(struct spool *spool, int dir_fd, const char *name)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	spool_ident_of(&spool->held[spool->held_next], &st);
	spool->held_next = (spool->held_next + 1) % SPOOL_HELD;
}

/* Our own rename in must not count as a producer's. */
static void ours_note(struct spool *spool, int dir_fd, const char *name)
{
	struct stat st;

	if (fstat(dir_fd, &st) != 0)
		return;
	for (uint32_t i = 0; i < spool->dirs; i++) {
		struct spool_dir *dir = &spool->dir[i];

		if (dir->path && dir->ino == st.st_ino) {
			dir->dirty = true;
			spool->ours[spool->ours_next] = spool_name_hash(i, name);
			spool->ours_next = (spool->ours_next + 1) % SPOOL_OURS;
			return;
		}
	}
}

int spool_put_back(struct spool *spool, const char *path, const char *name, bool hold,
		   char put[SPOOL_PUT_MAX])
{
	_cleanup_close_ int to = parent_fd(spool, path);
	char beside[64]; /* "put-back-" and two numbers */
	const char *as = last_part(path);

	if (to < 0 && errno == ENOENT) {
		char parent[WIRE_PATH_MAX + 1];

		(void)snprintf(parent, sizeof(parent), "%.*s", (int)(as - path - 1), path);
		to = fileio_mkdir_beneath(spool->in, parent, 0770, NULL);
	}
	if (to < 0)
		return -1;
	ours_note(spool, to, as);
	(void)snprintf(put, SPOOL_PUT_MAX, "%s", path);
	if (fileio_rename_noreplace(spool->work, name, to, as) != 0) {
		if (errno != EEXIST)
			return -1;
		/* The producer has made a new one meanwhile. Both are kept. */
		(void)snprintf(beside, sizeof(beside), "put-back-%s", name);
		as = beside;
		ours_note(spool, to, as);
		(void)snprintf(put, SPOOL_PUT_MAX, "%.*s%s", (int)(last_part(path) - path),
			       path, beside);
		if (fileio_rename_noreplace(spool->work, name, to, as) != 0)
			return -1;
	}
	if (hold)
		hold_file(spool, to, as);
	return 0;
}
