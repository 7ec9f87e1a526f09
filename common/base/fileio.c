// SPDX-License-Identifier: ISC
#include "fileio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Prefix of the temporary file of fileio_write_atomic(). */
#define FILEIO_TMP_PREFIX ".new-"

ssize_t fileio_pread_full(int fd, void *buf, size_t len, off_t offset)
{
	uint8_t *to = buf;
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, to + done, len - done, offset + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int fileio_pwrite_full(int fd, const void *buf, size_t len, off_t offset)
{
	const uint8_t *from = buf;
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(fd, from + done, len - done, offset + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

int fileio_write_full(int fd, const void *buf, size_t len)
{
	const uint8_t *from = buf;
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, from + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

int fileio_read_all(int dirfd, const char *name, size_t max, uint8_t **data, size_t *len,
		    struct km_err *err)
{
	int follow = dirfd == AT_FDCWD ? 0 : O_NOFOLLOW;
	_cleanup_close_ int fd =
		openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | follow);
	_cleanup_free_ uint8_t *buf = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return km_err_set_errno(err, errno == EACCES ? EX_NOPERM : EX_NOINPUT,
					"file %s: open", name);
	if (fstat(fd, &st) != 0)
		return km_err_set_errno(err, EX_IOERR, "file %s: stat", name);
	if (!S_ISREG(st.st_mode))
		return km_err_set(err, EX_NOINPUT, "file %s: not a regular file", name);
	if ((uint64_t)st.st_size > max)
		return km_err_set(err, EX_DATAERR,
				  "file %s: %lld bytes, at most %zu allowed", name,
				  (long long)st.st_size, max);
	/* one byte more than the size: a file that grows meanwhile is noticed, not cut */
	buf = malloc((size_t)st.st_size + 2);
	if (!buf)
		return km_err_set(err, EX_OSERR, "file %s: out of memory", name);
	n = fileio_pread_full(fd, buf, (size_t)st.st_size + 1, 0);
	if (n < 0)
		return km_err_set_errno(err, EX_IOERR, "file %s: read", name);
	if (n > (ssize_t)st.st_size)
		return km_err_set(err, EX_IOERR, "file %s: grew while it was read", name);
	buf[n] = '\0';
	*data = buf;
	*len = (size_t)n;
	buf = NULL;
	return 0;
}

int fileio_sync_dir(int dirfd, struct km_err *err)
{
	if (fsync(dirfd) != 0)
		return km_err_set_errno(err, EX_IOERR, "directory: fsync");
	return 0;
}

int fileio_write_atomic(int dirfd, const char *name, const void *data, size_t len,
			mode_t mode, struct km_err *err)
{
	_cleanup_close_ int fd = -1;
	char tmp[NAME_MAX + 1];
	int n = snprintf(tmp, sizeof(tmp), FILEIO_TMP_PREFIX "%s", name);

	if (n < 0 || (size_t)n >= sizeof(tmp) || strchr(name, '/') || name[0] == '\0')
		return km_err_set(err, EX_SOFTWARE, "file %s: not a plain short name",
				  name);
	/* left by a process that died in here; nothing refers to it */
	if (unlinkat(dirfd, tmp, 0) != 0 && errno != ENOENT)
		return km_err_set_errno(err, EX_CANTCREAT, "file %s: remove old %s", name,
					tmp);
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return km_err_set_errno(err, EX_CANTCREAT, "file %s: create %s", name, tmp);
	if (fileio_write_full(fd, data, len) != 0 || fchmod(fd, mode) != 0 ||
	    fsync(fd) != 0) {
		(void)km_err_set_errno(err, EX_IOERR, "file %s: write", name);
		goto out_unlink;
	}
	if (renameat(dirfd, tmp, dirfd, name) != 0) {
		(void)km_err_set_errno(err, EX_IOERR, "file %s: rename", name);
		goto out_unlink;
	}
	if (fileio_sync_dir(dirfd, err) != 0)
		return km_err_prefix(err, "file %s", name);
	return 0;
out_unlink:
	(void)unlinkat(dirfd, tmp, 0);
	return -1;
}

int fileio_space(int fd, uint64_t *free_bytes, uint64_t *total_bytes, struct km_err *err)
{
	struct statvfs vfs;

	if (fstatvfs(fd, &vfs) != 0)
		return km_err_set_errno(err, EX_OSERR, "file system: space");
	*free_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	*total_bytes = (uint64_t)vfs.f_blocks * vfs.f_frsize;
	return 0;
}

int fileio_rename_noreplace(int from_dir, const char *from, int to_dir, const char *to)
{
	return renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE);
}

int fileio_rename_exchange(int a_dir, const char *a, int b_dir, const char *b)
{
	return renameat2(a_dir, a, b_dir, b, RENAME_EXCHANGE);
}
