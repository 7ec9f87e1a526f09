// SPDX-License-Identifier: ISC
/*
 * Tickets: what an operator carries from rx's `missing` to tx's `resend`. A
 * ticket is at most 100 characters of Crockford base32 and can only name what
 * tx still keeps: (chain, channel) and either a list of object number ranges, a
 * list of manifest number ranges, or the missing extents of one object.
 * Unauthenticated by design; its worst effect is a repeated transmission.
 *
 * Bytes: u8 version (1), u8 kind, varint channel, varint chain, then items as
 * varints, each pair { gap, length - 1 }: gap is first minus the number after the one
 * before (0 at the start), length is last - first + 1. Numbers begin at 1; extents at 0, in
 * units of 4,096 bytes, rounded outwards, and the object's number as varint precedes them.
 * As many items as there are bytes (at least one),
 * then CRC-32 (IEEE 802.3) of all before, big-endian. Base32 of that, most
 * significant bits first, zero-filled; printed in groups of 5 with '-', which
 * like case and the Crockford look-alikes (O=0, I=L=1) are ignored when read.
 */
#ifndef TICKET_H
#define TICKET_H

#include <stddef.h>
#include <stdint.h>

#include "km_err.h"

#define TICKET_CHARS_MAX 100u /* base32 characters, hyphens not counted */
#define TICKET_BYTES_MAX 62u  /* floor(100 * 5 / 8) */
#define TICKET_TEXT_MAX 128u  /* with hyphens and NUL */
#define TICKET_ITEMS_MAX 27u  /* two bytes each at the least, 8 for the rest */
#define TICKET_EXTENT_UNIT 4096u

enum ticket_kind {
	TICKET_OBJECTS = 1,
	TICKET_EXTENTS = 2,
	TICKET_MANIFESTS = 3,
};

struct ticket {
	uint8_t kind;
	uint16_t channel;
	uint64_t chain;
	uint64_t object; /* TICKET_EXTENTS only */
	unsigned items;
	struct {
		uint64_t first, last; /* inclusive: numbers, or units of 4,096 bytes */
	} item[TICKET_ITEMS_MAX];
};

/* Write T as text into OUT (TICKET_TEXT_MAX bytes, NUL-terminated). Items must
 * be ascending and disjoint, channel and chain not 0 (KM_ERR_RANGE). KM_ERR_FULL
 * when it would be longer than TICKET_CHARS_MAX: give fewer items, or merge
 * neighbours. */
KM_MUST_CHECK enum km_rc ticket_encode(char *out, const struct ticket *t);

/* Read LEN characters. KM_ERR_LIMIT too long, KM_ERR_MALFORMED not base32 or not
 * well formed, KM_ERR_AUTH the CRC differs (a typing error), KM_ERR_VERSION. */
KM_MUST_CHECK enum km_rc ticket_decode(struct ticket *t, const char *text, size_t len);

#endif
