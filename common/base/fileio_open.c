// SPDX-License-Identifier: ISC
/* Opening beneath a directory, and making directories beneath one. */
#include "fileio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Next component of *path: its length (0 = none left) at *at; *path moves behind it. */
static size_t fileio_component(const char **path, const char **at)
{
	const char *p = *path;
	size_t len;

	p += strspn(p, "/");
	len = strcspn(p, "/");
	*at = p;
	*path = p + len;
	return len;
}

/* 0, or an errno: what both ways of opening refuse alike before they look at any file. */
static int fileio_path_refused(const char *path)
{
	const char *rest = path, *at;
	size_t len;

	if (path[0] == '\0')
		return ENOENT;
	if (path[0] == '/')
		return EXDEV;
	while ((len = fileio_component(&rest, &at)) > 0) {
		if (len == 2 && at[0] == '.' && at[1] == '.')
			return EXDEV;
		if (len > NAME_MAX)
			return ENAMETOOLONG;
	}
	return 0;
}

/* Last step of the walk, with the meaning openat2 has for a symlink. */
static int fileio_open_last(int dirfd, const char *name, int flags, mode_t mode)
{
	int fd = openat(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
	struct stat st;

	if (fd < 0 && errno == ENOTDIR &&
	    fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		errno = S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR;
	if (fd < 0 || !(flags & O_PATH) || (flags & O_NOFOLLOW))
		return fd;
	if (fstat(fd, &st) == 0 && !S_ISLNK(st.st_mode))
		return fd;
	errno = ELOOP;
	km_close(&fd);
	return -1;
}

int fileio_open_walk(int dirfd, const char *path, int flags, mode_t mode)
{
	const int step = O_PATH | O_DIRECTORY;
	_cleanup_close_ int held = -1;
	const char *rest = path, *at, *next;
	int refused = fileio_path_refused(path);
	char name[NAME_MAX + 1];
	size_t len;
	int fd;

	if (refused) {
		errno = refused;
		return -1;
	}
	len = fileio_component(&rest, &at);
	for (;;) {
		const char *look = rest;
		size_t next_len = fileio_component(&look, &next);
		int from = held >= 0 ? held : dirfd;

		memcpy(name, at, len);
		name[len] = '\0';
		if (next_len == 0) {
			if (rest[0] == '/') {
				/* a slash at the end: only a directory will do */
				if ((flags & O_CREAT) && !(flags & O_DIRECTORY)) {
					errno = EISDIR;
					return -1;
				}
				flags |= O_DIRECTORY;
			}
			return fileio_open_last(from, name, flags, mode);
		}
		fd = fileio_open_last(from, name, step, 0);
		if (fd < 0)
			return -1;
		km_close(&held);
		held = fd;
		at = next;
		len = next_len;
		rest = look;
	}
}

int fileio_open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
	static _Atomic bool no_openat2;
	bool makes = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
		.mode = makes ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int refused = fileio_path_refused(path);
	long fd;

	if (refused) {
		errno = refused;
		return -1;
	}
	if (!atomic_load_explicit(&no_openat2, memory_order_relaxed)) {
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
		if (fd >= 0 || errno != ENOSYS)
			return (int)fd;
		atomic_store_explicit(&no_openat2, true, memory_order_relaxed);
	}
	return fileio_open_walk(dirfd, path, flags, mode);
}

/* Opens component `name` of `dirfd`, making it first when it is missing. */
static int fileio_mkdir_step(int dirfd, const char *name, mode_t mode,
			     fileio_changed_fn *changed, void *ctx, struct km_err *err)
{
	const int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dirfd, name, how);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (mkdirat(dirfd, name, 0700) != 0 && errno != EEXIST)
		return -1;
	fd = openat(dirfd, name, how);
	if (fd < 0)
		return -1;
	/* mode through the descriptor: exact whatever the umask says */
	if (fchmod(fd, mode) != 0 || changed(ctx, dirfd, err) != 0) {
		km_close(&fd);
		return -1;
	}
	return fd;
}

static int fileio_changed_sync(void *ctx, int dirfd, struct km_err *err)
{
	(void)ctx;
	return fileio_sync_dir(dirfd, err);
}

int fileio_mkdir_beneath(int dirfd, const char *path, mode_t mode, struct km_err *err)
{
	return fileio_mkdir_beneath_by(dirfd, path, mode, fileio_changed_sync, NULL, err);
}

int fileio_mkdir_beneath_by(int dirfd, const char *path, mode_t mode,
			    fileio_changed_fn *changed, void *ctx, struct km_err *err)
{
	_cleanup_close_ int held = -1;
	int refused = fileio_path_refused(path);
	const char *rest = path, *at;
	char name[NAME_MAX + 1];
	size_t len;
	int fd;

	if (refused) {
		errno = refused;
		return km_err_set_errno(err, EX_CANTCREAT, "directory %s", path);
	}
	/* fsync of the parent needs a real descriptor, dirfd may be O_PATH or AT_FDCWD */
	held = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (held < 0)
		return km_err_set_errno(err, EX_CANTCREAT, "directory %s: parent", path);
	while ((len = fileio_component(&rest, &at)) > 0) {
		memcpy(name, at, len);
		name[len] = '\0';
		fd = fileio_mkdir_step(held, name, mode, changed, ctx, err);
		if (fd < 0)
			return km_err_set_errno(err, EX_CANTCREAT, "directory %s: at %s",
						path, name);
		km_close(&held);
		held = fd;
	}
	return km_take_fd(&held);
}
