// SPDX-License-Identifier: ISC
#include "outlet_cage.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "deliver.h"

/*
 * Ways to consumers come from the supervisor, which alone decides where they lead: none can be made,
 * bound or connected here, and no address be given beside the bytes. They come late: what the role
 * has had from its start can neither be written to nor, but for the pairs, be read from.
 */
static const struct cage_call stream_calls[] = {
	CAGE_FD(sendmsg, RX_FD_DIAL),
	CAGE_FD(recvmsg, RX_FD_DIAL),
	CAGE_LATE(recvfrom),
	CAGE_LATE_IF(sendto, 4, UINT64_MAX, 0),
	CAGE_LATE_IF(shutdown, 1, CAGE_INT, SHUT_WR),
	CAGE_IF2(getsockopt, 1, CAGE_INT, SOL_SOCKET, 2, CAGE_INT, SO_ERROR),
	CAGE_IF(ioctl, 1, CAGE_INT, SIOCOUTQ),
	CAGE_LATE(write), /* FIFOs */
};

void outlet_cage(struct cage *cage, const struct rx_config *config)
{
	*cage = (struct cage){
		.calls = stream_calls,
		.n_calls = KM_COUNT(stream_calls),
		.opens = true,
		.permissive = config->permissive,
	};
	for (unsigned i = 0; i < config->lives; i++)
		if (config->live[i].kind == RX_KIND_STREAM)
			cage_add_fd(cage, SCMP_SYS(recvfrom), RX_FD_FEED + (int)i);
}
