// SPDX-License-Identifier: ISC
/*
 * The socket filters of the diode port, as classic BPF: which frames of the port a
 * receive ring gets. A VLAN tag does not stand among the bytes of a frame, for the kernel has
 * taken it off before any socket sees it. It chooses a ring and nothing more: what a frame
 * claims here is judged in decode.
 */
#ifndef LINK_FILTER_H
#define LINK_FILTER_H

#include <linux/filter.h>
#include <stdint.h>

#include "link_match.h"

enum link_filter {
	LINK_FILTER_ALL,      /* every frame of ours */
	LINK_FILTER_REALTIME, /* class realtime, and announces; no trains */
	LINK_FILTER_REST,     /* the others: with REALTIME, all, and none twice */
};

#define LINK_FILTER_MAX 30u

/* Writes the program to CODE (LINK_FILTER_MAX entries); returns its length. */
unsigned link_filter_make(struct sock_filter *code, enum link_filter which,
			  const struct link_match *match);

/* Attach it to FD and lock it. 0, or -1 with errno. */
int link_filter_lock(int fd, enum link_filter which, const struct link_match *match);

#endif
