// SPDX-License-Identifier: ISC
/* local_end.c on real sockets: what is taken over from a process before us, and what is let alone. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "local_end.h"

static const struct local_end_terms DGRAM = {.type = SOCK_DGRAM, .mode = 0660};
static const struct local_end_terms STREAM = {.type = SOCK_STREAM, .mode = 0660};
static char dir[32];
static struct km_err err;

static void make_dir(void)
{
	strcpy(dir, "/tmp/km-local-end-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
}

static void remove_dir(void)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(local_end, .init = make_dir, .fini = remove_dir);

static struct local_end at_path(enum local_end_kind kind, const char *name)
{
	struct local_end place = {.kind = (uint8_t)kind};

	(void)snprintf(place.path, sizeof(place.path), "%s/%s", dir, name);
	return place;
}

static struct local_end at_port(uint8_t first, uint16_t port)
{
	return (struct local_end){
		.kind = LOCAL_END_INET, .ip = {first, 0, 0, 1}, .port = port};
}

/* A socket of another process, so to say: its owner is done with it when it is closed. */
static int foreign(const struct local_end *place, int type, bool listening)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type, 0);

	memcpy(to.sun_path, place->path, sizeof(place->path));
	cr_assert_eq(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	if (listening)
		cr_assert_eq(listen(fd, 1), 0);
	return fd;
}

static bool reaches(const struct local_end *place, int type, int listener)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
	char got[8] = "";
	bool reached;

	memcpy(to.sun_path, place->path, sizeof(place->path));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		close(fd);
		return false;
	}
	cr_assert_eq(send(fd, "ping", 4, 0), 4);
	if (type == SOCK_STREAM) {
		int taken = accept(listener, NULL, NULL);

		reached = recv(taken, got, sizeof(got), 0) == 4;
		close(taken);
	} else {
		reached = recv(listener, got, sizeof(got), MSG_DONTWAIT) == 4;
	}
	close(fd);
	return reached;
}

Test(local_end, as_text)
{
	const struct local_end unix_place = {.kind = LOCAL_END_UNIX, .path = "/run/a"};
	const struct local_end fifo = {.kind = LOCAL_END_FIFO, .path = "/run/a"};
	const struct local_end inet = at_port(192, 65535), group = at_port(224, 1);
	const struct local_end none = {0};
	char buf[LOCAL_END_TEXT_MAX];

	cr_assert_str_eq(local_end_text(&inet, buf), "192.0.0.1:65535");
	cr_assert_str_eq(local_end_text(&unix_place, buf), "/run/a");
	cr_assert_str_eq(local_end_text(&fifo, buf), "fifo:/run/a");
	cr_assert_str_eq(local_end_text(&none, buf), "");
	cr_assert(!local_end_equal(&unix_place, &fifo), "another kind");
	cr_assert(local_end_equal(&fifo, &fifo) && local_end_equal(&inet, &inet));
	cr_assert(!local_end_equal(&inet, &group));
	cr_assert(local_end_is_group(&group) && !local_end_is_group(&inet));
	cr_assert(!local_end_is_group(
		&(struct local_end){.kind = LOCAL_END_INET, .ip = {240}}));
	cr_assert(!local_end_is_group(
		&(struct local_end){.kind = LOCAL_END_UNIX, .ip = {224}}));
}

Test(local_end, a_socket_that_nobody_holds_is_replaced)
{
	static const int types[] = {SOCK_DGRAM, SOCK_STREAM};

	for (unsigned i = 0; i < 2; i++) {
		const struct local_end place =
			at_path(LOCAL_END_UNIX, i ? "stream" : "dgram");
		const struct local_end_terms *terms = i ? &STREAM : &DGRAM;
		int fd = foreign(&place, types[i], types[i] == SOCK_STREAM);

		close(fd);
		cr_assert(!reaches(&place, types[i], -1), "the path leads nowhere");
		fd = local_end_bind(&place, terms, &err);
		cr_assert_geq(fd, 0, "%s", err.text);
		cr_assert(reaches(&place, types[i], fd));
		cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
		cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		close(fd);
	}
}

Test(local_end, a_socket_that_somebody_holds_stays)
{
	static const struct {
		int type;
		bool listening;
	} holder[] = {{SOCK_DGRAM, false}, {SOCK_STREAM, true}, {SOCK_SEQPACKET, true}};

	for (unsigned i = 0; i < KM_COUNT(holder) * 2; i++) {
		const struct local_end_terms *terms = i % 2 ? &STREAM : &DGRAM;
		char name[8];
		struct local_end place;
		struct stat before, after;
		int fd;

		(void)snprintf(name, sizeof(name), "s%u", i);
		place = at_path(LOCAL_END_UNIX, name);
		fd = foreign(&place, holder[i / 2].type, holder[i / 2].listening);
		cr_assert_eq(lstat(place.path, &before), 0);
		err = (struct km_err)KM_ERR_INIT;
		cr_assert_eq(local_end_bind(&place, terms, &err), -1);
		cr_assert_eq(err.code, EX_UNAVAILABLE, "%s", err.text);
		cr_assert_not_null(strstr(err.text, "another process listens there"));
		cr_assert_not_null(strstr(err.text, place.path));
		cr_assert_eq(lstat(place.path, &after), 0);
		cr_assert_eq(before.st_ino, after.st_ino);
		close(fd);
	}
}

Test(local_end, what_is_no_socket_stays)
{
	const struct local_end file = at_path(LOCAL_END_UNIX, "file");
	const struct local_end link = at_path(LOCAL_END_UNIX, "link");
	const struct local_end target = at_path(LOCAL_END_UNIX, "target");
	struct stat st;
	int fd = open(file.path, O_CREAT | O_WRONLY, 0600);

	cr_assert_eq(write(fd, "kept", 4), 4);
	close(fd);
	close(foreign(&target, SOCK_DGRAM, false)); /* a link to what would be replaced */
	cr_assert_eq(symlink(target.path, link.path), 0);
	for (unsigned i = 0; i < 2; i++) {
		err = (struct km_err)KM_ERR_INIT;
		cr_assert_eq(local_end_bind(i ? &link : &file, &DGRAM, &err), -1);
		cr_assert_eq(err.code, EX_CANTCREAT, "%s", err.text);
		cr_assert_not_null(strstr(err.text, "is there and no socket"));
	}
	cr_assert_eq(stat(file.path, &st), 0);
	cr_assert_eq(st.st_size, 4);
	cr_assert_eq(lstat(link.path, &st), 0);
	cr_assert(S_ISLNK(st.st_mode));
	local_end_remove(&file);
	local_end_remove(&link);
	cr_assert_eq(access(file.path, F_OK), 0, "nor is it removed at the end");
	cr_assert_eq(lstat(link.path, &st), 0);
}

Test(local_end, mode_and_owner_are_those_asked_for)
{
	const struct local_end place = at_path(LOCAL_END_UNIX, "mode");
	struct local_end_terms terms = {.type = SOCK_DGRAM, .mode = 0626};
	struct stat st;
	int fd;

	if (geteuid() == 0) {
		terms.uid = 12345;
		terms.gid = 23456;
	}
	(void)umask(077);
	fd = local_end_bind(&place, &terms, &err);
	cr_assert_geq(fd, 0, "%s", err.text);
	cr_assert_eq(umask(077), 077, "the process's own is as it was");
	cr_assert_eq(lstat(place.path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0626);
	cr_assert(terms.uid == 0 || (st.st_uid == 12345 && st.st_gid == 23456));
	close(fd);
	local_end_remove(&place);
	cr_assert_eq(lstat(place.path, &st), -1);
}

Test(local_end, what_cannot_be_had_is_said)
{
	const struct local_end nowhere = at_path(LOCAL_END_UNIX, "none/socket");
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(to);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct local_end taken;

	cr_assert_eq(local_end_bind(&nowhere, &DGRAM, &err), -1);
	cr_assert_eq(err.code, EX_CANTCREAT, "%s", err.text);
	cr_assert_not_null(strstr(err.text, nowhere.path));
	cr_assert_eq(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&to, &len), 0);
	taken = at_port(127, ntohs(to.sin_port));
	err = (struct km_err)KM_ERR_INIT;
	cr_assert_eq(local_end_bind(&taken, &DGRAM, &err), -1);
	cr_assert_eq(err.code, EX_UNAVAILABLE, "%s", err.text);
	cr_assert_not_null(strstr(err.text, "127.0.0.1:"));
	close(fd);
}

/* Others of the host may listen to the same group, and each has to join it. */
Test(local_end, a_group_is_shared_and_must_be_joined)
{
	const struct local_end group = at_port(239, 47109);
	int first = local_end_bind(&group, &DGRAM, &err);
	int second = local_end_bind(&group, &DGRAM, &err);
	int all = 1;
	socklen_t len = sizeof(all);

	cr_assert_geq(first, 0, "%s", err.text);
	cr_assert_geq(second, 0, "%s", err.text);
	cr_assert_eq(getsockopt(first, IPPROTO_IP, IP_MULTICAST_ALL, &all, &len), 0);
	cr_assert_eq(all, 0, "not what others of this host have joined");
	close(first);
	close(second);
}

Test(local_end, fifo)
{
	const struct local_end fifo = at_path(LOCAL_END_FIFO, "fifo");
	const struct local_end file = at_path(LOCAL_END_FIFO, "file");
	struct stat st;
	char got[4];
	int writer, fd = local_end_fifo(&fifo, &DGRAM, &err);

	cr_assert_geq(fd, 0, "%s", err.text);
	cr_assert_eq(lstat(fifo.path, &st), 0);
	cr_assert(S_ISFIFO(st.st_mode) && (st.st_mode & 07777) == 0660);
	for (unsigned i = 0; i < 2; i++) {
		writer = open(fifo.path, O_WRONLY | O_NONBLOCK);
		cr_assert_eq(write(writer, "abc", 3), 3);
		close(writer);
		cr_assert_eq(read(fd, got, sizeof(got)), 3);
		cr_assert_eq(read(fd, got, sizeof(got)), -1);
		cr_assert_eq(errno, EAGAIN, "it has no end when its writer goes");
	}
	close(fd);
	cr_assert_eq(chmod(fifo.path, 0600), 0);
	fd = local_end_fifo(&fifo, &DGRAM, &err);
	cr_assert_geq(fd, 0, "one that is there is taken");
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600, "as its owner made it");
	close(fd);
	close(open(file.path, O_CREAT | O_WRONLY, 0600));
	err = (struct km_err)KM_ERR_INIT;
	cr_assert_eq(local_end_fifo(&file, &DGRAM, &err), -1);
	cr_assert_eq(err.code, EX_CANTCREAT, "%s", err.text);
	cr_assert_not_null(strstr(err.text, "no FIFO"));
	local_end_remove(&fifo);
	cr_assert_eq(lstat(fifo.path, &st), -1);
}
