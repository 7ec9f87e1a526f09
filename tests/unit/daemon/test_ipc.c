// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "ipc.h"
#include "log.h"

static unsigned int handled, violations;

static int on_ping(void *ctx, struct ipc_msg *msg)
{
	handled++;
	return *(int *)ctx;
}

static const struct ipc_type rows[] = {
	{.type = 100, .size = 8, .n_fds = 0, .name = "ping", .handler = on_ping},
	{.type = 101, .size = 4, .n_fds = 2, .name = "files"},
	{.type = 102, .size = IPC_BODY_MAX, .n_fds = 0, .name = "large"},
	{.type = 103, .size = 0, .n_fds = 0, .name = "bare"},
};
static const struct ipc_table table = {rows, KM_COUNT(rows)};
static struct ipc_msg msg;
static int pair[2];

static void count_violation(void *ctx, int level, enum event event, const char *line,
			    size_t len)
{
	violations += event == EVENT_IPC_VIOLATION;
}

static void enter(void)
{
	struct km_err err = KM_ERR_INIT;

	cr_assert_eq(ipc_pair(pair, &err), 0, "%s", err.text);
	log_set_sink(count_violation, NULL);
}

static unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	cr_assert(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

TestSuite(ipc, .init = enter);

Test(ipc, check_is_pure)
{
	const char *why = NULL;

	cr_assert_eq(ipc_check(&table, 100, 8, 0, &why), &rows[0]);
	cr_assert_null(ipc_check(&table, 99, 8, 0, &why));
	cr_assert_str_eq(why, "unknown type");
	cr_assert_null(ipc_check(&table, 100, 9, 0, &why));
	cr_assert_str_eq(why, "wrong size");
	cr_assert_null(ipc_check(&table, 101, 4, 1, &why));
	cr_assert_str_eq(why, "wrong number of descriptors");
	cr_assert_null(ipc_check(&table, 101, 4, 3, NULL));
}

Test(ipc, good_messages)
{
	int fds[2] = {open("/dev/null", O_RDONLY), open("/dev/zero", O_RDONLY)}, taken;
	static uint8_t large[IPC_BODY_MAX];
	char byte = 1;

	cr_assert_eq(ipc_recv(pair[1], &table, &msg, 0), KM_ERR_EMPTY);
	cr_assert_eq(ipc_send(pair[0], 100, "12345678", 8, NULL, 0, 0), KM_OK);
	cr_assert_eq(ipc_recv(pair[1], &table, &msg, 0), KM_OK);
	cr_assert(msg.type == 100 && msg.size == 8 && msg.n_fds == 0);
	cr_assert_eq(memcmp(msg.body, "12345678", 8), 0);
	cr_assert_eq(ipc_send(pair[0], 101, "abcd", 4, fds, 2, 0), KM_OK);
	cr_assert_eq(ipc_recv(pair[1], &table, &msg, 0), KM_OK);
	cr_assert(msg.n_fds == 2 && (fcntl(msg.fds[0], F_GETFD) & FD_CLOEXEC));
	taken = ipc_msg_take(&msg, 1);
	cr_assert_eq(ipc_msg_take(&msg, 1), -1);
	cr_assert_eq(ipc_msg_take(&msg, 2), -1);
	ipc_msg_close(&msg);
	cr_assert_eq(read(taken, &byte, 1), 1);
	cr_assert_eq(byte, 0, "it is /dev/zero");
	memset(large, 7, sizeof(large));
	cr_assert_eq(ipc_send(pair[0], 102, large, sizeof(large), NULL, 0, 0), KM_OK);
	cr_assert_eq(ipc_recv(pair[1], &table, &msg, 0), KM_OK);
	cr_assert_eq(memcmp(msg.body, large, sizeof(large)), 0);
	cr_assert_eq(ipc_send(pair[0], 103, NULL, 0, NULL, 0, 0), KM_OK);
	cr_assert_eq(ipc_recv(pair[1], &table, &msg, 0), KM_OK);
	cr_assert_eq(ipc_send(pair[0], 102, large, IPC_BODY_MAX + 1, NULL, 0, 0),
		     KM_ERR_RANGE);
	cr_assert_eq(violations, 0);
}

/* Sends raw bytes with n copies of a descriptor, then expects a violation and no leak. */
static void violation(const void *bytes, size_t size, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * 64)];
	} control;
	union {
		const void *in;
		void *out;
	} ptr = {.in = bytes};
	struct iovec iov = {.iov_base = ptr.out, .iov_len = size};
	struct msghdr head = {.msg_iov = &iov, .msg_iovlen = 1};
	unsigned int before = open_fds(), seen = violations;

	if (n_fds) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		head.msg_control = control.room;
		head.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = &control.align; /* what CMSG_FIRSTHDR gives, never NULL */
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		for (size_t i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &pair[0], sizeof(int));
	}
	cr_assert_eq(sendmsg(pair[0], &head, 0), (ssize_t)size);
	cr_assert_eq(ipc_recv(pair[1], &table, &msg, 0), KM_ERR_MALFORMED);
	cr_assert_eq(msg.n_fds, 0);
	cr_assert_eq(open_fds(), before, "descriptors leak");
	cr_assert_leq(violations, seen + 1);
}

Test(ipc, violations)
{
	static struct {
		uint32_t type;
		uint8_t body[IPC_BODY_MAX + 64];
	} raw;

	for (uint32_t size = 1; size < 4 + IPC_BODY_MAX + 64; size += size < 32 ? 1 : 97) {
		raw.type = 100;
		if (size != 12)
			violation(&raw, size, 0);
		raw.type = 102;
		if (size != 4 + IPC_BODY_MAX)
			violation(&raw, size, 0);
		raw.type = 104;
		violation(&raw, size, 0);
	}
	raw.type = 100;
	for (size_t n = 1; n <= 64; n++)
		violation(&raw, 12, n);
	raw.type = 101;
	for (size_t n = 0; n <= 64; n++) {
		if (n != 2)
			violation(&raw, 8, n);
	}
	violation(&raw, 3, 2);
	raw.type = 102;
	violation(&raw, 4 + IPC_BODY_MAX + 1, 0);
	violation(&raw, 4 + IPC_BODY_MAX + 1, 2);
	cr_assert_gt(violations, 0, "the event is logged");
	/* the pair itself still carries what is right */
	cr_assert_eq(ipc_send(pair[0], 103, NULL, 0, NULL, 0, 0), KM_OK);
	cr_assert_eq(ipc_recv(pair[1], &table, &msg, 0), KM_OK);
}

Test(ipc, deadlines_and_ends)
{
	uint64_t start = clock_mono_ns();
	unsigned int sent = 0;
	enum km_rc rc;

	cr_assert_eq(ipc_recv(pair[1], &table, &msg, start + 30 * CLOCK_NS_PER_MS),
		     KM_ERR_TIMEOUT);
	cr_assert_geq(clock_mono_ns(), start + 30 * CLOCK_NS_PER_MS);
	while ((rc = ipc_send(pair[0], 103, NULL, 0, NULL, 0, 0)) == KM_OK)
		sent++;
	cr_assert_eq(rc, KM_ERR_FULL);
	cr_assert_eq(
		ipc_send(pair[0], 103, NULL, 0, NULL, 0, clock_mono_ns() + CLOCK_NS_PER_MS),
		KM_ERR_TIMEOUT);
	for (; sent > 0; sent--)
		cr_assert_eq(ipc_recv(pair[1], &table, &msg, 0), KM_OK);
	if (fork() == 0) {
		clock_sleep_until(clock_mono_ns() + 30 * CLOCK_NS_PER_MS);
		_exit(ipc_send(pair[0], 103, NULL, 0, NULL, 0, 0) != KM_OK);
	}
	cr_assert_eq(
		ipc_recv(pair[1], &table, &msg, clock_mono_ns() + 20 * CLOCK_NS_PER_SEC),
		KM_OK);
	cr_assert_gt(wait(NULL), 0);
	close(pair[0]);
	cr_assert_eq(ipc_recv(pair[1], &table, &msg, CLOCK_NEVER), KM_ERR_CLOSED);
	cr_assert_eq(ipc_send(pair[1], 103, NULL, 0, NULL, 0, 0), KM_ERR_CLOSED);
}

Test(ipc, dispatch)
{
	int fds[2] = {STDIN_FILENO, STDIN_FILENO}, answer = 0;
	unsigned int before;

	for (int i = 0; i < 3; i++)
		cr_assert_eq(ipc_send(pair[0], 100, "12345678", 8, NULL, 0, 0), KM_OK);
	cr_assert_eq(ipc_dispatch(pair[1], &table, &answer, &msg, 2), 0);
	cr_assert_eq(handled, 2);
	cr_assert_eq(ipc_dispatch(pair[1], &table, &answer, &msg, 9), 0);
	cr_assert_eq(handled, 3);
	before = open_fds();
	cr_assert_eq(ipc_send(pair[0], 101, "abcd", 4, fds, 2, 0), KM_OK);
	cr_assert_eq(ipc_dispatch(pair[1], &table, &answer, &msg, 9), 0);
	cr_assert_eq(open_fds(), before, "what nobody took is closed");
	answer = 5;
	cr_assert_eq(ipc_send(pair[0], 100, "12345678", 8, NULL, 0, 0), KM_OK);
	cr_assert_eq(ipc_dispatch(pair[1], &table, &answer, &msg, 9), 5);
	cr_assert_eq(ipc_send(pair[0], 55, NULL, 0, NULL, 0, 0), KM_OK);
	cr_assert_eq(ipc_dispatch(pair[1], &table, &answer, &msg, 9), KM_ERR_MALFORMED);
	close(pair[0]);
	cr_assert_eq(ipc_dispatch(pair[1], &table, &answer, &msg, 9), KM_ERR_CLOSED);
}
