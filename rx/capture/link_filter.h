// SPDX-License-Identifier: ISC
/*
 * The socket filters of the diode port, as classic BPF: which frames of the port a
 * receive ring gets. By bytes at fixed offsets of an Ethernet frame; a VLAN tag does not
 * stand among them, for the kernel has taken it off before any socket sees the frame. It
 * chooses a ring and nothing more: what a frame claims here is judged in decode.
 */
#ifndef LINK_FILTER_H
#define LINK_FILTER_H

#include <linux/filter.h>
#include <stdint.h>

enum link_filter {
	LINK_FILTER_ALL,      /* every frame of our EtherType */
	LINK_FILTER_REALTIME, /* class realtime, and announces */
	LINK_FILTER_REST,     /* the others: with REALTIME, all, and none twice */
};

#define LINK_FILTER_MAX 12u

/* Writes the program to CODE (LINK_FILTER_MAX entries); returns its length. */
unsigned link_filter_make(struct sock_filter *code, enum link_filter which,
			  uint16_t ethertype);

/* Attach it to FD and lock it. 0, or -1 with errno. */
int link_filter_lock(int fd, enum link_filter which, uint16_t ethertype);

#endif
