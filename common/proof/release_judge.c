// SPDX-License-Identifier: ISC
/* A tree against the manifest of its release: each finding is one line. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fileio.h"
#include "log.h"
#include "release.h"

#define PIECE (64u << 10)
#define MODE_BITS 07777u

struct look {
	struct release_found *found;
	const struct release *r;
	int rootfd;
	const char *root;
	uint32_t owner;
	FILE *out;
	struct digest *digest; /* NULL: out of memory */
	uint8_t piece[PIECE];
};

KM_PRINTF(4, 5)
static void tell(struct look *l, const char *word, const char *path, const char *fmt, ...)
{
	va_list args;

	l->found->findings++;
	(void)fprintf(l->out, "%-10s %s/%s: ", word, l->root, path);
	va_start(args, fmt);
	(void)vfprintf(l->out, fmt, args);
	va_end(args);
	(void)fputc('\n', l->out);
}

/* Why PATH could not be opened, by errno. */
static void tell_errno(struct look *l, const char *path)
{
	switch (errno) {
	case ENOENT:
		tell(l, "missing", path, "it is not there");
		return;
	case ELOOP:
		tell(l, "replaced", path, "it is a symbolic link, or is reached by one");
		return;
	case ENOTDIR:
		tell(l, "replaced", path, "a directory is no directory");
		return;
	default:
		l->found->unreadable++;
		tell(l, "unreadable", path, "%s", strerror(errno));
	}
}

static void judge_rights(struct look *l, const struct release_entry *e,
			 const struct stat *st)
{
	const uint32_t mode = st->st_mode & MODE_BITS;
	const uint32_t more = mode & ~e->mode;

	if (mode != e->mode)
		tell(l, "mode", e->path, "%04o, should be %04o%s%s%s", mode, e->mode,
		     more & S_ISUID ? ", setuid" : "", more & S_ISGID ? ", setgid" : "",
		     more & (S_IWGRP | S_IWOTH) ? ", others may write it" : "");
	if (st->st_uid != l->owner || st->st_gid != l->owner)
		tell(l, "owner", e->path, "%u:%u, should be %u:%u", st->st_uid, st->st_gid,
		     l->owner, l->owner);
}

/* The digest of the open file FD; false with errno. *SIZE: bytes that there were. */
static bool hash(struct look *l, int fd, uint64_t *size, uint8_t out[DIGEST_LEN])
{
	ssize_t n;

	if (!l->digest) {
		errno = ENOMEM;
		return false;
	}
	*size = 0;
	digest_begin(l->digest);
	while ((n = fileio_pread_full(fd, l->piece, PIECE, (off_t)*size)) > 0) {
		digest_update(l->digest, l->piece, (size_t)n);
		*size += (uint64_t)n;
	}
	digest_end(l->digest, out);
	return n == 0;
}

static void judge_content(struct look *l, const struct release_entry *e,
			  const struct stat *seen)
{
	_cleanup_close_ int fd = fileio_open_beneath(l->rootfd, e->path,
						     O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	char is[DIGEST_HEX_LEN + 1], should[DIGEST_HEX_LEN + 1];
	uint8_t digest[DIGEST_LEN];
	uint64_t size;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) {
		tell_errno(l, e->path);
		return;
	}
	if (st.st_dev != seen->st_dev || st.st_ino != seen->st_ino) {
		tell(l, "replaced", e->path, "another file took its place meanwhile");
		return;
	}
	if (fgetxattr(fd, "security.capability", NULL, 0) >= 0)
		tell(l, "capability", e->path,
		     "the file gives capabilities to who starts it");
	if (!hash(l, fd, &size, digest)) {
		tell_errno(l, e->path);
		return;
	}
	if (size == e->size && memcmp(digest, e->digest, DIGEST_LEN) == 0)
		return;
	digest_hex(is, digest);
	digest_hex(should, e->digest);
	tell(l, "altered", e->path,
	     "%llu bytes, SHA-256 %s; should be %llu bytes, SHA-256 %s",
	     (unsigned long long)size, is, (unsigned long long)e->size, should);
}

static void judge_file(struct look *l, const struct release_entry *e)
{
	/* what is no regular file is not even opened: a device may do something at that */
	_cleanup_close_ int fd = fileio_open_beneath(l->rootfd, e->path, O_PATH, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) {
		tell_errno(l, e->path);
		return;
	}
	if (!S_ISREG(st.st_mode)) {
		tell(l, "replaced", e->path, "it is not a regular file");
		return;
	}
	judge_rights(l, e, &st);
	judge_content(l, e, &st);
}

static int by_path(const void *path, const void *entry)
{
	return strcmp(path, ((const struct release_entry *)entry)->path);
}

static bool listed_directory(const struct release *r, const char *path)
{
	return r->directories &&
	       bsearch(path, r->entry, r->directories, sizeof(*r->entry), by_path) != NULL;
}

static bool listed(const struct release *r, const char *path)
{
	return listed_directory(r, path) ||
	       bsearch(path, r->entry + r->directories, r->files, sizeof(*r->entry),
		       by_path) != NULL;
}

static void judge_name(struct look *l, const char *directory, const char *name)
{
	char path[RELEASE_PATH_MAX + NAME_MAX + 2], quoted[LOG_QUOTE_MAX(NAME_MAX)];

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return;
	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	if (listed(l->r, path))
		return;
	tell(l, "unlisted", directory, "%s is not of the release",
	     log_quote(quoted, sizeof(quoted), name, strlen(name)));
}

static void judge_directory(struct look *l, const struct release_entry *e)
{
	_cleanup_close_ int fd =
		fileio_open_beneath(l->rootfd, e->path, O_RDONLY | O_DIRECTORY, 0);
	struct dirent **names;
	struct stat st;
	int n;

	if (fd < 0 || fstat(fd, &st) != 0) {
		tell_errno(l, e->path);
		return;
	}
	judge_rights(l, e, &st);
	n = scandirat(fd, ".", &names, NULL, alphasort);
	if (n < 0) {
		tell_errno(l, e->path);
		return;
	}
	for (int i = 0; i < n; i++) {
		judge_name(l, e->path, names[i]->d_name);
		free(names[i]);
	}
	free(names);
}

/* A directory on the way that is not ours: who may write it may exchange what is in it. */
static void judge_way(struct look *l, const char *path)
{
	_cleanup_close_ int fd =
		fileio_open_beneath(l->rootfd, *path ? path : ".", O_PATH, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return; /* the file's own finding says it */
	if (st.st_uid != l->owner || (st.st_mode & S_IWOTH) ||
	    ((st.st_mode & S_IWGRP) && st.st_gid != l->owner))
		tell(l, "way", path, "%u:%u, mode %04o: others may exchange what is in it",
		     st.st_uid, st.st_gid, st.st_mode & MODE_BITS);
}

/* The directories that lead to E, without those that led to the file before it. */
static void judge_ways(struct look *l, const struct release_entry *e,
		       const struct release_entry *before)
{
	char path[RELEASE_PATH_MAX + 1] = "";

	if (!before)
		judge_way(l, path);
	for (size_t i = 0; e->path[i]; path[i] = e->path[i], i++) {
		if (e->path[i] != '/')
			continue;
		path[i] = '\0';
		if (before && strncmp(before->path, e->path, i + 1) == 0)
			continue;
		if (!listed_directory(l->r, path))
			judge_way(l, path);
	}
}

void release_judge(struct release_found *found, const struct release *r, int rootfd,
		   const char *root, uint32_t owner, FILE *out)
{
	static struct look l;
	const struct release_entry *e = r->entry;

	memset(found, 0, sizeof(*found));
	l.found = found;
	l.r = r;
	l.rootfd = rootfd;
	l.root = root;
	l.owner = owner;
	l.out = out;
	l.digest = digest_new();
	for (unsigned i = 0; i < r->directories; i++, e++)
		judge_directory(&l, e);
	for (unsigned i = 0; i < r->files; i++, e++) {
		judge_ways(&l, e, i ? e - 1 : NULL);
		judge_file(&l, e);
	}
	digest_free(l.digest);
}
