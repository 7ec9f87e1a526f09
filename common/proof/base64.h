// SPDX-License-Identifier: ISC
/*
 * Base64 of fixed-size things (keys, signatures), strictly: exactly the text that encoding
 * gives. Inside of proof/ alone. Secrets pass through: nothing is left behind on the stack.
 */
#ifndef BASE64_H
#define BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest thing is a signature with its head, 74 bytes. */
#define BASE64_BYTES_MAX 96u
#define BASE64_TEXT_MAX 132u /* characters and NUL for that */

/* Write LEN <= BASE64_BYTES_MAX bytes, NUL-terminated, into OUT of BASE64_TEXT_MAX; returns
 * the length. */
size_t base64_encode(char *out, const uint8_t *p, size_t len);

/* Read exactly N <= BASE64_BYTES_MAX bytes from the LEN characters of TEXT; false if they are
 * anything but what base64_encode() writes for them. */
bool base64_decode(uint8_t *out, size_t n, const char *text, size_t len);

#endif
