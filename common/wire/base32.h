// SPDX-License-Identifier: ISC
/*
 * Crockford's base32, for what people read aloud, type or copy by hand: tickets and key
 * fingerprints. Most significant bit first; the last character is filled with zero bits.
 * Not RFC 4648 (another alphabet, no padding characters). Any thread; no allocation.
 */
#ifndef BASE32_H
#define BASE32_H

#include <stddef.h>
#include <stdint.h>

#include "km_err.h"

/* Characters for N bytes, without hyphens. */
#define BASE32_CHARS(n) (((n)*8u + 4u) / 5u)

/*
 * Write LEN bytes in groups of GROUP characters joined by '-' (0: no hyphens) into OUT,
 * NUL-terminated: BASE32_CHARS(LEN) characters and their hyphens must fit. Returns the
 * length of the text.
 */
size_t base32_encode(char *out, const uint8_t *p, size_t len, size_t group);

/*
 * Read LEN characters into at most CAP bytes of OUT; *OUT_LEN is set. Hyphens and case do
 * not matter, O reads as 0, I and L as 1. KM_ERR_LIMIT: more than CAP bytes.
 * KM_ERR_MALFORMED: another character, a count of characters that no encoder writes, or
 * set bits in the filling.
 */
KM_MUST_CHECK enum km_rc base32_decode(uint8_t *out, size_t cap, size_t *out_len,
				       const char *text, size_t len);

/* The 32 characters, in the order of their values. */
extern const char base32_alphabet[33];

#endif
