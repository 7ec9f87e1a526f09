// SPDX-License-Identifier: ISC
#include "stand_in.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void stand_in_fail(const char *what)
{
	(void)fprintf(stderr, "escape: %s: %s\n", what, strerror(errno));
	exit(99);
}

static int put(int fd, int to)
{
	if (fd < 0 || (fd != to && (dup2(fd, to) != to || close(fd) != 0)))
		stand_in_fail("descriptor");
	return to;
}

int stand_in_link(int to)
{
	const struct sockaddr_ll lo = {.sll_family = AF_PACKET,
				       .sll_protocol = htons(ETH_P_ALL),
				       .sll_ifindex = (int)if_nametoindex("lo")};
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

	if (fd < 0 || bind(fd, (const struct sockaddr *)&lo, sizeof(lo)) != 0)
		stand_in_fail("packet socket");
	return put(fd, to);
}

int stand_in_memory(int to)
{
	char path[40];
	int fd = memfd_create("stand-in", 0), ro;

	if (fd < 0 || ftruncate(fd, 4096) != 0 || fchmod(fd, 0600) != 0)
		stand_in_fail("shared memory");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY);
	(void)close(fd);
	return put(ro, to);
}

void stand_in_pair(int to)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
		stand_in_fail("message socket");
	put(fcntl(pair[1], F_DUPFD, 100), 100 + to);
	(void)close(pair[1]);
	put(pair[0], to);
}

int stand_in_directory(const char *directory, const char *name)
{
	char path[512];
	int fd, file;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	if ((mkdir(path, 0700) != 0 && errno != EEXIST) ||
	    chown(path, STAND_IN_USER, STAND_IN_USER) != 0)
		stand_in_fail(path);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	file = fd < 0 ? -1 : openat(fd, "mine", O_CREAT | O_WRONLY, 0600);
	if (file < 0 || fchown(file, STAND_IN_USER, STAND_IN_USER) != 0)
		stand_in_fail(path);
	(void)close(file);
	/* out of the way of the numbers that a role is given */
	return put(fd, fcntl(fd, F_DUPFD, 64));
}
