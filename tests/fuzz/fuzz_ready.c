// SPDX-License-Identifier: ISC
/*
 * What a role says to its supervisor: readiness, with a text that goes to the log, and then
 * nothing. Input: messages { u8 how, u8 descriptors, u32 type, u16 length, bytes }; a message of
 * type 2 that asks for it is filled up to its right length. Whatever comes: one line without
 * control characters in the log, a text that ends, and no descriptor that stays.
 */
#include <dirent.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cursor.h"
#include "fuzz_target.h"
#include "ipc.h"
#include "log.h"
#include "role.h"
#include "role_msg.h"

#define MESSAGES_MAX 16u
#define FDS_MAX 32u
#define BODY_MAX (IPC_BODY_MAX + 64u)

enum how {
	HOW_FILL = 1,	 /* the length of a ready message */
	HOW_AT_WORK = 2, /* the supervisor expects nothing any more */
	HOW_CLOSE = 4,	 /* the role ends behind it */
	HOW_NO_TYPE = 8, /* the bytes alone */
	HOW_SILENT = 16, /* nothing comes */
	HOW_GONE = 32,	 /* the supervisor knows that it does not run */
	HOW_NAMED = 64,	 /* the kernel adds who sent it */
	HOW_LOST = 128	 /* our end is no socket any more */
};

static unsigned lines;

static void take_line(void *ctx, int level, enum event event, const char *line, size_t len)
{
	(void)ctx;
	(void)level;
	(void)event;
	FUZZ_ASSERT(len > 0 && line[len - 1] == '\n');
	for (size_t i = 0; i + 1 < len; i++)
		FUZZ_ASSERT((uint8_t)line[i] >= 0x20 && line[i] != 0x7f);
	lines++;
}

static unsigned descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	FUZZ_ASSERT(dir != NULL);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* A message as a role that was broken into may send it: not by ipc_send(). */
static void send_raw(int sock, const void *p, size_t len, unsigned fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control;
	union {
		const void *in;
		void *out;
	} bytes = {.in = p}; /* iovec has no const */
	struct iovec iov = {bytes.out, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int fd[FDS_MAX];

	if (fds) {
		struct cmsghdr *head;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fds);
		head = CMSG_FIRSTHDR(&msg);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int) * fds);
		for (unsigned i = 0; i < fds; i++)
			fd[i] = sock;
		memcpy(CMSG_DATA(head), fd, sizeof(int) * fds);
	}
	FUZZ_ASSERT(sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0);
}

/* What the fleet does with a role at work that says something: its pair ends. */
static void at_work(struct role_child *child)
{
	static const struct ipc_table nothing = {NULL, 0};
	static struct ipc_msg msg;
	const enum km_rc rc = ipc_recv(child->control, &nothing, &msg, 0);

	FUZZ_ASSERT(rc == KM_ERR_MALFORMED || rc == KM_ERR_CLOSED);
	FUZZ_ASSERT(msg.n_fds == 0 && msg.size == 0);
}

static void starting(struct role_child *child, bool right)
{
	struct km_err err = KM_ERR_INIT;
	const unsigned before = lines;

	if (role_await_ready(child, 0, &err) != 0) {
		FUZZ_ASSERT(!right && !child->ready && err.code == EX_SOFTWARE);
		FUZZ_ASSERT(strncmp(err.text, "role decode: ", 13) == 0);
		return;
	}
	FUZZ_ASSERT(right && child->ready && lines == before + 1);
	FUZZ_ASSERT(memchr(child->report, '\0', sizeof(child->report)));
	FUZZ_ASSERT(role_go(child, &err) == 0);
}

static bool message(struct role_child *child, int role, struct rd *rd)
{
	static uint8_t body[BODY_MAX];
	const uint8_t how = rd_u8(rd);
	const int control = child->control, named = (how & HOW_NAMED) != 0;
	const unsigned fds = rd_u8(rd) % (FDS_MAX + 1);
	const uint32_t type = rd_u32(rd);
	const size_t head = how & HOW_NO_TYPE ? 0 : sizeof(type);
	size_t n = rd_u16(rd), len;

	n = n < rd_left(rd) ? n : rd_left(rd);
	n = n < BODY_MAX - head ? n : BODY_MAX - head;
	memset(body, 0, sizeof(body));
	if (!(how & HOW_NO_TYPE))
		memcpy(body, &type, sizeof(type));
	rd_copy(rd, body + head, n);
	len = how & HOW_FILL ? head + sizeof(struct role_ready_msg) : head + n;
	child->ready = false;
	child->pid = how & HOW_GONE ? 0 : getpid();
	if (how & (HOW_SILENT | HOW_GONE | HOW_LOST)) {
		child->control = how & HOW_LOST ? -1 : control;
		starting(child, false);
		child->control = control;
		return true;
	}
	FUZZ_ASSERT(setsockopt(control, SOL_SOCKET, SO_PASSCRED, &named, sizeof(named)) ==
		    0);
	send_raw(role, body, len, fds);
	if (how & HOW_AT_WORK)
		at_work(child);
	else
		starting(child, !(how & HOW_NO_TYPE) && type == ROLE_MSG_READY && !fds &&
					len == head + sizeof(struct role_ready_msg));
	return !(how & HOW_CLOSE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* our own number: not a child's, so that nobody is waited for */
	struct role_child child = {.name = "decode", .pid = getpid(), .pidfd = -1};
	struct km_err err = KM_ERR_INIT;
	const unsigned before = descriptors();
	struct rd rd;
	int pair[2];
	bool on = true;

	log_set_sink(take_line, NULL);
	FUZZ_ASSERT(ipc_pair(pair, &err) == 0);
	child.control = pair[0];
	rd_init(&rd, data, size);
	for (unsigned i = 0; i < MESSAGES_MAX && on && rd_left(&rd); i++)
		on = message(&child, pair[1], &rd);
	close(pair[1]);
	child.ready = false;
	child.pid = getpid();
	if (!on)
		starting(&child, false);
	close(pair[0]);
	FUZZ_ASSERT(descriptors() == before);
	return 0;
}
