// SPDX-License-Identifier: ISC
#include "capture_cage.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <sys/socket.h>

/*
 * What libpcap does while it reads its ring or a file: nothing that writes. It would like to
 * read counters in /sys with its statistics, and can do without.
 */
static const struct cage_call pump_calls[] = {
	CAGE_ANY(read),
	CAGE_ANY(lseek),
	CAGE_ANY(recvfrom),
	CAGE_ANY(getsockopt),
	CAGE_IF2(setsockopt, 1, CAGE_INT, SOL_PACKET, 2, CAGE_INT, PACKET_RX_RING),
	CAGE_IF(ioctl, 1, CAGE_INT, SIOCGIFNAME),
	CAGE_IF(ioctl, 1, CAGE_INT, SIOCGIFINDEX),
	CAGE_IF(ioctl, 1, CAGE_INT, SIOCGIFFLAGS),
	CAGE_REFUSE(openat, EACCES),
};

void capture_cage(struct cage *cage, const struct rx_config *config, bool pump)
{
	*cage = (struct cage){.permissive = config->permissive, .hands_over = !pump};
	if (!pump)
		return;
	cage->calls = pump_calls;
	cage->n_calls = KM_COUNT(pump_calls);
}
