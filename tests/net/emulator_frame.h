// SPDX-License-Identifier: ISC
/*
 * What the link emulator can read of a frame without any key: the EtherType and the clear
 * header behind it, and selectors ("lane=3,seq=100-200") over these fields.
 *
 * It is written from the wire description and shares nothing with common/wire, so that
 * the emulator's list is a second, independent reader of the wire. It is not a validator:
 * a frame that is too short or of an unknown version is simply "not a data frame".
 *
 * Pure functions, no I/O, no allocation; callable from anywhere.
 */
#ifndef EMULATOR_FRAME_H
#define EMULATOR_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EMULATOR_ETH_BYTES 14u		/* destination, source, EtherType */
#define EMULATOR_UDP_BYTES 28u		/* IPv4 and UDP, without options */
#define EMULATOR_CLEAR_BYTES 40u	/* the clear header of a data frame */
#define EMULATOR_FRAME_BYTES_MAX 65553u /* MTU 65,535 + Ethernet header + one VLAN tag */

enum emulator_type {
	EMULATOR_TYPE_ANNOUNCE = 1,
	EMULATOR_TYPE_SOURCE = 2,
	EMULATOR_TYPE_REPAIR = 3,
	EMULATOR_TYPE_TEST = 4,
};

struct emulator_frame {
	uint16_t ethertype; /* behind a VLAN tag, where there is one */
	size_t header_at;   /* where the clear header starts */
	size_t frame_bytes;
	bool has_prefix; /* the first eight bytes are there: type and session */
	bool is_data;	 /* version 1, type 2 to 4, all of the clear header there */
	uint8_t version, type, class, fec;
	uint32_t session;
	uint16_t lane, channel; /* from here on valid only when is_data */
	uint64_t seq;
	uint32_t window;
	uint16_t index, depth;
	uint8_t code_rows, k, m, flags;
	uint16_t payload_bytes, symbol_bytes;
	uint8_t link;
};

enum emulator_field {
	EMULATOR_FIELD_TYPE,
	EMULATOR_FIELD_CLASS,
	EMULATOR_FIELD_FEC,
	EMULATOR_FIELD_SESSION,
	EMULATOR_FIELD_LANE,
	EMULATOR_FIELD_CHANNEL,
	EMULATOR_FIELD_SEQ,
	EMULATOR_FIELD_WINDOW,
	EMULATOR_FIELD_INDEX,
	EMULATOR_FIELD_DEPTH,
	EMULATOR_FIELD_FLAGS,
	EMULATOR_FIELD_PAYLOAD,
	EMULATOR_FIELD_LINK,
	EMULATOR_FIELD_LENGTH,
	EMULATOR_FIELD_COUNT,
};

/* A frame matches when every field whose bit is set lies in its range, both ends
 * included. */
struct emulator_selector {
	uint32_t fields;
	uint64_t first[EMULATOR_FIELD_COUNT];
	uint64_t last[EMULATOR_FIELD_COUNT];
};

/* Read @n bytes at @p (a whole Ethernet frame, borrowed for the call) into @f. False only
 * when the frame is shorter than an Ethernet header; @f is then all zero. */
bool emulator_frame_read(const uint8_t *p, size_t n, struct emulator_frame *f);

/* The same for a frame in a UDP datagram (IPv4, no options, no fragment) to @port. False for
 * everything else, and for what is shorter. */
bool emulator_frame_read_udp(const uint8_t *p, size_t n, uint16_t port,
			     struct emulator_frame *f);

/* The value of @field of @f. False when this frame does not have the field: an announce
 * has no lane, so a selector on the lane never matches it. */
bool emulator_frame_field(const struct emulator_frame *f, enum emulator_field field,
			  uint64_t *value);

/* The field called @name (@bytes long, not terminated), or -1. */
int emulator_frame_field_named(const char *name, size_t bytes);

/* Does @f match @s? A selector without any field matches nothing. */
bool emulator_frame_match(const struct emulator_frame *f,
			  const struct emulator_selector *s);

#endif
