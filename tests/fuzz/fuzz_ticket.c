// SPDX-License-Identifier: ISC
/*
 * A ticket as typed. The input is taken twice: as text, and as bytes that get a right CRC,
 * because no fuzzer guesses one.
 */
#include <string.h>

#include "base32.h"
#include "fuzz_target.h"
#include "ticket.h"

static void as_text(const char *text, size_t len)
{
	char again[TICKET_TEXT_MAX];
	struct ticket t, u;

	if (ticket_decode(&t, text, len) != KM_OK)
		return;
	FUZZ_ASSERT(t.items >= 1 && t.items <= TICKET_ITEMS_MAX);
	FUZZ_ASSERT(ticket_encode(again, &t) == KM_OK);
	FUZZ_ASSERT(ticket_decode(&u, again, strlen(again)) == KM_OK);
	FUZZ_ASSERT(t.kind == u.kind && t.channel == u.channel && t.chain == u.chain &&
		    t.object == u.object && t.items == u.items);
	FUZZ_ASSERT(memcmp(t.item, u.item, t.items * sizeof(t.item[0])) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bytes[TICKET_BYTES_MAX];
	char text[TICKET_TEXT_MAX];
	uint32_t crc = UINT32_MAX;

	as_text((const char *)data, size);
	if (size > sizeof(bytes) - 4)
		return 0;
	memcpy(bytes, data, size);
	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
	}
	for (size_t i = 0; i < 4; i++)
		bytes[size + i] = (uint8_t)(~crc >> (24 - 8 * i));
	base32_encode(text, bytes, size + 4, 0);
	as_text(text, strlen(text));
	return 0;
}
