// SPDX-License-Identifier: ISC
#include "sender_cage.h"

#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <sys/socket.h>

#include "xsk_ring.h"

/*
 * Sends on the link, and asks whether the link heard anything. Nothing that receives but the
 * supervisor's word (cage_calls.c), nothing that changes a socket, no file.
 */
void sender_cage(struct cage *cage, const struct tx_config *config, int link, int xsk)
{
	*cage = (struct cage){.permissive = config->permissive};
	cage_add_fd(cage, SCMP_SYS(sendmmsg), link);
	cage_add_fd(cage, SCMP_SYS(getsockopt), link);
	if (xsk < 0)
		return;
	/* wake-ups without bytes; whether the interface is still up */
	cage_add_fd(cage, SCMP_SYS(sendto), xsk);
	cage_add_fd(cage, SCMP_SYS(getsockopt), xsk);
	cage->own[cage->n_own++] = (struct cage_call)CAGE_IF2(ioctl, 0, CAGE_INT, link, 1,
							      CAGE_INT, SIOCGIFFLAGS);
}
