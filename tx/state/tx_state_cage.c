// SPDX-License-Identifier: ISC
#include "tx_state_cage.h"

#include "lane.h"

/* Takes datagrams of producers, puts messages into the pairs with the source. No file. */
void tx_state_cage(struct cage *cage, const struct tx_config *config)
{
	*cage = (struct cage){.permissive = config->permissive};
	for (unsigned i = 0; i < config->lives; i++) {
		if (config->live[i].kind != TX_KIND_STATE)
			continue;
		cage_add_fd(cage, SCMP_SYS(recvfrom), TX_FD_LISTEN + (int)i);
		cage_add_fd(cage, SCMP_SYS(getsockopt), TX_FD_LISTEN + (int)i);
		cage_add_fd(cage, SCMP_SYS(sendto), TX_FD_FEED + (int)i);
	}
}
