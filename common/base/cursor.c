// SPDX-License-Identifier: ISC
#include "cursor.h"

uint64_t rd_varint(struct rd *r)
{
	size_t start = r->used;
	uint64_t v = 0;

	for (unsigned int i = 0; i < CURSOR_VARINT_MAX; i++) {
		uint8_t byte = rd_u8(r);

		if (r->bad)
			break;
		/* the tenth byte holds bit 63 alone, and no more may follow */
		if (i == CURSOR_VARINT_MAX - 1 && byte > 1)
			break;
		v |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte & 0x80)
			continue;
		if (byte == 0 && i > 0)
			break; /* a shorter encoding of the same value exists */
		return v;
	}
	r->used = start;
	r->bad = true;
	return 0;
}

size_t wr_varint_size(uint64_t v)
{
	size_t n = 1;

	while (v >>= 7)
		n++;
	return n;
}

void wr_varint(struct wr *w, uint64_t v)
{
	size_t n = wr_varint_size(v);
	uint8_t *at = wr_space(w, n);

	if (!at)
		return;
	for (size_t i = 0; i < n; i++, v >>= 7)
		at[i] = (uint8_t)((v & 0x7f) | (i + 1 < n ? 0x80 : 0));
}
