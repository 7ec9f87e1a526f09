// SPDX-License-Identifier: ISC
/*
 * Pieces of manifest text, shared by the writer and by the parser, which asks for the very
 * same bytes again and compares: that makes the form canonical by construction. Inside of
 * proof/ alone: others use manifest.h. Pure; no allocation.
 */
#ifndef MANIFEST_TEXT_H
#define MANIFEST_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "manifest.h"

/* Upper bounds in bytes, texts at their longest: 14 lines; two lines with an escaped path. */
#define MANIFEST_HEAD_BYTES 2048u
#define MANIFEST_ENTRY_FIXED 160u
#define MANIFEST_ENTRY_BYTES (MANIFEST_ENTRY_FIXED + 2u * WIRE_PATH_MAX)

/* Whether every field is what its line may say. */
bool manifest_text_head_ok(const struct manifest_head *head);
bool manifest_text_entry_ok(const struct manifest_entry *entry);

/* Head lines into OUT of MANIFEST_HEAD_BYTES, lines of an entry into OUT of
 * MANIFEST_ENTRY_BYTES; both must have passed the judge above. Return the length. */
size_t manifest_text_head(char *out, const struct manifest_head *head);
size_t manifest_text_entry(char *out, const struct manifest_entry *entry);

/* "changed", "gone"; NULL for any other reason. */
const char *manifest_text_reason(uint8_t reason);

#endif
