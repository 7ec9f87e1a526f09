// SPDX-License-Identifier: ISC
#include "oneway_sockets.h"

#include <ctype.h>
#include <dirent.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "oneway_netlink.h"

#define PATH_LEN 320
#define LINE_LEN 256

static void take_socket(void *ctx, const void *body, size_t len)
{
	struct oneway_sockets *list = ctx;
	struct packet_diag_info info;
	struct packet_diag_msg msg;
	struct oneway_socket *s;
	const uint8_t *attributes = (const uint8_t *)body + NLMSG_ALIGN(sizeof(msg));
	const void *found;
	size_t got;

	if (len < NLMSG_ALIGN(sizeof(msg)))
		return;
	if (list->n == ONEWAY_SOCKETS_MAX) {
		list->more = true;
		return;
	}
	len -= NLMSG_ALIGN(sizeof(msg));
	memcpy(&msg, body, sizeof(msg));
	s = &list->socket[list->n++];
	*s = (struct oneway_socket){
		.inode = msg.pdiag_ino, .protocol = msg.pdiag_num, .fd = -1};
	found = oneway_netlink_find(attributes, len, PACKET_DIAG_INFO, sizeof(info), &got);
	if (found) {
		memcpy(&info, found, sizeof(info));
		s->index = info.pdi_index;
	}
	s->receives_by_ring =
		oneway_netlink_find(attributes, len, PACKET_DIAG_RX_RING, 1, &got) != NULL;
	s->sends_by_ring =
		oneway_netlink_find(attributes, len, PACKET_DIAG_TX_RING, 1, &got) != NULL;
	found = oneway_netlink_find(attributes, len, PACKET_DIAG_FILTER, 1, &got);
	if (!found || got > sizeof(s->filter))
		return;
	s->has_filter = true;
	s->instructions = (unsigned)(got / sizeof(s->filter[0]));
	memcpy(s->filter, found, s->instructions * sizeof(s->filter[0]));
}

static void read_name(pid_t pid, char name[ONEWAY_NAME_MAX])
{
	char path[PATH_LEN];
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	file = fopen(path, "re");
	if (!file || !fgets(name, ONEWAY_NAME_MAX, file))
		(void)snprintf(name, ONEWAY_NAME_MAX, "?");
	if (file)
		(void)fclose(file);
	name[strcspn(name, "\n")] = '\0';
	/* any process may call itself what it likes */
	for (char *c = name; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-_.:/", *c))
			*c = '?';
}

/* Whose descriptor this is, if it is one of a packet socket. */
static void note_descriptor(struct oneway_sockets *list, pid_t pid, int dir,
			    const char *entry)
{
	char target[64];
	unsigned inode;
	ssize_t n = readlinkat(dir, entry, target, sizeof(target) - 1);

	if (n <= 0)
		return;
	target[n] = '\0';
	if (sscanf(target, "socket:[%u]", &inode) != 1)
		return;
	for (unsigned i = 0; i < list->n; i++) {
		struct oneway_socket *s = &list->socket[i];

		if (s->inode != inode || s->pid != 0)
			continue;
		s->pid = pid;
		s->fd = (int)strtol(entry, NULL, 10);
		read_name(pid, s->name);
	}
}

static void look_at_process(struct oneway_sockets *list, pid_t pid)
{
	char path[PATH_LEN];
	struct dirent *entry;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return; /* it ended, or we may not */
	while ((entry = readdir(dir)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]))
			note_descriptor(list, pid, dirfd(dir), entry->d_name);
	(void)closedir(dir);
}

/* FN for every process. */
static void each_process(void (*fn)(void *ctx, pid_t pid), void *ctx)
{
	struct dirent *entry;
	DIR *proc = opendir("/proc");

	while (proc && (entry = readdir(proc)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]))
			fn(ctx, (pid_t)strtol(entry->d_name, NULL, 10));
	if (proc)
		(void)closedir(proc);
}

static void look_for_holders(void *ctx, pid_t pid)
{
	look_at_process(ctx, pid);
}

int oneway_sockets_list(struct oneway_sockets *list)
{
	const struct packet_diag_req request = {
		.sdiag_family = AF_PACKET,
		.pdiag_show = PACKET_SHOW_INFO | PACKET_SHOW_RING_CFG | PACKET_SHOW_FILTER,
	};

	memset(list, 0, sizeof(*list));
	list->hidden = geteuid() != 0;
	if (oneway_netlink_list(NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, &request,
				sizeof(request), take_socket, list) != 0)
		return -1;
	each_process(look_for_holders, list);
	return 0;
}

/* ---- the daemon ------------------------------------------------------------------------ */

static void read_status(pid_t pid, pid_t *parent, int *seccomp)
{
	char path[PATH_LEN], line[LINE_LEN];
	FILE *file;

	*parent = 0;
	*seccomp = -1;
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		(void)sscanf(line, "PPid: %d", parent);
		(void)sscanf(line, "Seccomp: %d", seccomp);
	}
	if (file)
		(void)fclose(file);
}

static void look_for_roles(void *ctx, pid_t pid)
{
	struct oneway_daemon *daemon = ctx;
	struct oneway_role *role;
	pid_t parent;
	int seccomp;

	read_status(pid, &parent, &seccomp);
	if (parent != daemon->pid || daemon->n == ONEWAY_ROLES_MAX)
		return;
	role = &daemon->role[daemon->n++];
	*role = (struct oneway_role){.pid = pid, .seccomp = seccomp};
	read_name(pid, role->name);
}

static bool same_namespace(pid_t pid)
{
	char path[PATH_LEN], here[64], there[64];
	ssize_t n, m;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	n = readlink("/proc/self/ns/net", here, sizeof(here));
	m = readlink(path, there, sizeof(there));
	/* what cannot be read is told by the lines that need it */
	return n <= 0 || m <= 0 || (n == m && memcmp(here, there, (size_t)n) == 0);
}

void oneway_daemon_find(struct oneway_daemon *daemon, pid_t pid)
{
	*daemon = (struct oneway_daemon){.pid = pid, .elsewhere = !same_namespace(pid)};
	each_process(look_for_roles, daemon);
}

const struct oneway_role *oneway_daemon_role(const struct oneway_daemon *daemon,
					     const char *name)
{
	for (unsigned i = 0; i < daemon->n; i++)
		if (strcmp(daemon->role[i].name, name) == 0)
			return &daemon->role[i];
	return NULL;
}

bool oneway_daemon_has(const struct oneway_daemon *daemon, pid_t pid)
{
	for (unsigned i = 0; i < daemon->n; i++)
		if (daemon->role[i].pid == pid)
			return true;
	return pid != 0 && pid == daemon->pid;
}

int oneway_socket_locked(const struct oneway_socket *socket)
{
	_cleanup_close_ int process = -1;
	_cleanup_close_ int copy = -1;
	socklen_t len = sizeof(int);
	int locked = -1;

#if defined(SYS_pidfd_open) && defined(SYS_pidfd_getfd)
	process = (int)syscall(SYS_pidfd_open, socket->pid, 0);
	if (socket->pid == 0 || process < 0)
		return -1;
	copy = (int)syscall(SYS_pidfd_getfd, process, socket->fd, 0);
#endif
	if (copy < 0 || getsockopt(copy, SOL_SOCKET, SO_LOCK_FILTER, &locked, &len) != 0)
		return -1;
	return locked != 0;
}
