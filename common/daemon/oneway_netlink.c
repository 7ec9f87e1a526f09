// SPDX-License-Identifier: ISC
#include "oneway_netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX 128u
#define ANSWER_MAX 65536u

static int ask(int fd, uint16_t type, const void *body, size_t len)
{
	_Alignas(struct nlmsghdr) uint8_t request[REQUEST_MAX] = {0};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct nlmsghdr head = {
		.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + len),
		.nlmsg_type = type,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		.nlmsg_seq = 1,
	};

	if (NLMSG_HDRLEN + len > sizeof(request))
		return -1;
	memcpy(request, &head, sizeof(head));
	memcpy(request + NLMSG_HDRLEN, body, len);
	return sendto(fd, request, head.nlmsg_len, 0, (struct sockaddr *)&kernel,
		      sizeof(kernel)) < 0
		       ? -1
		       : 0;
}

/* 1: there is more; 0: it was the end; -1: refused. */
static int take(const uint8_t *p, size_t n, oneway_netlink_fn *each, void *ctx)
{
	struct nlmsghdr head;

	while (n >= sizeof(head)) {
		size_t step;
		int code = 0;

		memcpy(&head, p, sizeof(head));
		if (head.nlmsg_len < NLMSG_HDRLEN || head.nlmsg_len > n)
			return -1;
		if (head.nlmsg_type == NLMSG_DONE || head.nlmsg_type == NLMSG_ERROR) {
			if (head.nlmsg_len >= NLMSG_HDRLEN + sizeof(code))
				memcpy(&code, p + NLMSG_HDRLEN, sizeof(code));
			return code == 0 ? 0 : -1;
		}
		if (head.nlmsg_type >= NLMSG_MIN_TYPE)
			each(ctx, p + NLMSG_HDRLEN, head.nlmsg_len - NLMSG_HDRLEN);
		if (!(head.nlmsg_flags & NLM_F_MULTI))
			return 0;
		step = NLMSG_ALIGN(head.nlmsg_len);
		if (step >= n)
			break;
		p += step;
		n -= step;
	}
	return 1;
}

int oneway_netlink_list(int family, uint16_t type, const void *body, size_t len,
			oneway_netlink_fn *each, void *ctx)
{
	_Alignas(struct nlmsghdr) static uint8_t answer[ANSWER_MAX];
	struct timeval patience = {.tv_sec = 5};
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, family);
	int more = 1;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
	    ask(fd, type, body, len) != 0)
		return -1;
	while (more == 1) {
		ssize_t n = recv(fd, answer, sizeof(answer), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		more = take(answer, (size_t)n, each, ctx);
	}
	return more;
}

bool oneway_netlink_next(const uint8_t **p, size_t *len, struct oneway_attribute *found)
{
	struct nlattr head;
	size_t step;

	if (*len < sizeof(head))
		return false;
	memcpy(&head, *p, sizeof(head));
	if (head.nla_len < NLA_HDRLEN || head.nla_len > *len)
		return false;
	*found = (struct oneway_attribute){.type = head.nla_type & NLA_TYPE_MASK,
					   .p = *p + NLA_HDRLEN,
					   .len = head.nla_len - (size_t)NLA_HDRLEN};
	step = (size_t)NLA_ALIGN(head.nla_len);
	if (step > *len)
		step = *len;
	*p += step;
	*len -= step;
	return true;
}

const void *oneway_netlink_find(const void *p, size_t len, unsigned type, size_t least,
				size_t *got)
{
	struct oneway_attribute a;
	const uint8_t *at = p;

	while (oneway_netlink_next(&at, &len, &a)) {
		if (a.type != type)
			continue;
		*got = a.len;
		return a.len >= least ? a.p : NULL;
	}
	return NULL;
}
