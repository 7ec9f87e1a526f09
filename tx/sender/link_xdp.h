// SPDX-License-Identifier: ISC
/*
 * A link by AF_XDP: frames are copied into memory shared with the kernel and, with zero-copy, go
 * from there to the NIC, past the kernel's network stack and its queue disciplines.
 *
 * It cannot receive: the socket has a TX and a completion ring and no RX ring (and none can be
 * added once it is bound); its fill ring, which the kernel demands, has one entry and is never
 * mapped; no XDP program is attached, so nothing is redirected to it. The packet socket of
 * link_packet.h stays beside it, as deaf as ever, to ask for the interface's state.
 *
 * Without zero-copy the kernel copies each frame once more, which gains nothing; that is for
 * tests and for `backend = xdp`.
 */
#ifndef LINK_XDP_H
#define LINK_XDP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "km_err.h"
#include "link_packet.h"
#include "xdp_frames.h"

/* Shared memory: a few hundred frames on their way. Within the usual RLIMIT_MEMLOCK of 8 MiB,
 * so that no capability is needed for it. */
#define LINK_XDP_UMEM_BYTES (4u << 20)

struct link_xdp {
	struct link_packet *link; /* borrowed */
	const char *interface;	  /* borrowed */
	int fd;
	bool zero_copy;
	bool carrier_lost;
	struct xdp_frames frames;
	void *memory; /* one mapping: chunks, and the bookkeeping behind them */
	size_t memory_len;
	uint64_t heard;
	uint64_t wakeups; /* system calls that made the kernel send */
	uint64_t refused; /* frames that the device dropped: copy mode, its queue full */
};

/*
 * On the queue 0 of INTERFACE, LINK being open. FRAME_MAX in bytes. With FORCE the kernel may
 * copy, and SNDBUF bounds what is on its way then, as in link_packet.h. -1 with the reason.
 */
KM_MUST_CHECK int link_xdp_open(struct link_xdp *x, struct link_packet *link,
				const char *interface, uint32_t frame_max, bool force,
				struct km_err *err);
/* After what was handed over has left, or 100 ms. Safe on one that is zeroed, with fd -1. */
void link_xdp_close(struct link_xdp *x);

/*
 * Hand N <= LINK_PACKET_BATCH frames over, in order; results as link_packet_send(), and KM_OK
 * with *DONE < N where the device took nothing for a while: offer the rest again. A frame in
 * *DONE is copied; the kernel has taken its descriptors, or (KM_ERR_TIMEOUT) will when the link
 * is up again. A frame that the device drops is counted in refused and not sent again: the
 * kernel does not say which one it was.
 */
KM_MUST_CHECK enum km_rc link_xdp_send(struct link_xdp *x, const struct iovec *frames,
				       unsigned n, unsigned *done);

/* Frames that the kernel had for this socket since the last call: must be 0. */
uint64_t link_xdp_heard(struct link_xdp *x);

#endif
