// SPDX-License-Identifier: ISC
#include "rx_sockets.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

/* What goes to a group leaves by the one interface, and not to programs of this host. */
static int aim_at_group(int fd, const struct rx_config_live *conf, unsigned interface)
{
	const struct ip_mreqn by = {.imr_ifindex = (int)interface};
	const int ttl = conf->deliver_ttl, no = 0;

	if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof(by)) != 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl)) != 0)
		return -1;
	return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &no, sizeof(no));
}

static int open_inet(const struct rx_config_live *conf, struct rx_sockets_end *end)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(conf->deliver.port)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	memcpy(&to.sin_addr, conf->deliver.ip, sizeof(to.sin_addr));
	size_buffer(fd, conf);
	end->index = if_nametoindex(end->interface);
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, end->interface,
		       (socklen_t)strlen(end->interface)) != 0 ||
	    (local_end_is_group(&conf->deliver) &&
	     aim_at_group(fd, conf, end->index) != 0) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		km_close(&fd);
	return fd;
}

/* What lies at the path now into NOW; its time too, because a number of an inode comes again. */
static bool path_look(const struct rx_config_live *conf, struct rx_sockets_end *now)
{
	struct stat st;

	*now = (struct rx_sockets_end){0};
	if (stat(conf->deliver.path, &st) != 0)
		return false;
	now->dev = st.st_dev;
	now->inode = st.st_ino;
	now->changed = st.st_ctim;
	return true;
}

static bool path_same(const struct rx_sockets_end *a, const struct rx_sockets_end *b)
{
	return a->dev == b->dev && a->inode == b->inode &&
	       a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Looked at before it is connected to: if it is replaced between the two, that shows next time. */
static int path_connect(int fd, const struct rx_config_live *conf,
			struct rx_sockets_end *end)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct rx_sockets_end now;

	memcpy(to.sun_path, conf->deliver.path, sizeof(conf->deliver.path));
	if (!path_look(conf, &now) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		*end = (struct rx_sockets_end){0};
		return -1;
	}
	*end = now;
	return 0;
}

/* A socket in any case: it can be connected when the consumer comes. */
static int open_path(const struct rx_config_live *conf)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0)
		size_buffer(fd, conf);
	return fd;
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

/* A consumer that went away without a word is noticed within minutes. */
static void keep_alive(int fd)
{
	const int yes = 1, idle_s = 30, times = 4;

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle_s, sizeof(idle_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
}

/* What consumers connect to. Connections take after it: they too are bound to the interface. */
static int open_listener(const struct rx_config_live *conf, uid_t uid, gid_t gid,
			 struct km_err *err)
{
	char interface[IF_NAMESIZE];
	struct local_end_terms terms = {
		.type = SOCK_STREAM, .mode = conf->socket_mode, .uid = uid, .gid = gid};
	int fd;

	if (conf->deliver.kind == LOCAL_END_INET &&
	    host_address_interface(conf->deliver.ip, interface))
		terms.device = interface;
	fd = local_end_bind(&conf->deliver, &terms, err);
	if (fd >= 0 && conf->deliver.kind == LOCAL_END_INET)
		keep_alive(fd);
	return fd;
}

int rx_sockets_make(struct rx_sockets *sockets, const struct rx_config *config, uid_t uid,
		    gid_t gid, struct km_err *err)
{
	for (unsigned i = 0; i < config->lives; i++) {
		const struct rx_config_live *conf = &config->live[i];
		int pair[2];

		sockets->sink[i] = sockets->feed[i] = sockets->listen[i] = -1;
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
		if (!rx_kind_serves((enum rx_kind)conf->kind) ||
		    conf->deliver.kind == LOCAL_END_NONE)
			continue;
		sockets->listen[i] = open_listener(conf, uid, gid, err);
		if (sockets->listen[i] < 0)
			return km_err_prefix(err, "channel %s", conf->name);
	}
	return 0;
}

static void to_path(struct rx_sockets *sockets, const struct rx_config_live *conf,
		    unsigned i)
{
	sockets->sink[i] = open_path(conf);
	if (path_connect(sockets->sink[i], conf, &sockets->end[i]) == 0) {
		sockets->told[i] = false;
		return;
	}
	if (!sockets->told[i])
		tell(conf, RX_DELIVER_NONE, "");
	sockets->told[i] = true;
}

static void to_address(struct rx_sockets *sockets, const struct rx_config *config,
		       unsigned i)
{
	const struct rx_config_live *conf = &config->live[i];
	struct rx_sockets_end *end = &sockets->end[i];
	enum rx_deliver way;

	*end = (struct rx_sockets_end){0};
	way = rx_probe_deliver(conf, config->interface, end->interface);
	if (way == RX_DELIVER_OK)
		sockets->sink[i] = open_inet(conf, end);
	if (sockets->sink[i] < 0 && !sockets->told[i])
		tell(conf, way, end->interface);
	sockets->told[i] = sockets->sink[i] < 0;
}

void rx_sockets_open(struct rx_sockets *sockets, const struct rx_config *config)
{
	for (unsigned i = 0; i < sockets->count; i++) {
		const struct rx_config_live *conf = &config->live[i];

		if (rx_kind_has_role((enum rx_kind)conf->kind))
			continue;
		km_close(&sockets->sink[i]);
		if (conf->deliver.kind == LOCAL_END_INET)
			to_address(sockets, config, i);
		else
			to_path(sockets, conf, i);
	}
}

/* The sink goes on sending while its socket is turned to the one who is there now. */
static void watch_path(struct rx_sockets *sockets, const struct rx_config_live *conf,
		       unsigned i)
{
	struct rx_sockets_end *end = &sockets->end[i];
	struct rx_sockets_end now;

	if (path_look(conf, &now) && path_same(&now, end))
		return;
	if (path_connect(sockets->sink[i], conf, end) == 0) {
		log_event(EVENT_SINK_REACHED,
			  "a consumer is there; messages go to it channel=%s path=%s",
			  conf->name, conf->deliver.path);
		sockets->told[i] = false;
	} else if (!sockets->told[i]) {
		tell(conf, RX_DELIVER_NONE, "");
		sockets->told[i] = true;
	}
}

static bool watch_address(const struct rx_sockets *sockets, const struct rx_config *config,
			  unsigned i)
{
	const struct rx_config_live *conf = &config->live[i];
	const struct rx_sockets_end *end = &sockets->end[i];
	struct rx_sockets_end now = {0};
	int fd;

	if (!sockets->told[i]) {
		now.index = if_nametoindex(end->interface);
		return now.index != 0 && now.index != end->index;
	}
	if (rx_probe_deliver(conf, config->interface, now.interface) != RX_DELIVER_OK)
		return false;
	fd = open_inet(conf, &now);
	if (fd < 0)
		return false;
	km_close(&fd);
	return true;
}

bool rx_sockets_watch(struct rx_sockets *sockets, const struct rx_config *config)
{
	bool other = false;

	for (unsigned i = 0; i < sockets->count; i++) {
		const struct rx_config_live *conf = &config->live[i];

		if (rx_kind_has_role((enum rx_kind)conf->kind))
			continue;
		if (conf->deliver.kind == LOCAL_END_INET)
			other |= watch_address(sockets, config, i);
		else
			watch_path(sockets, conf, i);
	}
	return other;
}

void rx_sockets_close(struct rx_sockets *sockets, const struct rx_config *config)
{
	for (unsigned i = 0; i < sockets->count; i++) {
		km_close(&sockets->sink[i]);
		km_close(&sockets->feed[i]);
		if (sockets->listen[i] >= 0)
			local_end_remove(&config->live[i].deliver);
		km_close(&sockets->listen[i]);
	}
	sockets->count = 0;
}
