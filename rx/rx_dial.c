// SPDX-License-Identifier: ISC
#include "rx_dial.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dial.h"
#include "rx_probe.h"

/* Of a FIFO that is not there; one that an operator has made keeps its own. */
#define FIFO_MODE 0660

int rx_dial_prepare(const struct rx_config *config, uid_t uid, gid_t gid,
		    struct km_err *err)
{
	const struct local_end_terms terms = {.mode = FIFO_MODE, .uid = uid, .gid = gid};

	for (unsigned i = 0; i < config->lives; i++) {
		const struct rx_config_live *conf = &config->live[i];
		int fd;

		if (conf->deliver.kind != LOCAL_END_FIFO)
			continue;
		fd = local_end_fifo(&conf->deliver, &terms, err);
		if (fd < 0)
			return km_err_prefix(err, "channel %s", conf->name);
		(void)close(fd);
	}
	return 0;
}

int rx_dial_renew(struct rx_dial *dial, struct km_err *err)
{
	rx_dial_close(dial);
	return ipc_pair(dial->pair, err);
}

void rx_dial_close(struct rx_dial *dial)
{
	km_close(&dial->pair[0]);
	km_close(&dial->pair[1]);
}

/* -1: errno. */
static int open_inet(const struct rx_config_live *conf, const char *diode)
{
	/* whatever ends us, the consumer shall not take it for the end of a whole stream */
	static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(conf->deliver.port)};
	char interface[IF_NAMESIZE] = "";
	int fd;

	errno = EHOSTUNREACH;
	if (rx_probe_deliver(conf, diode, interface) != RX_DELIVER_OK)
		return -1;
	memcpy(&to.sin_addr, conf->deliver.ip, sizeof(to.sin_addr));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
		       (socklen_t)strlen(interface)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) != 0 ||
	    (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS))
		km_close(&fd);
	return fd;
}

static int open_path(const struct rx_config_live *conf)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(to.sun_path, conf->deliver.path, sizeof(conf->deliver.path));
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		km_close(&fd);
	return fd;
}

/* ENXIO: it has no reader. */
static int open_fifo(const struct rx_config_live *conf)
{
	int fd = open(conf->deliver.path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISFIFO(st.st_mode))) {
		km_close(&fd);
		errno = EEXIST;
	}
	return fd;
}

static int open_way(const struct rx_config_live *conf, const char *diode)
{
	switch (conf->deliver.kind) {
	case LOCAL_END_INET:
		return open_inet(conf, diode);
	case LOCAL_END_UNIX:
		return open_path(conf);
	case LOCAL_END_FIFO:
		return open_fifo(conf);
	default:
		errno = EINVAL;
		return -1;
	}
}

int rx_dial_answer(struct rx_dial *dial, const struct rx_config *config)
{
	static const struct ipc_type row = {DIAL_ASK, sizeof(struct dial), 0, "ask", NULL};
	static const struct ipc_table table = {&row, 1};
	static struct ipc_msg msg;

	for (unsigned i = 0; i < DIAL_BATCH; i++) {
		const enum km_rc rc = ipc_recv(dial->pair[0], &table, &msg, 0);
		struct dial ask;
		int fd;

		if (rc != KM_OK)
			return rc == KM_ERR_MALFORMED ? -1 : 0;
		memcpy(&ask, msg.body, sizeof(ask));
		if (ask.place >= config->lives ||
		    config->live[ask.place].kind != RX_KIND_STREAM)
			return -1;
		fd = open_way(&config->live[ask.place], config->interface);
		ask.error = fd < 0 ? errno : 0;
		/* no room: the role does not look, and asks again when it does */
		(void)!ipc_send(dial->pair[0], fd < 0 ? DIAL_NONE : DIAL_HERE, &ask,
				sizeof(ask), &fd, fd >= 0, 0);
		km_close(&fd);
	}
	return 0;
}
