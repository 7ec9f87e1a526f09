// SPDX-License-Identifier: ISC
/* One question to the kernel's routing table. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fileio.h"
#include "host.h"

#define ROUTE_ANSWER_MAX 4096u
/* The kernel answers within the call; this only bounds a wait that never ends. */
#define ROUTE_WAIT_S 5

struct route_question {
	struct nlmsghdr head;
	struct rtmsg route;
	struct rtattr name;
	uint8_t ip[4];
};

/* The outgoing interface of an answer; -1 with errno. */
static int answer_read(const struct nlmsghdr *head, size_t len, unsigned *index)
{
	const struct rtmsg *route = (const void *)(head + 1);
	int left;

	if (!NLMSG_OK(head, len)) {
		errno = EPROTO;
		return -1;
	}
	if (head->nlmsg_type == NLMSG_ERROR) {
		errno = head->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr))
				? -((const struct nlmsgerr *)(const void *)route)->error
				: EPROTO;
		return -1;
	}
	left = (int)head->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*route));
	for (const struct rtattr *a = (const void *)(route + 1);
	     left > 0 && RTA_OK(a, left);) {
		if (a->rta_type == RTA_OIF && RTA_PAYLOAD(a) >= sizeof(uint32_t)) {
			memcpy(index, RTA_DATA(a), sizeof(uint32_t));
			return 0;
		}
		left -= (int)RTA_ALIGN(a->rta_len);
		a = (const void *)((const uint8_t *)a + RTA_ALIGN(a->rta_len));
	}
	errno = ENETUNREACH; /* a blackhole, or a route of several hops */
	return -1;
}

int host_route(const uint8_t ip[4], unsigned *index)
{
	const struct timeval limit = {.tv_sec = ROUTE_WAIT_S};
	_Alignas(8) uint8_t answer[ROUTE_ANSWER_MAX];
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct route_question ask = {
		.head = {.nlmsg_len = sizeof(ask),
			 .nlmsg_type = RTM_GETROUTE,
			 .nlmsg_flags = NLM_F_REQUEST},
		.route = {.rtm_family = AF_INET, .rtm_dst_len = 32},
		.name = {.rta_len = RTA_LENGTH(sizeof(ask.ip)), .rta_type = RTA_DST},
	};
	ssize_t n;

	if (fd < 0)
		return -1;
	memcpy(ask.ip, ip, sizeof(ask.ip));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (send(fd, &ask, sizeof(ask), 0) != (ssize_t)sizeof(ask))
		return -1;
	n = recv(fd, answer, sizeof(answer), 0);
	if (n < 0)
		return -1;
	return answer_read((const void *)answer, (size_t)n, index);
}

bool host_stands_on(const char *upper, const char *lower)
{
	char path[128];

	if (strcmp(upper, lower) == 0)
		return true;
	(void)snprintf(path, sizeof(path), "/sys/class/net/%.32s/lower_%.32s", upper,
		       lower);
	return access(path, F_OK) == 0;
}
