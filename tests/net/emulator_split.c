// SPDX-License-Identifier: ISC
#include "emulator_split.h"

#include <stdlib.h>
#include <string.h>

#define NEEDS_CSUM 1u
#define GSO_UDP_L4 5u
#define GSO_ECN 0x80u
#define IP_BYTES 20u
#define UDP_BYTES 8u

static uint16_t native16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t add(uint32_t sum, const uint8_t *p, size_t bytes)
{
	for (size_t i = 0; i + 1 < bytes; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	if (bytes % 2)
		sum += (uint32_t)p[bytes - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

int emulator_split_open(struct emulator_split *s, size_t block_bytes)
{
	memset(s, 0, sizeof(*s));
	s->room_bytes = 2 * block_bytes;
	s->room = malloc(s->room_bytes);
	return s->room ? 0 : -1;
}

bool emulator_split_begin(struct emulator_split *s, const uint8_t *vnet, uint8_t *p,
			  size_t bytes, size_t tag_bytes)
{
	size_t start = native16(vnet + 6) + tag_bytes, offset = native16(vnet + 8);
	bool open = vnet[0] & NEEDS_CSUM, train = (vnet[1] & ~GSO_ECN) == GSO_UDP_L4;

	if (open && !train && start + offset + 2 <= bytes) {
		uint32_t sum = add(0, p + start, bytes - start);

		put16(p + start + offset, (uint16_t)(sum == 0xffff ? sum : ~sum));
	}
	if (!train)
		return false;
	s->rest_bytes = 0;
	s->piece_bytes = native16(vnet + 4);
	/* what the kernel joined itself has its checksum and no place of it */
	s->udp_at = open ? start : 14 + tag_bytes + IP_BYTES;
	s->head_bytes = s->udp_at + UDP_BYTES;
	if (s->piece_bytes < EMULATOR_PIECE_MIN || s->udp_at < 14 + IP_BYTES ||
	    s->head_bytes > bytes || p[s->udp_at - IP_BYTES] != 0x45)
		return true;
	s->head = p;
	s->rest = p + s->head_bytes;
	s->rest_bytes = bytes - s->head_bytes;
	s->number = 0;
	return true;
}

uint8_t *emulator_split_next(struct emulator_split *s, size_t *bytes)
{
	size_t now = s->rest_bytes < s->piece_bytes ? s->rest_bytes : s->piece_bytes;
	uint8_t *out = s->room + s->used, *ip = out + s->udp_at - IP_BYTES;
	uint8_t *udp = out + s->udp_at;
	const uint8_t pseudo[] = {0, 17, (uint8_t)((UDP_BYTES + now) >> 8),
				  (uint8_t)(UDP_BYTES + now)};
	uint32_t sum;

	if (!now || s->room_bytes - s->used < s->head_bytes + now)
		return NULL;
	memcpy(out, s->head, s->head_bytes);
	memcpy(out + s->head_bytes, s->rest, now);
	put16(ip + 2, (uint16_t)(IP_BYTES + UDP_BYTES + now));
	put16(ip + 4, (uint16_t)((ip[4] << 8 | ip[5]) + s->number++));
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~add(0, ip, IP_BYTES));
	put16(udp + 4, (uint16_t)(UDP_BYTES + now));
	put16(udp + 6, 0);
	sum = add(add(add(0, ip + 12, 8), pseudo, sizeof(pseudo)), udp, UDP_BYTES + now);
	put16(udp + 6, (uint16_t)(sum == 0xffff ? sum : ~sum));
	*bytes = s->head_bytes + now;
	s->used += (*bytes + 7) & ~(size_t)7;
	s->rest += now;
	s->rest_bytes -= now;
	return out;
}

void emulator_split_forget(struct emulator_split *s)
{
	s->used = s->rest_bytes = 0;
}

void emulator_split_close(struct emulator_split *s)
{
	free(s->room);
	s->room = NULL;
}
