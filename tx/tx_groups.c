// SPDX-License-Identifier: ISC
#include "tx_groups.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "host.h"
#include "log.h"

static int membership(int fd, int what, const struct local_end *group, unsigned index)
{
	struct ip_mreqn one = {.imr_ifindex = (int)index};

	memcpy(&one.imr_multiaddr, group->ip, sizeof(one.imr_multiaddr));
	return setsockopt(fd, IPPROTO_IP, what, &one, sizeof(one));
}

/* NULL, or why the group is not joined by the interface. */
static const char *join(int fd, const struct local_end *group, unsigned index,
			const char *interface, const char *diode)
{
	if (index == 0)
		return "there is no such interface";
	if (host_stands_on(interface, diode))
		return "it is the diode port, or stands on it";
	if (membership(fd, IP_ADD_MEMBERSHIP, group, index) != 0)
		return strerrordesc_np(errno);
	return NULL;
}

static void keep_one(struct tx_groups *groups, int fd, const struct tx_config *config,
		     unsigned i, unsigned n)
{
	const struct tx_config_live *conf = &config->live[i];
	const char *interface = conf->join[n];
	const unsigned now = if_nametoindex(interface);
	unsigned *joined = &groups->index[i][n];
	const char *why;

	if (*joined != 0 && *joined == now)
		return;
	if (*joined != 0) /* the socket remembers, though the interface is gone */
		(void)membership(fd, IP_DROP_MEMBERSHIP, &conf->listen, *joined);
	why = join(fd, &conf->listen, now, interface, config->interface);
	*joined = why ? 0 : now;
	if (!why)
		log_event(EVENT_GROUP_JOINED,
			  "messages to the group are taken channel=%s interface=%s",
			  conf->name, interface);
	else if (!groups->told[i][n])
		log_event(EVENT_GROUP_MISSING,
			  "messages to the group cannot be taken by this interface until "
			  "that is put right channel=%s interface=%s error=\"%s\"",
			  conf->name, interface, why);
	groups->told[i][n] = why != NULL;
}

void tx_groups_keep(struct tx_groups *groups, const struct tx_sockets *sockets,
		    const struct tx_config *config)
{
	for (unsigned i = 0; i < sockets->count; i++) {
		const int fd =
			sockets->listen[i] >= 0 ? sockets->listen[i] : sockets->source[i];

		for (unsigned n = 0; n < config->live[i].joins; n++)
			keep_one(groups, fd, config, i, n);
	}
}
