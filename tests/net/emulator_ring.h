// SPDX-License-Identifier: ISC
/*
 * The receiving side of the emulator: a TPACKET_V3 ring on one interface, frames of every
 * EtherType, never the interface's own outgoing ones. Nothing is ever sent on this
 * socket.
 *
 * Frames are handed out in place and may be changed in place; they are valid until
 * emulator_ring_release(). A VLAN tag that the kernel took off is put back. One thread.
 */
#ifndef EMULATOR_RING_H
#define EMULATOR_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emulator_split.h"

#define EMULATOR_RING_MIB_DEFAULT 64u
#define EMULATOR_RING_MIB_MAX 1024u

struct emulator_ring {
	int fd;
	uint8_t *map;
	size_t map_bytes;
	size_t blocks, next; /* count, and the one to look at next */
	void *frame;	     /* walk through the block at hand */
	uint32_t frames_left;
	bool split; /* trains of UDP datagrams are handed out as datagrams */
	struct emulator_split pieces;
};

/* Open on interface @name with @mib MiB; @split: cut trains of UDP datagrams. 0, or -1 with one line on stderr and errno kept.
 * */
int emulator_ring_open(struct emulator_ring *r, const char *name, size_t mib, bool split);

/* The next frame of the block at hand: its bytes and its length, or NULL when the block
 * is used up or none is filled. The first NULL after frames means: send what you still
 * point to, then call emulator_ring_release(). A frame longer than the ring could take is
 * never handed out short: it is counted in @oversize, and so is a train that cannot be cut. */
uint8_t *emulator_ring_next(struct emulator_ring *r, size_t *bytes, uint64_t *oversize);

/* Give the block at hand back to the kernel. False when there was none. */
bool emulator_ring_release(struct emulator_ring *r);

/* Frames that the kernel dropped since the last call because the ring was full. */
uint64_t emulator_ring_drops(struct emulator_ring *r);

/* From now on nothing more enters the ring; what is in it stays. 0, or -1 with errno. */
int emulator_ring_shut(struct emulator_ring *r);

/* Take a pending error off the socket; 0 when none. */
int emulator_ring_error(struct emulator_ring *r);

void emulator_ring_close(struct emulator_ring *r);

#endif
