// SPDX-License-Identifier: ISC
#include "sink_cage.h"

/* Sends on by the sockets it was given, which are connected: an address would be refused. */
void sink_cage(struct cage *cage, const struct rx_config *config, const int *fds,
	       unsigned n)
{
	*cage = (struct cage){.permissive = config->permissive};
	for (unsigned i = 0; i < n; i++)
		cage_add_fd(cage, SCMP_SYS(sendmmsg), fds[i]);
}
