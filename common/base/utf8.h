// SPDX-License-Identifier: ISC
/*
 * utf8.h: one strict step of UTF-8, for quoting and for judging configuration text.
 *
 * Not a text library. Pure, any thread.
 */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Bytes (1..4) of the valid character at p[0..n), its number in *code (may be NULL); 0 when
 * n is 0 or the bytes are no valid character: overlong, surrogate, above U+10FFFF, cut.
 */
size_t utf8_decode(const uint8_t *p, size_t n, uint32_t *code);

/*
 * True for characters that must not reach a terminal or a log as they are: C0, DEL, C1,
 * line and paragraph separators, bidirectional controls, byte order mark.
 */
bool utf8_is_control(uint32_t code);

#endif
