// SPDX-License-Identifier: ISC
#include "carrier.h"

#include <string.h>

#include "cursor.h"

#define IPV4_VERSION_IHL 0x45u /* version 4, five words: no options */
#define IPV4_DONT_FRAGMENT 0x4000u
#define IPV4_FRAGMENT 0x3fffu /* more fragments, or an offset */
#define IPV4_TTL 64u
#define IPV4_UDP 17u

/* RFC 1071: the sum of 16-bit words, kept in 64 bits and folded at the end. */
static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The sum of the words as they lie in memory; its byte order is that of the machine. The
 * loop adds 32 bits at a time into 64, which compilers turn into vectors. */
static uint64_t sum_bytes(const uint8_t *p, size_t len)
{
	uint64_t sum = 0;
	uint32_t word;
	uint16_t half;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	if (len >= sizeof(half)) {
		memcpy(&half, p, sizeof(half));
		sum += half;
		p += sizeof(half);
		len -= sizeof(half);
	}
	if (len) {
		uint8_t last[2] = {*p, 0};

		memcpy(&half, last, sizeof(half));
		sum += half;
	}
	return sum;
}

/* The folded sum as a number of the wire. */
static uint16_t sum_of(const uint8_t *p, size_t len)
{
	uint16_t folded = fold(sum_bytes(p, len));
	uint8_t bytes[2];

	memcpy(bytes, &folded, sizeof(folded));
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

void carrier_udp_write(uint8_t *out, const struct carrier_udp *path, size_t len,
		       uint16_t checksum)
{
	uint8_t head[WIRE_CARRIER_UDP];
	struct wr wr;
	uint16_t sum;

	wr_init(&wr, head, sizeof(head));
	wr_u8(&wr, IPV4_VERSION_IHL);
	wr_u8(&wr, 0); /* DSCP 0 */
	wr_u16(&wr, (uint16_t)(WIRE_CARRIER_UDP + len));
	/* RFC 6864: with DF set the identification means nothing */
	wr_u16(&wr, 0);
	wr_u16(&wr, IPV4_DONT_FRAGMENT);
	wr_u8(&wr, IPV4_TTL);
	wr_u8(&wr, IPV4_UDP);
	wr_u16(&wr, 0);
	wr_bytes(&wr, path->from.ip, 4);
	wr_bytes(&wr, path->to.ip, 4);
	sum = (uint16_t)~sum_of(head, WIRE_IPV4_LEN);
	head[10] = (uint8_t)(sum >> 8);
	head[11] = (uint8_t)sum;
	wr_u16(&wr, path->from.port);
	wr_u16(&wr, path->to.port);
	wr_u16(&wr, (uint16_t)(WIRE_UDP_LEN + len));
	wr_u16(&wr, checksum);
	memcpy(out, head, sizeof(head));
}

uint16_t carrier_udp_partial(const struct carrier_udp *path, size_t len)
{
	uint64_t sum = sum_of(path->from.ip, 4);

	return fold(sum + sum_of(path->to.ip, 4) + IPV4_UDP + WIRE_UDP_LEN + len);
}

uint16_t carrier_udp_checksum(const struct carrier_udp *path, const uint8_t *p, size_t len)
{
	uint64_t sum = carrier_udp_partial(path, len);

	sum += path->from.port + (uint64_t)path->to.port + WIRE_UDP_LEN + len;
	sum = fold(sum + sum_of(p, len));
	/* 0 would say that there is none */
	return sum == 0xffff ? 0xffff : (uint16_t)~sum;
}

enum carrier_verdict carrier_udp_read(const struct carrier_udp *path, const uint8_t *p,
				      size_t len, const uint8_t **payload,
				      size_t *payload_len)
{
	const uint8_t *from, *to;
	uint16_t total, fragment, from_port, to_port, udp;
	uint8_t first, protocol;
	struct rd rd;

	rd_init(&rd, p, len);
	first = rd_u8(&rd);
	rd_skip(&rd, 1); /* DSCP */
	total = rd_u16(&rd);
	rd_skip(&rd, 2); /* identification */
	fragment = rd_u16(&rd) & IPV4_FRAGMENT;
	rd_skip(&rd, 1); /* TTL */
	protocol = rd_u8(&rd);
	rd_skip(&rd, 2); /* checksum: see below */
	from = rd_bytes(&rd, 4);
	to = rd_bytes(&rd, 4);
	if (rd.bad || first >> 4 != 4 || protocol != IPV4_UDP ||
	    memcmp(to, path->to.ip, 4) != 0 ||
	    (path->from.port != 0 && memcmp(from, path->from.ip, 4) != 0))
		return CARRIER_FOREIGN;
	/* Options and fragments: where the ports stand, or that they do, is not known. */
	if (first != IPV4_VERSION_IHL || fragment != 0)
		return CARRIER_BAD;
	from_port = rd_u16(&rd);
	to_port = rd_u16(&rd);
	udp = rd_u16(&rd);
	rd_skip(&rd, 2); /* checksum */
	if (rd.bad)
		return CARRIER_BAD;
	if (to_port != path->to.port ||
	    (path->from.port != 0 && from_port != path->from.port))
		return CARRIER_FOREIGN;
	if (sum_of(p, WIRE_IPV4_LEN) != 0xffff || total < WIRE_CARRIER_UDP || total > len ||
	    udp != total - WIRE_IPV4_LEN)
		return CARRIER_BAD;
	*payload_len = total - WIRE_CARRIER_UDP;
	*payload = p + WIRE_CARRIER_UDP;
	return CARRIER_OURS;
}

enum km_rc carrier_next(struct carrier_walk *walk, struct frame_header *header,
			const uint8_t **frame, size_t *frame_len)
{
	const bool first = walk->piece == 0;
	size_t piece = first || walk->left < walk->piece ? walk->left : walk->piece;
	enum km_rc rc = frame_header_decode(header, walk->p, piece);

	if (rc == KM_OK) {
		*frame = walk->p;
		*frame_len = frame_bytes(header);
		if (first)
			walk->piece = piece = *frame_len;
	}
	walk->p += piece;
	walk->left = walk->many ? walk->left - piece : 0;
	return rc;
}
