// SPDX-License-Identifier: ISC
/*
 * The XDP program of the diode port, as eBPF: frames of ours go to the AF_XDP socket, all others
 * are dropped and counted, for nothing else has business on this port. What link_filter.h says
 * in classic BPF, but for two things: a VLAN tag still stands in the frame (decode judges its
 * identifier), and every class comes by the one socket.
 *
 * Written here as instructions: it is two comparisons for Ethernet framing, and a compiler for
 * it would be one more thing to trust and to build with. Each access is within bounds that the
 * program has checked: the kernel's verifier refuses it else.
 */
#ifndef XDP_PROGRAM_H
#define XDP_PROGRAM_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "km_err.h"
#include "link_match.h"

#define XDP_PROGRAM_MAX 64u

/* Writes the program for MATCH to CODE (XDP_PROGRAM_MAX entries); returns its length. SOCKETS
 * and FOREIGN are maps of the two functions below. */
unsigned xdp_program_make(struct bpf_insn *code, const struct link_match *match,
			  int sockets, int foreign);

/* What the port's program consists of, as descriptors; the caller closes them. */
struct xdp_program {
	int foreign; /* map of one number, to be mapped read-only: frames dropped as not ours */
	int link; /* the program is on the port for as long as this is open anywhere */
};

#define XDP_PROGRAM_INIT                                                                   \
	{                                                                                  \
		.foreign = -1, .link = -1                                                  \
	}

/*
 * Puts the program on the interface IFINDEX (NAME for messages), by its driver, in front of
 * SOCKET, which is bound to its queue QUEUE. SEVERAL: frames may have several buffers. Needs
 * CAP_BPF and CAP_NET_ADMIN. -1 with the reason; then nothing has changed.
 */
KM_MUST_CHECK int xdp_program_attach(struct xdp_program *program, const char *name,
				     unsigned ifindex, uint32_t queue, int socket,
				     bool several, const struct link_match *match,
				     struct km_err *err);
void xdp_program_close(struct xdp_program *program);

#endif
