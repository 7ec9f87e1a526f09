// SPDX-License-Identifier: ISC
#include "fuzz_dir.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz_target.h"
#include "log.h"

static char path[64];
static int fd = -1;

static int drop(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	return ftw->level == 0 ? 0 : remove(name);
}

void fuzz_dir_empty(void)
{
	(void)nftw(fuzz_dir_path(), drop, 16, FTW_DEPTH | FTW_PHYS);
}

static void drop_all(void)
{
	fuzz_dir_empty();
	(void)rmdir(path);
}

int fuzz_dir(void)
{
	if (fd >= 0)
		return fd;
	(void)snprintf(path, sizeof(path), "%s/katamichi-fuzz-XXXXXX",
		       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	FUZZ_ASSERT(mkdtemp(path) != NULL);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FUZZ_ASSERT(fd >= 0 && atexit(drop_all) == 0);
	return fd;
}

const char *fuzz_dir_path(void)
{
	(void)fuzz_dir();
	return path;
}

void fuzz_dir_put(const char *name, const void *data, size_t len)
{
	int to = openat(fuzz_dir(), name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	FUZZ_ASSERT(to >= 0 && write(to, data, len) == (ssize_t)len);
	close(to);
}

static void nowhere(void *ctx, int level, enum event event, const char *line, size_t len)
{
	(void)ctx;
	(void)level;
	(void)event;
	(void)line;
	(void)len;
}

void fuzz_dir_hush(void)
{
	log_set_sink(nowhere, NULL);
}
