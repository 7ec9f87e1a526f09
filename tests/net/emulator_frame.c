// SPDX-License-Identifier: ISC
#include "emulator_frame.h"

#include <string.h>

#define WIRE_VERSION 1u
#define TAG_8021Q 0x8100u
#define TAG_8021AD 0x88a8u
#define TAG_BYTES 4u
#define ETHERTYPE_IPV4 0x0800u

static const char *const field_names[EMULATOR_FIELD_COUNT] = {
	[EMULATOR_FIELD_TYPE] = "type",	  [EMULATOR_FIELD_CLASS] = "class",
	[EMULATOR_FIELD_FEC] = "fec",	  [EMULATOR_FIELD_SESSION] = "session",
	[EMULATOR_FIELD_LANE] = "lane",	  [EMULATOR_FIELD_CHANNEL] = "channel",
	[EMULATOR_FIELD_SEQ] = "seq",	  [EMULATOR_FIELD_WINDOW] = "window",
	[EMULATOR_FIELD_INDEX] = "index", [EMULATOR_FIELD_DEPTH] = "depth",
	[EMULATOR_FIELD_FLAGS] = "flags", [EMULATOR_FIELD_PAYLOAD] = "payload",
	[EMULATOR_FIELD_LINK] = "link",	  [EMULATOR_FIELD_LENGTH] = "length",
};

static uint64_t read_be(const uint8_t *p, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | p[i];
	return v;
}

static void read_data_header(const uint8_t *h, struct emulator_frame *f)
{
	f->lane = (uint16_t)read_be(h + 8, 2);
	f->channel = (uint16_t)read_be(h + 10, 2);
	f->seq = read_be(h + 12, 8);
	f->window = (uint32_t)read_be(h + 20, 4);
	f->index = (uint16_t)read_be(h + 24, 2);
	f->depth = (uint16_t)read_be(h + 26, 2);
	f->code_rows = h[28];
	f->k = h[29];
	f->m = h[30];
	f->flags = h[31];
	f->payload_bytes = (uint16_t)read_be(h + 32, 2);
	f->symbol_bytes = (uint16_t)read_be(h + 34, 2);
	f->link = h[39];
}

/* EtherType and where the bytes behind it begin; false: too short for that. */
static bool read_ethernet(const uint8_t *p, size_t n, struct emulator_frame *f)
{
	memset(f, 0, sizeof(*f));
	if (n < EMULATOR_ETH_BYTES)
		return false;
	f->frame_bytes = n;
	f->header_at = EMULATOR_ETH_BYTES;
	f->ethertype = (uint16_t)read_be(p + 12, 2);
	if ((f->ethertype == TAG_8021Q || f->ethertype == TAG_8021AD) &&
	    n - EMULATOR_ETH_BYTES >= TAG_BYTES) {
		f->ethertype = (uint16_t)read_be(p + 16, 2);
		f->header_at += TAG_BYTES;
	}
	return true;
}

static void read_clear(const uint8_t *p, size_t n, struct emulator_frame *f)
{
	const uint8_t *h = p + f->header_at;
	size_t left = n - f->header_at;

	if (left < 8)
		return;
	f->has_prefix = true;
	f->version = h[0];
	f->type = h[1];
	f->class = h[2];
	f->fec = h[3];
	f->session = (uint32_t)read_be(h + 4, 4);
	f->is_data = f->version == WIRE_VERSION && left >= EMULATOR_CLEAR_BYTES &&
		     f->type >= EMULATOR_TYPE_SOURCE && f->type <= EMULATOR_TYPE_TEST;
	if (f->is_data)
		read_data_header(h, f);
}

bool emulator_frame_read(const uint8_t *p, size_t n, struct emulator_frame *f)
{
	if (!read_ethernet(p, n, f))
		return false;
	read_clear(p, n, f);
	return true;
}

bool emulator_frame_read_udp(const uint8_t *p, size_t n, uint16_t port,
			     struct emulator_frame *f)
{
	const uint8_t *ip;

	if (!read_ethernet(p, n, f) || f->ethertype != ETHERTYPE_IPV4 ||
	    n - f->header_at < EMULATOR_UDP_BYTES)
		return false;
	ip = p + f->header_at;
	if (ip[0] != 0x45 || (read_be(ip + 6, 2) & 0x3fff) || ip[9] != 17 ||
	    read_be(ip + 22, 2) != port)
		return false;
	f->header_at += EMULATOR_UDP_BYTES;
	read_clear(p, n, f);
	return true;
}

static uint64_t prefix_field(const struct emulator_frame *f, enum emulator_field field)
{
	switch (field) {
	case EMULATOR_FIELD_TYPE:
		return f->type;
	case EMULATOR_FIELD_CLASS:
		return f->class;
	case EMULATOR_FIELD_FEC:
		return f->fec;
	default:
		return f->session;
	}
}

static uint64_t data_field(const struct emulator_frame *f, enum emulator_field field)
{
	switch (field) {
	case EMULATOR_FIELD_LANE:
		return f->lane;
	case EMULATOR_FIELD_CHANNEL:
		return f->channel;
	case EMULATOR_FIELD_SEQ:
		return f->seq;
	case EMULATOR_FIELD_WINDOW:
		return f->window;
	case EMULATOR_FIELD_INDEX:
		return f->index;
	case EMULATOR_FIELD_DEPTH:
		return f->depth;
	case EMULATOR_FIELD_FLAGS:
		return f->flags;
	case EMULATOR_FIELD_PAYLOAD:
		return f->payload_bytes;
	default:
		return f->link;
	}
}

bool emulator_frame_field(const struct emulator_frame *f, enum emulator_field field,
			  uint64_t *value)
{
	*value = 0;
	if (field == EMULATOR_FIELD_LENGTH) {
		*value = f->frame_bytes;
		return true;
	}
	if (field <= EMULATOR_FIELD_SESSION) {
		*value = prefix_field(f, field);
		return f->has_prefix;
	}
	*value = data_field(f, field);
	return f->is_data;
}

int emulator_frame_field_named(const char *name, size_t bytes)
{
	for (int i = 0; i < EMULATOR_FIELD_COUNT; i++)
		if (strlen(field_names[i]) == bytes && !memcmp(field_names[i], name, bytes))
			return i;
	return -1;
}

bool emulator_frame_match(const struct emulator_frame *f, const struct emulator_selector *s)
{
	for (int i = 0; i < EMULATOR_FIELD_COUNT; i++) {
		uint64_t value;

		if (!(s->fields & 1u << i))
			continue;
		if (!emulator_frame_field(f, (enum emulator_field)i, &value))
			return false;
		if (value < s->first[i] || value > s->last[i])
			return false;
	}
	return s->fields != 0;
}
