// SPDX-License-Identifier: ISC
#include "ticket.h"

#include <string.h>

#include "base32.h"
#include "crc32.h"
#include "cursor.h"
#include "wire_limits.h"

#define TICKET_VERSION 1u
#define TICKET_GROUP 5u
#define CRC_LEN 4u
#define TEXT_CHARS (TICKET_CHARS_MAX + TICKET_CHARS_MAX / TICKET_GROUP)

_Static_assert(BASE32_CHARS(TICKET_BYTES_MAX) <= TICKET_CHARS_MAX, "ticket too long");
_Static_assert(TEXT_CHARS < TICKET_TEXT_MAX, "text with hyphens does not fit");
/* version, kind, channel, chain, CRC: 8 bytes at the least; an item is 2 at the least. */
_Static_assert(TICKET_ITEMS_MAX == (TICKET_BYTES_MAX - 8) / 2, "item table");

/* Largest number an item may name: nothing beyond can exist, and ends never overflow. */
static uint64_t item_limit(uint8_t kind)
{
	if (kind == TICKET_EXTENTS)
		return WIRE_OBJECT_MAX / TICKET_EXTENT_UNIT - 1;
	return WIRE_OBJECT_MAX;
}

/* Numbers of objects and manifests begin at 1, extents at 0. */
static uint64_t item_lowest(uint8_t kind)
{
	return kind == TICKET_EXTENTS ? 0 : 1;
}

static enum km_rc check_head(const struct ticket *t)
{
	if (t->kind < TICKET_OBJECTS || t->kind > TICKET_MANIFESTS)
		return KM_ERR_RANGE;
	if (t->channel == WIRE_CHANNEL_CONTROL || t->chain == 0)
		return KM_ERR_RANGE;
	if ((t->kind == TICKET_EXTENTS) != (t->object != 0))
		return KM_ERR_RANGE;
	return KM_OK;
}

enum km_rc ticket_encode(char *out, const struct ticket *t)
{
	uint8_t bytes[TICKET_BYTES_MAX];
	uint64_t next = 0;
	struct wr wr;

	out[0] = '\0';
	if (check_head(t) != KM_OK || t->items < 1 || t->items > TICKET_ITEMS_MAX)
		return KM_ERR_RANGE;
	wr_init(&wr, bytes, sizeof(bytes) - CRC_LEN);
	wr_u8(&wr, TICKET_VERSION);
	wr_u8(&wr, t->kind);
	wr_varint(&wr, t->channel);
	wr_varint(&wr, t->chain);
	if (t->kind == TICKET_EXTENTS)
		wr_varint(&wr, t->object);
	for (unsigned i = 0; i < t->items; i++) {
		uint64_t first = t->item[i].first, last = t->item[i].last;

		if (first < next || first < item_lowest(t->kind) || last < first ||
		    last > item_limit(t->kind))
			return KM_ERR_RANGE;
		wr_varint(&wr, first - next);
		wr_varint(&wr, last - first);
		next = last + 1;
	}
	if (!wr_ok(&wr))
		return KM_ERR_FULL;
	wr.n = sizeof(bytes);
	wr_u32(&wr, crc32_add(0, bytes, wr.used));
	base32_encode(out, bytes, wr.used, TICKET_GROUP);
	return KM_OK;
}

static enum km_rc read_items(struct ticket *t, struct rd *rd)
{
	uint64_t limit = item_limit(t->kind), next = 0;

	while (rd_left(rd)) {
		uint64_t gap = rd_varint(rd), more = rd_varint(rd);
		uint64_t first;

		if (rd->bad || t->items == TICKET_ITEMS_MAX)
			return KM_ERR_MALFORMED;
		if (next > limit || gap > limit - next)
			return KM_ERR_MALFORMED;
		first = next + gap;
		if (first < item_lowest(t->kind) || more > limit - first)
			return KM_ERR_MALFORMED;
		t->item[t->items].first = first;
		t->item[t->items].last = first + more;
		t->items++;
		next = first + more + 1;
	}
	return t->items && rd_done(rd) ? KM_OK : KM_ERR_MALFORMED;
}

enum km_rc ticket_decode(struct ticket *t, const char *text, size_t len)
{
	uint8_t bytes[TICKET_BYTES_MAX];
	uint64_t channel;
	size_t n;
	struct rd rd;
	enum km_rc rc;

	memset(t, 0, sizeof(*t));
	rc = base32_decode(bytes, sizeof(bytes), &n, text, len);
	if (rc != KM_OK)
		return rc;
	if (n < CRC_LEN + 2)
		return KM_ERR_MALFORMED;
	rd_init(&rd, bytes + n - CRC_LEN, CRC_LEN);
	if (rd_u32(&rd) != crc32_add(0, bytes, n - CRC_LEN))
		return KM_ERR_AUTH;
	rd_init(&rd, bytes, n - CRC_LEN);
	if (rd_u8(&rd) != TICKET_VERSION)
		return KM_ERR_VERSION;
	t->kind = rd_u8(&rd);
	channel = rd_varint(&rd);
	if (channel > UINT16_MAX)
		return KM_ERR_MALFORMED;
	t->channel = (uint16_t)channel;
	t->chain = rd_varint(&rd);
	if (t->kind == TICKET_EXTENTS)
		t->object = rd_varint(&rd);
	if (rd.bad || check_head(t) != KM_OK)
		return KM_ERR_MALFORMED;
	return read_items(t, &rd);
}
