// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fileio.h"

static char top[] = "/tmp/km-fileio-XXXXXX";
static int dir = -1;

static void enter(void)
{
	cr_assert(mkdtemp(top));
	dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(dir, 0);
}

static void leave(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", top);
	cr_assert_eq(system(command), 0);
	close(dir);
}

TestSuite(fileio, .init = enter, .fini = leave);

Test(fileio, write_atomic_and_read)
{
	struct km_err err = KM_ERR_INIT;
	struct stat st;
	uint8_t *data;
	size_t len;

	cr_assert_eq(fileio_write_atomic(dir, "state", "one", 3, 0640, &err), 0, "%s",
		     err.text);
	cr_assert_eq(fileio_write_atomic(dir, "state", "second", 6, 0600, &err), 0);
	cr_assert_eq(fstatat(dir, "state", &st, 0), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_eq(fileio_read_all(dir, "state", 6, &data, &len, &err), 0);
	cr_assert(len == 6 && memcmp(data, "second", 7) == 0, "terminated");
	free(data);
	cr_assert_eq(fileio_read_all(dir, "state", 5, &data, &len, &err), -1);
	cr_assert_not_null(strstr(err.text, "6 bytes, at most 5"), "%s", err.text);
	cr_assert_eq(fileio_read_all(dir, "none", 5, &data, &len, &err), -1);
	cr_assert_eq(err.saved_errno, ENOENT);
	cr_assert_eq(fileio_read_all(dir, ".", 5, &data, &len, &err), -1);
	cr_assert_eq(symlinkat("state", dir, "link"), 0);
	cr_assert_eq(fileio_read_all(dir, "link", 6, &data, &len, &err), -1);
	cr_assert_eq(mkfifoat(dir, "fifo", 0600), 0);
	cr_assert_eq(fileio_read_all(dir, "fifo", 6, &data, &len, &err), -1,
		     "does not hang");
	cr_assert_eq(fileio_write_atomic(dir, "a/b", "x", 1, 0600, &err), -1);
	cr_assert_eq(fileio_write_atomic(dir, "", "x", 1, 0600, &err), -1);
	/* a leftover of a crash, even a planted link, is not followed */
	cr_assert_eq(symlinkat("/etc/passwd", dir, ".new-state"), 0);
	cr_assert_eq(fileio_write_atomic(dir, "state", "third", 5, 0600, &err), 0, "%s",
		     err.text);
	cr_assert_eq(faccessat(dir, ".new-state", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	cr_assert_eq(fileio_write_atomic(dir, "fifo2", "x", 0, 0600, &err), 0);
}

Test(fileio, failed_write_leaves_the_old_content)
{
	struct km_err err = KM_ERR_INIT;
	uint8_t *data;
	size_t len;

	cr_assert_eq(mkdirat(dir, "d", 0700), 0);
	cr_assert_eq(fileio_write_atomic(dir, "d", "x", 1, 0600, &err), -1,
		     "over a directory");
	cr_assert_eq(faccessat(dir, ".new-d", F_OK, 0), -1, "no litter");
	cr_assert_eq(fileio_write_atomic(dir, "f", "old", 3, 0600, &err), 0);
	cr_assert_eq(fileio_write_atomic(-1, "f", "new", 3, 0600, &err), -1);
	cr_assert_eq(fileio_read_all(dir, "f", 10, &data, &len, &err), 0);
	cr_assert(len == 3 && memcmp(data, "old", 3) == 0);
	free(data);
}

Test(fileio, open_beneath_and_its_fallback_agree)
{
	static const struct {
		const char *path;
		int flags;
		int want; /* 0 = opens, else errno */
	} cases[] = {
		{"a/b/file", O_RDONLY, 0},
		{"a//b/./file", O_RDONLY, 0},
		{"a/b", O_RDONLY | O_DIRECTORY, 0},
		{"a/b/", O_RDONLY, 0},
		{".", O_RDONLY, 0},
		{"a/b/file/", O_RDONLY, ENOTDIR},
		{"a/b/none", O_RDONLY, ENOENT},
		{"", O_RDONLY, ENOENT},
		{"/etc/passwd", O_RDONLY, EXDEV},
		{"a/../a/b/file", O_RDONLY, EXDEV},
		{"..", O_RDONLY, EXDEV},
		{"link", O_RDONLY, ELOOP},
		{"link", O_PATH, ELOOP},
		{"dirlink/file", O_RDONLY, ELOOP},
		{"a/b/file/x", O_RDONLY, ENOTDIR},
		{"a/new", O_WRONLY | O_CREAT | O_EXCL, 0},
		{"a/new", O_WRONLY | O_CREAT | O_EXCL, EEXIST},
	};

	cr_assert_eq(mkdirat(dir, "a", 0700), 0);
	cr_assert_eq(mkdirat(dir, "a/b", 0700), 0);
	cr_assert_eq(close(openat(dir, "a/b/file", O_CREAT | O_WRONLY, 0600)), 0);
	cr_assert_eq(symlinkat("a/b/file", dir, "link"), 0);
	cr_assert_eq(symlinkat("a/b", dir, "dirlink"), 0);
	for (int walk = 0; walk < 2; walk++) {
		unlinkat(dir, "a/new", 0);
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			int fd = walk ? fileio_open_walk(dir, cases[i].path, cases[i].flags,
							 0600)
				      : fileio_open_beneath(dir, cases[i].path,
							    cases[i].flags, 0600);
			int why = fd < 0 ? errno : 0;

			cr_assert_eq(why, cases[i].want, "%s of %s: %s, not %s",
				     walk ? "walk" : "openat2", cases[i].path,
				     strerror(why), strerror(cases[i].want));
			if (fd >= 0) {
				cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
				close(fd);
			}
		}
	}
}

Test(fileio, mkdir_beneath)
{
	struct km_err err = KM_ERR_INIT;
	struct stat st;
	int fd;

	umask(077);
	fd = fileio_mkdir_beneath(dir, "x/y/z", 0755, &err);
	cr_assert_geq(fd, 0, "%s", err.text);
	cr_assert_eq(fstatat(dir, "x/y", &st, 0), 0);
	cr_assert_eq(st.st_mode & 07777, 0755);
	close(fd);
	fd = fileio_mkdir_beneath(dir, "x/y/z/", 0700, &err);
	cr_assert_geq(fd, 0, "again is fine");
	close(fd);
	cr_assert_eq(symlinkat("/tmp", dir, "out"), 0);
	cr_assert_eq(fileio_mkdir_beneath(dir, "out/evil", 0700, &err), -1);
	cr_assert_eq(fileio_mkdir_beneath(dir, "../evil", 0700, &err), -1);
	cr_assert_eq(fileio_mkdir_beneath(dir, "/tmp/evil", 0700, &err), -1);
	cr_assert_eq(access("/tmp/evil", F_OK), -1);
}

Test(fileio, whole_reads_and_writes_and_renames)
{
	struct km_err err = KM_ERR_INIT;
	uint64_t free_bytes, total;
	char buf[16];
	int fd = openat(dir, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	cr_assert_eq(fileio_pwrite_full(fd, "hello", 5, 3), 0);
	cr_assert_eq(fileio_pread_full(fd, buf, sizeof(buf), 3), 5);
	cr_assert_eq(memcmp(buf, "hello", 5), 0);
	cr_assert_eq(fileio_pread_full(fd, buf, sizeof(buf), 100), 0);
	cr_assert_eq(fileio_pread_full(-1, buf, sizeof(buf), 0), -1);
	cr_assert_eq(fileio_pwrite_full(-1, buf, 1, 0), -1);
	cr_assert_eq(fileio_space(dir, &free_bytes, &total, &err), 0);
	cr_assert(total > 0 && free_bytes <= total);
	cr_assert_eq(close(openat(dir, "g", O_CREAT | O_WRONLY, 0600)), 0);
	cr_assert_eq(fileio_rename_noreplace(dir, "f", dir, "g"), -1);
	cr_assert_eq(errno, EEXIST);
	cr_assert_eq(fileio_rename_exchange(dir, "f", dir, "g"), 0);
	cr_assert_eq(fileio_rename_noreplace(dir, "f", dir, "h"), 0);
	cr_assert_eq(fileio_rename_exchange(dir, "h", dir, "none"), -1);
	close(fd);
}
