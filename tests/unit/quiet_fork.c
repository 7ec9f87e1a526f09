// SPDX-License-Identifier: ISC
/*
 * fork() for Criterion's runner in sanitizer builds. The runner forks each test while threads of
 * its messaging library run. gcc 12's libasan, unlike libc, does not take the locks of its
 * allocator around fork(): a child whose parent's thread was just allocating waits for ever at
 * its first malloc(). So fork when every other thread sleeps in the kernel; with CRITERION_JOBS=1
 * (scripts/test) nothing is under way then that could wake one.
 *
 * Linked into the test programs, whose symbol goes before libc's.
 */
#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A test that forks beside a busy thread of its own is not held up for long. */
#define QUIET_ROUNDS 500

static bool thread_sleeps(const char *tid)
{
	char path[64], text[256];
	const char *state;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%.16s/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true; /* it is gone */
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	state = strrchr(text, ')'); /* the name may hold anything */
	return !state || state[1] != ' ' || state[2] == 'S';
}

static bool others_sleep(void)
{
	DIR *dir = opendir("/proc/self/task");
	const struct dirent *entry;
	bool sleep = true;

	while (dir && sleep && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    atoi(entry->d_name) != (int)gettid())
			sleep = thread_sleeps(entry->d_name);
	if (dir)
		(void)closedir(dir);
	return sleep;
}

pid_t fork(void)
{
	static pid_t (*next)(void);
	const struct timespec pause = {.tv_nsec = 1000 * 1000};

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "fork");
	/* twice: a thread may have slept between two steps of one piece of work */
	for (int round = 0, quiet = 0; round < QUIET_ROUNDS && quiet < 2; round++) {
		quiet = others_sleep() ? quiet + 1 : 0;
		if (quiet < 2)
			(void)nanosleep(&pause, NULL);
	}
	return next();
}
