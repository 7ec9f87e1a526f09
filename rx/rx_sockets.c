// SPDX-License-Identifier: ISC
#include "rx_sockets.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host.h"
#include "log.h"
#include "rx_probe.h"

/* Deep enough for a burst of the channel while a consumer's host is slow to take it. */
#define SEND_BUFFER (1 << 20)

static int open_one(const struct rx_config_datagram *conf, const char *interface)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(conf->deliver.port)};
	const int buffer = SEND_BUFFER;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	memcpy(&to.sin_addr, conf->deliver.ip, sizeof(to.sin_addr));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
		       (socklen_t)strlen(interface)) != 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		km_close(&fd);
	return fd;
}

/* Its own channel loses, and nobody else: files and other consumers go on. */
static void tell(const struct rx_config_datagram *conf, enum rx_deliver way,
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
			  "the consumer cannot be reached: messages are dropped until "
			  "there is a route channel=%s error=\"%s\"",
			  conf->name, strerror(errno));
}

void rx_sockets_open(struct rx_sockets *sockets, const struct rx_config *config)
{
	rx_sockets_close(sockets);
	for (unsigned i = 0; i < config->datagrams; i++) {
		const struct rx_config_datagram *conf = &config->datagram[i];
		char interface[IF_NAMESIZE] = "";
		enum rx_deliver way;

		way = rx_probe_deliver(conf, config->interface, interface);
		sockets->fd[i] = way == RX_DELIVER_OK ? open_one(conf, interface) : -1;
		sockets->count = i + 1;
		if (sockets->fd[i] < 0 && !sockets->told[i])
			tell(conf, way, interface);
		sockets->told[i] = sockets->fd[i] < 0;
	}
}

bool rx_sockets_news(const struct rx_sockets *sockets, const struct rx_config *config)
{
	char interface[IF_NAMESIZE];

	for (unsigned i = 0; i < sockets->count; i++)
		if (sockets->told[i] &&
		    rx_probe_deliver(&config->datagram[i], config->interface, interface) ==
			    RX_DELIVER_OK)
			return true;
	return false;
}

void rx_sockets_close(struct rx_sockets *sockets)
{
	for (unsigned i = 0; i < sockets->count; i++)
		km_close(&sockets->fd[i]);
	sockets->count = 0;
}
