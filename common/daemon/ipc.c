// SPDX-License-Identifier: ISC
#include "ipc.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "clock.h"
#include "log.h"

/* Control data of one message; a union because cmsghdr wants alignment. */
union ipc_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
};

int ipc_pair(int fds[2], struct km_err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
		fds[0] = fds[1] = -1;
		return km_err_set_errno(err, EX_OSERR, "message sockets");
	}
	return 0;
}

const struct ipc_type *ipc_check(const struct ipc_table *table, uint32_t type, size_t size,
				 size_t n_fds, const char **reason)
{
	const char *unused;

	if (!reason)
		reason = &unused;
	for (size_t i = 0; i < table->n; i++) {
		const struct ipc_type *row = &table->rows[i];

		if (row->type != type)
			continue;
		if (row->size != size) {
			*reason = "wrong size";
			return NULL;
		}
		if (row->n_fds != n_fds) {
			*reason = "wrong number of descriptors";
			return NULL;
		}
		return row;
	}
	*reason = "unknown type";
	return NULL;
}

/* Waits for `events` before the deadline (0 = never wait). */
static enum km_rc ipc_wait(int sock, short events, uint64_t deadline_ns, enum km_rc not_now)
{
	struct pollfd pfd = {.fd = sock, .events = events};
	int n;

	if (deadline_ns == 0)
		return not_now;
	n = poll(&pfd, 1, clock_poll_ms(deadline_ns));
	if (n > 0 || (n < 0 && errno == EINTR))
		return KM_OK;
	return n == 0 ? KM_ERR_TIMEOUT : KM_ERR_SYS;
}

enum km_rc ipc_send(int sock, uint32_t type, const void *body, size_t size, const int *fds,
		    size_t n_fds, uint64_t deadline_ns)
{
	union ipc_control control;
	union {
		const void *in;
		void *out;
	} body_ptr = {.in = body}; /* iovec has no const; sendmsg only reads */
	struct iovec iov[2] = {
		{.iov_base = &type, .iov_len = sizeof(type)},
		{.iov_base = body_ptr.out, .iov_len = size},
	};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = size ? 2 : 1};

	if (size > IPC_BODY_MAX || n_fds > IPC_FDS_MAX)
		return KM_ERR_RANGE;
	if (n_fds > 0) {
		struct cmsghdr *head;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		head = CMSG_FIRSTHDR(&msg);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(head), fds, sizeof(int) * n_fds);
	}
	for (;;) {
		enum km_rc rc;

		if (sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return KM_OK;
		if (errno == EINTR)
			continue;
		if (errno == EPIPE || errno == ECONNRESET)
			return KM_ERR_CLOSED;
		if (errno != EAGAIN)
			return KM_ERR_SYS;
		rc = ipc_wait(sock, POLLOUT, deadline_ns, KM_ERR_FULL);
		if (rc != KM_OK)
			return rc;
	}
}

/* Collects every descriptor the kernel installed; those beyond the limit are closed. */
static size_t ipc_take_fds(struct msghdr *head, struct ipc_msg *msg)
{
	size_t seen = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(head); c; c = CMSG_NXTHDR(head, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (msg->n_fds < IPC_FDS_MAX)
				msg->fds[msg->n_fds++] = fd;
			else
				km_close(&fd);
			seen++;
		}
	}
	return seen;
}

static enum km_rc ipc_violation(struct ipc_msg *msg, const char *reason, size_t size,
				size_t n_fds)
{
	log_event_limited(EVENT_IPC_VIOLATION,
			  "message refused reason=\"%s\" type=%u size=%zu fds=%zu", reason,
			  msg->type, size, n_fds);
	ipc_msg_close(msg);
	msg->size = 0;
	return KM_ERR_MALFORMED;
}

/* One recvmsg: bytes received in *got and flags in *flags, descriptors in msg. */
static enum km_rc ipc_recv_raw(int sock, struct ipc_msg *msg, uint64_t deadline_ns,
			       size_t *got, int *flags, size_t *n_fds)
{
	union ipc_control control;
	struct iovec iov[2] = {
		{.iov_base = &msg->type, .iov_len = sizeof(msg->type)},
		{.iov_base = msg->body, .iov_len = sizeof(msg->body)},
	};

	for (;;) {
		struct msghdr head = {.msg_iov = iov,
				      .msg_iovlen = 2,
				      .msg_control = control.bytes,
				      .msg_controllen = sizeof(control.bytes)};
		ssize_t n = recvmsg(sock, &head, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		enum km_rc rc;

		if (n >= 0) {
			*got = (size_t)n;
			*flags = head.msg_flags;
			*n_fds = ipc_take_fds(&head, msg);
			return KM_OK;
		}
		if (errno == EINTR)
			continue;
		if (errno == ECONNRESET)
			return KM_ERR_CLOSED;
		if (errno != EAGAIN)
			return KM_ERR_SYS;
		rc = ipc_wait(sock, POLLIN, deadline_ns, KM_ERR_EMPTY);
		if (rc != KM_OK)
			return rc;
	}
}

enum km_rc ipc_recv(int sock, const struct ipc_table *table, struct ipc_msg *msg,
		    uint64_t deadline_ns)
{
	const char *reason = NULL;
	size_t got, n_fds, size;
	enum km_rc rc;
	int flags;

	msg->type = 0;
	msg->size = 0;
	msg->n_fds = 0;
	for (size_t i = 0; i < IPC_FDS_MAX; i++)
		msg->fds[i] = -1;
	rc = ipc_recv_raw(sock, msg, deadline_ns, &got, &flags, &n_fds);
	if (rc != KM_OK)
		return rc;
	if (got == 0 && n_fds == 0)
		return KM_ERR_CLOSED; /* end of file, or an empty message: both end the pair */
	size = got >= sizeof(msg->type) ? got - sizeof(msg->type) : 0;
	if (got < sizeof(msg->type))
		return ipc_violation(msg, "shorter than a type", size, n_fds);
	if (flags & MSG_TRUNC)
		return ipc_violation(msg, "longer than any type", size, n_fds);
	if (flags & MSG_CTRUNC)
		return ipc_violation(msg, "too many descriptors", size, n_fds);
	if (!ipc_check(table, msg->type, size, n_fds, &reason))
		return ipc_violation(msg, reason, size, n_fds);
	msg->size = (uint32_t)size;
	return KM_OK;
}

int ipc_dispatch(int sock, const struct ipc_table *table, void *ctx, struct ipc_msg *msg,
		 unsigned int max)
{
	for (unsigned int i = 0; i < max; i++) {
		const struct ipc_type *row;
		enum km_rc rc = ipc_recv(sock, table, msg, 0);
		int result = 0;

		if (rc == KM_ERR_EMPTY)
			return 0;
		if (rc != KM_OK)
			return rc;
		row = ipc_check(table, msg->type, msg->size, msg->n_fds, NULL);
		if (row && row->handler)
			result = row->handler(ctx, msg);
		ipc_msg_close(msg);
		if (result != 0)
			return result;
	}
	return 0;
}

int ipc_msg_take(struct ipc_msg *msg, uint32_t i)
{
	return i < msg->n_fds ? km_take_fd(&msg->fds[i]) : -1;
}

void ipc_msg_close(struct ipc_msg *msg)
{
	for (uint32_t i = 0; i < msg->n_fds; i++)
		km_close(&msg->fds[i]);
	msg->n_fds = 0;
}
