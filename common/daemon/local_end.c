// SPDX-License-Identifier: ISC
#include "local_end.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Connections that wait to be taken; the role takes them within milliseconds. */
#define BACKLOG 64

union address {
	struct sockaddr any;
	struct sockaddr_in inet;
	struct sockaddr_un un;
};

char *local_end_text(const struct local_end *place, char buf[LOCAL_END_TEXT_MAX])
{
	const uint8_t *ip = place->ip;

	buf[0] = '\0';
	if (place->kind == LOCAL_END_INET)
		(void)snprintf(buf, LOCAL_END_TEXT_MAX, "%u.%u.%u.%u:%u", ip[0], ip[1],
			       ip[2], ip[3], place->port);
	else if (place->kind != LOCAL_END_NONE)
		(void)snprintf(buf, LOCAL_END_TEXT_MAX, "%s%s",
			       place->kind == LOCAL_END_FIFO ? "fifo:" : "", place->path);
	return buf;
}

bool local_end_equal(const struct local_end *a, const struct local_end *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == LOCAL_END_INET)
		return a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
	return strcmp(a->path, b->path) == 0;
}

static socklen_t address_of(const struct local_end *place, union address *to)
{
	memset(to, 0, sizeof(*to));
	if (place->kind == LOCAL_END_INET) {
		to->inet.sin_family = AF_INET;
		to->inet.sin_port = htons(place->port);
		memcpy(&to->inet.sin_addr, place->ip, sizeof(to->inet.sin_addr));
		return sizeof(to->inet);
	}
	to->un.sun_family = AF_UNIX;
	memcpy(to->un.sun_path, place->path, sizeof(place->path));
	return sizeof(to->un);
}

/* A socket that a process before us left at the path; one that is alive stays. */
static int clear_stale(const struct local_end *place, int type, struct km_err *err)
{
	union address at;
	const socklen_t len = address_of(place, &at);
	struct stat st;
	int fd, rc, why;

	if (lstat(place->path, &st) != 0)
		return errno == ENOENT ? 0
				       : km_err_set_errno(err, EX_OSERR, "%s", place->path);
	if (!S_ISSOCK(st.st_mode))
		return km_err_set(err, EX_CANTCREAT,
				  "%s is there and no socket: remove it, or name another "
				  "path",
				  place->path);
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return km_err_set_errno(err, EX_OSERR, "socket");
	rc = connect(fd, &at.any, len);
	why = errno;
	km_close(&fd);
	/* every other answer (EPROTOTYPE, EACCES, EAGAIN) is that of somebody alive */
	if (rc == 0 || why != ECONNREFUSED)
		return km_err_set(err, EX_UNAVAILABLE,
				  "%s: another process listens there: end it, or name "
				  "another path",
				  place->path);
	if (unlink(place->path) != 0 && errno != ENOENT)
		return km_err_set_errno(err, EX_OSERR, "%s", place->path);
	return 0;
}

static int give(const struct local_end *place, const struct local_end_terms *terms,
		struct km_err *err)
{
	if ((terms->uid != 0 && lchown(place->path, terms->uid, terms->gid) != 0) ||
	    chmod(place->path, terms->mode) != 0)
		return km_err_set_errno(err, EX_OSERR, "mode and owner of %s", place->path);
	return 0;
}

/* Nobody may use the path before it has its mode and owner. */
static int bind_path(int fd, const struct local_end *place,
		     const struct local_end_terms *terms, struct km_err *err)
{
	union address at;
	const socklen_t len = address_of(place, &at);
	const mode_t mask = umask(0777);
	const int rc = bind(fd, &at.any, len);
	const int why = errno;

	(void)umask(mask);
	errno = why;
	if (rc != 0)
		return km_err_set_errno(err, EX_CANTCREAT,
					"%s cannot be made: make its directory, and let "
					"this daemon write there",
					place->path);
	return give(place, terms, err);
}

static int bind_inet(int fd, const struct local_end *place, int type, struct km_err *err)
{
	union address at;
	const socklen_t len = address_of(place, &at);
	const int yes = 1, no = 0;
	const bool group = local_end_is_group(place);
	char text[LOCAL_END_TEXT_MAX];

	if ((type == SOCK_STREAM || group) &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0)
		return km_err_set_errno(err, EX_OSERR, "SO_REUSEADDR");
	if (group && setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &no, sizeof(no)) != 0)
		return km_err_set_errno(err, EX_OSERR, "IP_MULTICAST_ALL");
	if (bind(fd, &at.any, len) != 0)
		return km_err_set_errno(err, EX_UNAVAILABLE,
					"%s cannot be had: give this host the address, or "
					"end what uses the port",
					local_end_text(place, text));
	return 0;
}

int local_end_bind(const struct local_end *place, const struct local_end_terms *terms,
		   struct km_err *err)
{
	const bool inet = place->kind == LOCAL_END_INET;
	const int type = terms->type;
	int rc = 0, fd;

	if (!inet && clear_stale(place, type, err) != 0)
		return -1;
	fd = socket(inet ? AF_INET : AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return km_err_set_errno(err, EX_OSERR, "socket");
	if (terms->filter && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, terms->filter,
					sizeof(*terms->filter)) != 0)
		rc = km_err_set_errno(err, EX_OSERR, "socket filter");
	if (rc == 0 && inet && terms->device &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, terms->device,
		       (socklen_t)strlen(terms->device)) != 0)
		rc = km_err_set_errno(err, EX_OSERR, "interface %s", terms->device);
	if (rc == 0)
		rc = inet ? bind_inet(fd, place, type, err)
			  : bind_path(fd, place, terms, err);
	if (rc == 0 && type == SOCK_STREAM && listen(fd, BACKLOG) != 0)
		rc = km_err_set_errno(err, EX_OSERR, "listen");
	if (rc != 0)
		km_close(&fd);
	return fd;
}

int local_end_fifo(const struct local_end *place, const struct local_end_terms *terms,
		   struct km_err *err)
{
	struct stat st;
	int fd;

	if (mkfifo(place->path, 0) == 0) {
		if (give(place, terms, err) != 0)
			return -1;
	} else if (errno != EEXIST) {
		return km_err_set_errno(err, EX_CANTCREAT,
					"%s cannot be made: make its directory, and let "
					"this daemon write there",
					place->path);
	}
	fd = open(place->path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return km_err_set_errno(err, EX_NOINPUT, "%s", place->path);
	if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
		return fd;
	km_close(&fd);
	return km_err_set(err, EX_CANTCREAT,
			  "%s is there and no FIFO: remove it, or name another path",
			  place->path);
}

void local_end_remove(const struct local_end *place)
{
	struct stat st;

	if (place->kind != LOCAL_END_UNIX && place->kind != LOCAL_END_FIFO)
		return;
	if (lstat(place->path, &st) == 0 && (S_ISSOCK(st.st_mode) || S_ISFIFO(st.st_mode)))
		(void)unlink(place->path);
}
