// SPDX-License-Identifier: ISC
/*
 * libkm-interpose: a kernel and a clock as they might be, for the programs under test. A
 * test loads it before the C library (LD_PRELOAD); the product knows nothing of it.
 *
 * KM_CLOCK=FILE       the file's 8 bytes, a signed number of seconds, are added to the wall
 *                     clock. The file stays mapped: what a test writes there counts at
 *                     once, as a step of the clock does.
 * KM_RING="ERRNO N"   packet rings of more than N bytes are refused with ERRNO
 * KM_TPACKET=N        the kernel knows no later version of packet rings than N
 *
 * Roles are executed anew with an environment of the supervisor's choice, so all this is
 * handed on by execve. Timestamps of files are the kernel's and do not move.
 *
 * Errors: what cannot be set up ends the process with a message: a test must not go on
 * with the real thing.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define ENVIRONMENT_MAX 256u
#define TEXT_MAX 1024u

static const char *const handed_on[] = {"LD_PRELOAD", "KM_CLOCK", "KM_RING", "KM_TPACKET"};
#define HANDED_ON (sizeof(handed_on) / sizeof(handed_on[0]))

static char text[HANDED_ON][TEXT_MAX]; /* "NAME=value", empty: not set */
static const volatile int64_t *clock_step;
static int ring_errno;
static uint64_t ring_max;
static int tpacket_max;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "km-interpose: %s: %s\n", what, strerror(errno));
	_exit(70);
}

static void map_clock(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *map;

	if (fd < 0)
		fail(path);
	map = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		fail(path);
	(void)close(fd);
	clock_step = map;
}

__attribute__((constructor)) static void begin(void)
{
	const char *value;

	for (size_t i = 0; i < HANDED_ON; i++) {
		value = getenv(handed_on[i]);
		if (value)
			(void)snprintf(text[i], TEXT_MAX, "%s=%s", handed_on[i], value);
	}
	value = getenv("KM_CLOCK");
	if (value)
		map_clock(value);
	value = getenv("KM_RING");
	if (value) {
		char *end;

		ring_errno = (int)strtol(value, &end, 10);
		ring_max = strtoull(end, NULL, 10);
	}
	value = getenv("KM_TPACKET");
	tpacket_max = value ? (int)strtol(value, NULL, 10) : INT32_MAX;
}

/* ---- the clock ---- */

/* Straight to the kernel: what the C library makes of it is what we stand in for. */
__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *ts)
{
	if (syscall(SYS_clock_gettime, id, ts) != 0)
		return -1;
	if (clock_step && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ts->tv_sec += *clock_step;
	return 0;
}

__attribute__((visibility("default"))) time_t time(time_t *out)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	if (out)
		*out = ts.tv_sec;
	return ts.tv_sec;
}

__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict tv,
							void *restrict tz)
{
	struct timespec ts;

	(void)tz;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

/* ---- packet rings ---- */

/* struct tpacket_req is how a tpacket_req3 begins. */
static int ring_judge(const void *value, socklen_t len)
{
	struct tpacket_req request = {0};

	memcpy(&request, value, len < sizeof(request) ? len : sizeof(request));
	return (uint64_t)request.tp_block_size * request.tp_block_nr > ring_max ? ring_errno
										: 0;
}

static int version_judge(const void *value, socklen_t len)
{
	int version = 0;

	memcpy(&version, value, len < sizeof(version) ? len : sizeof(version));
	return version > tpacket_max ? EINVAL : 0;
}

__attribute__((visibility("default"))) int setsockopt(int fd, int level, int option,
						      const void *value, socklen_t len)
{
	int refused = 0;

	if (level == SOL_PACKET && option == PACKET_RX_RING && ring_errno)
		refused = ring_judge(value, len);
	else if (level == SOL_PACKET && option == PACKET_VERSION)
		refused = version_judge(value, len);
	if (refused) {
		errno = refused;
		return -1;
	}
	return (int)syscall(SYS_setsockopt, fd, level, option, value, len);
}

__attribute__((visibility("default"))) int
getsockopt(int fd, int level, int option, void *restrict value, socklen_t *restrict len)
{
	if (level == SOL_PACKET && option == PACKET_HDRLEN && version_judge(value, *len)) {
		errno = EINVAL;
		return -1;
	}
	return (int)syscall(SYS_getsockopt, fd, level, option, value, len);
}

/* ---- handing it on ---- */

/* Called between fork and exec: nothing here allocates. */
__attribute__((visibility("default"))) int execve(const char *path, char *const argv[],
						  char *const envp[])
{
	char *environment[ENVIRONMENT_MAX + HANDED_ON + 1];
	size_t n = 0;

	for (; envp && envp[n]; n++) {
		if (n == ENVIRONMENT_MAX) {
			errno = E2BIG;
			return -1;
		}
		environment[n] = envp[n];
	}
	for (size_t i = 0; i < HANDED_ON; i++)
		if (text[i][0])
			environment[n++] = text[i];
	environment[n] = NULL;
	return (int)syscall(SYS_execve, path, argv, environment);
}
