// SPDX-License-Identifier: ISC
#include "base32.h"

#include <string.h>

const char base32_alphabet[33] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

size_t base32_encode(char *out, const uint8_t *p, size_t len, size_t group)
{
	size_t chars = BASE32_CHARS(len), used = 0;

	for (size_t i = 0; i < chars; i++) {
		size_t bit = i * 5, at = bit / 8, shift = bit % 8;
		unsigned two = (unsigned)p[at] << 8 | (at + 1 < len ? p[at + 1] : 0u);

		if (group && i && i % group == 0)
			out[used++] = '-';
		out[used++] = base32_alphabet[two >> (11 - shift) & 31];
	}
	out[used] = '\0';
	return used;
}

/* Value of a character, or -1. */
static int value_of(char c)
{
	const char *at;

	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	if (c == 'O')
		return 0;
	if (c == 'I' || c == 'L')
		return 1;
	if (c == '\0')
		return -1; /* strchr would find the terminator */
	at = strchr(base32_alphabet, c);
	return at ? (int)(at - base32_alphabet) : -1;
}

enum km_rc base32_decode(uint8_t *out, size_t cap, size_t *out_len, const char *text,
			 size_t len)
{
	unsigned held = 0, bits = 0;
	size_t used = 0;

	*out_len = 0;
	for (size_t i = 0; i < len; i++) {
		int v;

		if (text[i] == '-')
			continue;
		v = value_of(text[i]);
		if (v < 0)
			return KM_ERR_MALFORMED;
		held = held << 5 | (unsigned)v;
		bits += 5;
		if (bits < 8)
			continue;
		if (used == cap)
			return KM_ERR_LIMIT;
		bits -= 8;
		out[used++] = (uint8_t)(held >> bits);
		held &= (1u << bits) - 1;
	}
	/* Five spare bits would be a character that stands for nothing. */
	if (bits >= 5 || held)
		return KM_ERR_MALFORMED;
	*out_len = used;
	return KM_OK;
}
