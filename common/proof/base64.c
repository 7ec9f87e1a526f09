// SPDX-License-Identifier: ISC
#include "base64.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define VARIANT sodium_base64_VARIANT_ORIGINAL

size_t base64_encode(char *out, const uint8_t *p, size_t len)
{
	if (len > BASE64_BYTES_MAX)
		abort(); /* a caller's bug */
	sodium_bin2base64(out, BASE64_TEXT_MAX, p, len, VARIANT);
	return strlen(out);
}

/* libsodium 1.0.18 takes some bytes above 0x7F for letters: writing again tells. */
bool base64_decode(uint8_t *out, size_t n, const char *text, size_t len)
{
	char again[BASE64_TEXT_MAX];
	size_t got;
	bool ok;

	if (len >= BASE64_TEXT_MAX || n > BASE64_BYTES_MAX)
		return false;
	if (sodium_base642bin(out, n, text, len, NULL, &got, NULL, VARIANT) != 0 ||
	    got != n)
		return false;
	ok = base64_encode(again, out, n) == len && sodium_memcmp(again, text, len) == 0;
	sodium_memzero(again, sizeof(again));
	return ok;
}
