// SPDX-License-Identifier: ISC
/*
 * fileio.h: the file operations whose edge cases must be right once and for all.
 *
 * Everything is relative to a directory descriptor; descriptors returned are O_CLOEXEC and
 * the caller's. Functions with a km_err return 0 / -1 and say what failed on which name;
 * the thin wrappers without one return -1 and errno. Not a path library: names from the
 * wire are judged elsewhere before they come here. Blocks. Any role that may touch files.
 */
#ifndef FILEIO_H
#define FILEIO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "km_err.h"

/*
 * Reads the whole regular file `name` under dirfd (AT_FDCWD allowed; a final symlink is
 * followed only with AT_FDCWD), at most `max` bytes, into fresh memory with one extra
 * terminating NUL. *data becomes the caller's (free). A larger file is an error.
 */
KM_MUST_CHECK int fileio_read_all(int dirfd, const char *name, size_t max, uint8_t **data,
				  size_t *len, struct km_err *err);

/*
 * Replaces dirfd/name by data[0..len): temporary file beside it, write, mode, fsync, rename,
 * fsync of the directory. After 0 the new content survives a power cut; after -1 the old
 * content is untouched (or, when only the last fsync failed, either one is whole).
 * `name` is a single component.
 */
KM_MUST_CHECK int fileio_write_atomic(int dirfd, const char *name, const void *data,
				      size_t len, mode_t mode, struct km_err *err);

/* fsync of a directory given by descriptor (O_PATH will not do). */
KM_MUST_CHECK int fileio_sync_dir(int dirfd, struct km_err *err);

/*
 * Makes every missing directory of the relative path under dirfd, each with `mode`, never
 * through a symlink, ".." or an absolute path, and fsyncs each parent it changed. Returns
 * an O_RDONLY|O_DIRECTORY descriptor of the last one, or -1.
 */
KM_MUST_CHECK int fileio_mkdir_beneath(int dirfd, const char *path, mode_t mode,
				       struct km_err *err);

/* The same with the fsync left to somebody else: `changed` is called for each parent that
 * got a new entry, with its descriptor, borrowed; 0, or -1 with errno to end it. */
typedef int fileio_changed_fn(void *ctx, int dirfd, struct km_err *err);
KM_MUST_CHECK int fileio_mkdir_beneath_by(int dirfd, const char *path, mode_t mode,
					  fileio_changed_fn *changed, void *ctx,
					  struct km_err *err);

/* All of len bytes at offset unless the file ends: bytes read, or -1 and errno. */
KM_MUST_CHECK ssize_t fileio_pread_full(int fd, void *buf, size_t len, off_t offset);

/* All of len bytes at offset: 0, or -1 and errno. */
KM_MUST_CHECK int fileio_pwrite_full(int fd, const void *buf, size_t len, off_t offset);

/* All of len bytes at the file position: 0, or -1 and errno. */
KM_MUST_CHECK int fileio_write_full(int fd, const void *buf, size_t len);

/*
 * Opens path under dirfd without ever leaving it: no "..", no absolute path, no symlink
 * anywhere, no magic link (openat2 RESOLVE_BENEATH|NO_SYMLINKS|NO_MAGICLINKS; where the
 * kernel lacks it, component by component with O_NOFOLLOW). O_CLOEXEC is added. Returns a
 * descriptor, or -1 and errno (ELOOP symlink, EXDEV leaves dirfd).
 */
KM_MUST_CHECK int fileio_open_beneath(int dirfd, const char *path, int flags, mode_t mode);

/* The fallback alone, so that tests can prove both agree. */
KM_MUST_CHECK int fileio_open_walk(int dirfd, const char *path, int flags, mode_t mode);

/* Bytes free for this user and bytes in all on the file system of fd. */
KM_MUST_CHECK int fileio_space(int fd, uint64_t *free_bytes, uint64_t *total_bytes,
			       struct km_err *err);

/* renameat2 with RENAME_NOREPLACE: -1 and EEXIST when `to` is there. */
KM_MUST_CHECK int fileio_rename_noreplace(int from_dir, const char *from, int to_dir,
					  const char *to);

/* renameat2 with RENAME_EXCHANGE: both names must exist. */
KM_MUST_CHECK int fileio_rename_exchange(int a_dir, const char *a, int b_dir,
					 const char *b);

#endif
