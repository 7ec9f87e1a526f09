// SPDX-License-Identifier: ISC
/*
 * Texts of key files, both ways, in memory only. Inside of proof/ alone: others use keys.h.
 * No files, no permissions. Texts of secret keys are wiped by who made them.
 */
#ifndef KEYS_TEXT_H
#define KEYS_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "keys.h"

/* Room for any key text with its NUL; a public key's comment line may be long. */
#define KEYS_TEXT_MAX 1024u

/* First 8 bytes of SHA-256(PK). */
void keys_text_box_id(uint8_t id[8], const uint8_t pk[32]);

/* OUT has KEYS_TEXT_MAX bytes; each returns the length. */
size_t keys_text_sign_secret(char *out, const struct keys_sign_secret *k);
size_t keys_text_sign_public(char *out, const struct keys_sign_public *k);
size_t keys_text_box_secret(char *out, const struct keys_box_secret *k);
size_t keys_text_box_public(char *out, const struct keys_box_public *k);

/* KM_ERR_MALFORMED. The parsers of public texts are in keys.h. */
KM_MUST_CHECK enum km_rc keys_text_parse_sign_secret(struct keys_sign_secret *k,
						     const char *text, size_t len);
KM_MUST_CHECK enum km_rc keys_text_parse_box_secret(struct keys_box_secret *k,
						    const char *text, size_t len);

#endif
