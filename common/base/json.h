// SPDX-License-Identifier: ISC
/*
 * json.h: bytes of any origin as a JSON string, into a bounded buffer. What is not valid UTF-8
 * has no JSON string (json_is_text()) and is written as base64.
 *
 * Characters that must not reach a terminal (utf8.h) are escaped: the value is the same, and a
 * line of JSON on a screen does no harm. Not a document builder: braces and commas are the
 * caller's. A buffer that is full sets `bad` (cursor.h). Pure, any thread.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cursor.h"

/* Bytes of output for N bytes of input, at most: each may become \u001b. Two quotes. */
#define JSON_STRING_MAX(n) (6 * (size_t)(n) + 2)

/* Valid UTF-8 from first to last byte, so that json_string() gives it whole. */
bool json_is_text(const void *bytes, size_t n);

/* Quoted. What is not UTF-8 becomes U+FFFD, byte by byte: ask json_is_text() before. */
void json_string(struct wr *wr, const void *bytes, size_t n);

/* Quoted, RFC 4648 with padding. */
void json_base64(struct wr *wr, const void *bytes, size_t n);

/* As printf. */
void json_print(struct wr *wr, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
