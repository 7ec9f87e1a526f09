// SPDX-License-Identifier: ISC
/*
 * Safe names. A path is bytes, relative, '/'-separated: components of 1..255
 * bytes, the whole at most 1,024; no component "." or ".."; no byte 0x00..0x1F
 * or 0x7F; no leading or trailing slash, no double slash. Everything else that
 * Linux allows, Shift_JIS trail bytes included, passes unchanged. A first
 * component of ".katamichi" is ours and refused.
 */
#ifndef NAME_H
#define NAME_H

#include <stddef.h>
#include <stdint.h>

#include "km_err.h"

enum name_fault {
	NAME_OK = 0,
	NAME_EMPTY,
	NAME_TOO_LONG,
	NAME_COMPONENT_TOO_LONG,
	NAME_CONTROL, /* a control character */
	NAME_DOT,     /* "." or ".." */
	NAME_ABSOLUTE,
	NAME_SLASHES, /* empty component or trailing slash */
	NAME_RESERVED,
};

enum name_fault name_check(const uint8_t *path, size_t len);
const char *
name_fault_text(enum name_fault fault); /* for people: "contains a control character" */

/* coreutils' bytewise escaping of a file name in a checksum line: backslash,
 * newline and carriage return; *ESCAPED tells whether the line needs the leading backslash.
 * (Control characters never get this far; the functions are complete all the
 * same.) OUT needs 2 * LEN + 1 bytes; returns the length. */
size_t name_escape(char *out, const uint8_t *path, size_t len, int *escaped);
KM_MUST_CHECK enum km_rc name_unescape(uint8_t *out, size_t *out_len, const char *text,
				       size_t len, int escaped);

/* Bytewise order of paths, as sort(1) in the C locale. */
int name_compare(const uint8_t *a, size_t alen, const uint8_t *b, size_t blen);

#endif
