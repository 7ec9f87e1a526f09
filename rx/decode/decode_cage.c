// SPDX-License-Identifier: ISC
#include "decode_cage.h"

#include <linux/if_packet.h>
#include <sys/socket.h>

#include "deliver.h"
#include "intake.h"
#include "xsk_ring.h"

/*
 * The parser of foreign bytes: looks into memory, sleeps, and asks how many frames the kernel
 * dropped. No write in any form, not even to the log: one on a packet socket would send. What
 * is on descriptor RX_FD_PORT_TX is a counter of the port, read again and again.
 */
static const struct cage_call decode_calls[] = {
	CAGE_FD(pread64, RX_FD_PORT_TX),
	CAGE_IF2(getsockopt, 1, CAGE_INT, SOL_PACKET, 2, CAGE_INT, PACKET_STATISTICS),
	CAGE_IF2(getsockopt, 1, CAGE_INT, SOL_XDP, 2, CAGE_INT, XDP_STATISTICS),
};

void decode_cage(struct cage *cage, const struct rx_config *config)
{
	*cage = (struct cage){
		.calls = decode_calls,
		.n_calls = KM_COUNT(decode_calls),
		.silent = true,
		.permissive = config->permissive,
	};
}
