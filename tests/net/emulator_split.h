// SPDX-License-Identifier: ISC
/*
 * Trains of UDP datagrams, as a veth pair passes them on whole: cut into the datagrams that a
 * wire would carry, by the sizes that the kernel says (the virtio header of the receiving
 * socket) and not by anything that our own frames say. Checksums are completed as a network
 * device would.
 *
 * Written from RFC 768, RFC 791 and the virtio specification; shares nothing with the product.
 * The pieces live until emulator_split_forget().
 */
#ifndef EMULATOR_SPLIT_H
#define EMULATOR_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EMULATOR_VNET_BYTES 10u /* struct virtio_net_hdr, in the machine's byte order */
#define EMULATOR_PIECE_MIN 64u /* smaller pieces are refused: they would not fit the room */

struct emulator_split {
	uint8_t *room;
	size_t room_bytes, used;
	const uint8_t *head; /* of the train at hand */
	size_t head_bytes;   /* to the end of the UDP header */
	size_t udp_at;	     /* where the UDP header stands */
	size_t piece_bytes;
	const uint8_t *rest; /* payload not yet handed out */
	size_t rest_bytes;
	uint16_t number;
};

/* Room for the pieces of @block_bytes of trains. 0, or -1 with errno. */
int emulator_split_open(struct emulator_split *s, size_t block_bytes);

/*
 * Look at the frame at @p with its virtio header @vnet; @tag_bytes were put into the frame
 * since the kernel wrote that. True: it is a train, and emulator_split_next() has its pieces
 * (none when it makes no sense). False: it is a frame; a checksum that was left open has
 * been completed in place.
 */
bool emulator_split_begin(struct emulator_split *s, const uint8_t *vnet, uint8_t *p,
			  size_t bytes, size_t tag_bytes);

/* The next piece and its length; NULL after the last. */
uint8_t *emulator_split_next(struct emulator_split *s, size_t *bytes);

/* Nobody points to pieces any more. */
void emulator_split_forget(struct emulator_split *s);

void emulator_split_close(struct emulator_split *s);

#endif
