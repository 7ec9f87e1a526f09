// SPDX-License-Identifier: ISC
/*
 * The clear header of a frame: what lies between the Ethernet header and the
 * sealed payload. Encoding and decoding only; nothing here knows a key, a
 * socket or a session. The bytes 0..38 are the associated data of the seal;
 * byte 39, the link id, is outside of it, because redundant links carry the
 * same sealed bytes.
 *
 *  off size field
 *   0   1   version            WIRE_VERSION
 *   1   1   type               enum frame_type
 *   2   1   class              enum frame_class, at a fixed byte so that BPF can steer it
 *   3   1   FEC code id        enum frame_code
 *   4   4   session tag        first 4 bytes of SHA-256(announce)
 *   8   2   lane
 *  10   2   channel            0 is control
 *  12   8   lane sequence      also the nonce; 0 for an announce
 *  20   4   window             per (session, channel, stream), from 0
 *  24   2   index              source: t = ESI * D + block; repair: r = row * D + block
 *  26   2   depth D            1..255
 *  28   1   M                  rows of the generator, power of two, 0 = no FEC
 *  29   1   k of the block     repair only, else 0
 *  30   1   m of the block     repair only, else 0
 *  31   1   stream             enum frame_stream: which window space of the channel
 *  32   2   payload length     bytes between this header and the tag
 *  34   2   symbol size        bytes of a full symbol of this window
 *  36   3   reserved           zero
 *  39   1   link id            not authenticated
 *
 * An announce has type 1, its session tag, lane, sequence, channel, window and
 * so on zero but for class (control) and payload length, and no tag. Its link id
 * is the only other byte that may be set.
 *
 * A test frame (linktest.h) has type 4, no tag, the number of its run as session tag, lane 3,
 * a sequence and its step as window, and zero elsewhere but for the length.
 */
#ifndef FRAME_H
#define FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "km_err.h"
#include "wire_limits.h"

enum frame_type {
	FRAME_ANNOUNCE = 1,
	FRAME_SOURCE = 2, /* a source symbol, maybe cut short: the rest is zero */
	FRAME_REPAIR = 3, /* a repair symbol, always of full symbol size */
	FRAME_TEST = 4,	  /* of a link test: no data, nothing for a receiver of data */
};

enum frame_class {
	FRAME_CLASS_CONTROL = 0,
	FRAME_CLASS_REALTIME = 1,
	FRAME_CLASS_HIGH = 2,
	FRAME_CLASS_NORMAL = 3,
	FRAME_CLASS_LOW = 4,
	FRAME_CLASS_COUNT
};

enum frame_code {
	FRAME_CODE_NONE = 0,
	FRAME_CODE_RS_LCH8 = 1, /* RS over GF(2^8), Lin-Chung-Han basis: fec/fec.h */
};

/* A channel has two window spaces, so that a manifest never shares, delays or
 * closes a window of data. */
enum frame_stream { FRAME_STREAM_DATA = 0, FRAME_STREAM_LEDGER = 1, FRAME_STREAM_COUNT };

struct frame_header {
	uint8_t version, type, class, code;
	uint32_t session_tag;
	uint16_t lane, channel;
	uint64_t seq;
	uint32_t window;
	uint16_t index, depth;
	uint8_t M, k, m, stream;
	uint16_t length, symbol_size;
	uint8_t link_id;
};

/* Write HEADER into OUT, which has WIRE_HEADER_LEN bytes. Every field is taken
 * as it stands: the caller made it valid (frame_header_check tells). */
void frame_header_encode(uint8_t *out, const struct frame_header *header);

/*
 * Read a header from the LEN bytes at P (which may be followed by padding of a
 * minimum-size Ethernet frame: only `length` bytes and a tag are looked for).
 *
 * KM_ERR_SHORT      fewer bytes than header + length (+ tag, if it has one)
 * KM_ERR_VERSION    another wire version
 * KM_ERR_MALFORMED  unknown type, class, code or stream, a reserved byte set
 * KM_ERR_RANGE      a field or a combination outside of the limits, see
 *                   frame_header_check()
 */
KM_MUST_CHECK enum km_rc frame_header_decode(struct frame_header *header, const uint8_t *p,
					     size_t len);

/* The semantic half of frame_header_decode(): D within 1..255, M a power of two
 * or 0, index within the window, k + M <= 256, 1 <= m <= M and row < m for a
 * repair, length <= symbol_size (equal for a repair), symbol size within the
 * limits, lane < WIRE_LANES_MAX and lane % 8 == class, seq below
 * WIRE_LANE_FRAMES_MAX, M = 0 if and only if code = none. An announce: all zero
 * as above, and a length that an announce can have; a test frame likewise. */
KM_MUST_CHECK enum km_rc frame_header_check(const struct frame_header *header);

/* Bytes of the whole frame after the Ethernet header. */
size_t frame_bytes(const struct frame_header *header);

/* Symbol size that fills MTU bytes after the Ethernet header; 0 if none does. */
size_t frame_symbol_size(size_t mtu);

const char *frame_class_name(unsigned class); /* "control", …, or "?" */

#endif
