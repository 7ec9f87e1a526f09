// SPDX-License-Identifier: ISC
/*
 * A link by AF_PACKET: a socket that can only send. It is opened and bound with
 * protocol 0, so the kernel never queues a frame to it, and carries a locked
 * filter that drops everything, should anybody bind it again. This folder calls
 * nothing that receives.
 *
 * The bounded send buffer is the backpressure: while the device has not let go
 * of that many bytes, sending blocks instead of overrunning the device queue
 * (a large buffer turns that into silent loss).
 */
#ifndef LINK_PACKET_H
#define LINK_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "km_err.h"
#include "wire_limits.h"

#define LINK_PACKET_BATCH 32u

struct link_packet {
	int fd;
	int ifindex;
	uint32_t mtu;	  /* of the interface when it was opened */
	uint32_t sndbuf;  /* what the kernel granted, its own doubling taken off */
	uint64_t enobufs; /* frames the device refused and that were sent again */
	uint64_t heard;	  /* frames ever queued to this socket: must stay 0 */
	/* What every frame begins with, whatever stands in its first bytes: who fills the slots does
	 * not choose to whom a frame goes, or as what. head_len 0: frames are sent as they are. */
	uint8_t head[WIRE_ETHER_VLAN_LEN];
	uint32_t head_len;
};

/* Open and lock down. Needs CAP_NET_RAW; EX_NOPERM, EX_UNAVAILABLE (no such
 * interface), EX_OSERR. SNDBUF in bytes. */
KM_MUST_CHECK int link_packet_open(struct link_packet *link, const char *interface,
				   uint32_t sndbuf, struct km_err *err);
void link_packet_close(struct link_packet *link);

/*
 * Hand N <= LINK_PACKET_BATCH whole frames, longer than head_len, to the kernel, in order. Blocks while
 * the send buffer is full. ENOBUFS means that exactly this frame is gone: it is sent
 * again after a short sleep, and counted.
 *
 * KM_OK          the kernel took all
 * KM_ERR_TIMEOUT the link is down (ENETDOWN): *DONE frames were taken, call again later
 * KM_ERR_CLOSED  the interface is gone
 * KM_ERR_LIMIT   a frame larger than the interface's MTU was refused (EMSGSIZE) at *DONE
 * KM_ERR_SYS     errno
 */
KM_MUST_CHECK enum km_rc link_packet_send(struct link_packet *link,
					  const struct iovec *frames, unsigned n,
					  unsigned *done);

/* What errno of a send call means, as above; KM_OK: offer the same frame again (after
 * ENOBUFS it has slept and counted). For other framings of the same socket. */
KM_MUST_CHECK enum km_rc link_packet_judge(struct link_packet *link);

/* Ask the kernel what it ever queued to this socket; adds to link->heard. */
void link_packet_check_deaf(struct link_packet *link);

#endif
