// SPDX-License-Identifier: ISC
#include "rx_sockets.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host.h"
#include "log.h"
#include "rx_probe.h"

/* Deep enough for a burst of the channel while a consumer is slow to take it. */
static void size_buffer(int fd, const struct rx_config_live *conf)
{
	const int buffer = (int)conf->deliver_buffer;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
}

static int open_inet(const struct rx_config_live *conf, const char *interface)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(conf->deliver.port)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	memcpy(&to.sin_addr, conf->deliver.ip, sizeof(to.sin_addr));
	size_buffer(fd, conf);
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
		       (socklen_t)strlen(interface)) != 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		km_close(&fd);
	return fd;
}

static int open_path(const struct rx_config_live *conf)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	memcpy(to.sun_path, conf->deliver.path, sizeof(conf->deliver.path));
	size_buffer(fd, conf);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		km_close(&fd);
	return fd;
}

static int open_one(const struct rx_config_live *conf, const char *interface)
{
	return conf->deliver.kind == LOCAL_END_INET ? open_inet(conf, interface)
						    : open_path(conf);
}

/* Its own channel loses, and nobody else: files and other consumers go on. */
static void tell(const struct rx_config_live *conf, enum rx_deliver way,
		 const char *interface)
{
	if (way == RX_DELIVER_DIODE)
		log_event(EVENT_SINK_ROUTE,
			  "the consumer would be reached by the diode port, which never "
			  "sends: messages are dropped until the host's routes are right "
			  "channel=%s interface=%s",
			  conf->name, interface);
	else
		log_event(EVENT_SINK_ROUTE,
			  "the consumer cannot be reached: messages are dropped until it "
			  "can be channel=%s error=\"%s\"",
			  conf->name, strerror(errno));
}

int rx_sockets_make(struct rx_sockets *sockets, const struct rx_config *config,
		    struct km_err *err)
{
	for (unsigned i = 0; i < config->lives; i++) {
		const struct rx_config_live *conf = &config->live[i];
		int pair[2];

		sockets->sink[i] = sockets->feed[i] = -1;
		sockets->count = i + 1;
		if (!rx_kind_has_role((enum rx_kind)conf->kind))
			continue;
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			       pair) != 0)
			return km_err_set_errno(err, EX_OSERR, "channel %s: socketpair",
						conf->name);
		size_buffer(pair[0], conf);
		sockets->sink[i] = pair[0];
		sockets->feed[i] = pair[1];
	}
	return 0;
}

void rx_sockets_open(struct rx_sockets *sockets, const struct rx_config *config)
{
	for (unsigned i = 0; i < sockets->count; i++) {
		const struct rx_config_live *conf = &config->live[i];
		char interface[IF_NAMESIZE] = "";
		enum rx_deliver way;

		if (rx_kind_has_role((enum rx_kind)conf->kind))
			continue;
		km_close(&sockets->sink[i]);
		way = rx_probe_deliver(conf, config->interface, interface);
		if (way == RX_DELIVER_OK)
			sockets->sink[i] = open_one(conf, interface);
		if (sockets->sink[i] < 0 && !sockets->told[i])
			tell(conf, way, interface);
		sockets->told[i] = sockets->sink[i] < 0;
	}
}

bool rx_sockets_news(const struct rx_sockets *sockets, const struct rx_config *config)
{
	char interface[IF_NAMESIZE];

	for (unsigned i = 0; i < sockets->count; i++) {
		int fd;

		if (!sockets->told[i] ||
		    rx_probe_deliver(&config->live[i], config->interface, interface) !=
			    RX_DELIVER_OK)
			continue;
		fd = open_one(&config->live[i], interface);
		if (fd < 0)
			continue;
		km_close(&fd);
		return true;
	}
	return false;
}

void rx_sockets_close(struct rx_sockets *sockets)
{
	for (unsigned i = 0; i < sockets->count; i++) {
		km_close(&sockets->sink[i]);
		km_close(&sockets->feed[i]);
	}
	sockets->count = 0;
}
