// SPDX-License-Identifier: ISC
/*
 * Texts of key files, both ways, in memory only. Inside of proof/ (and its fuzz target)
 * alone: others use keys.h. No files, no permissions, no passphrase. Texts of secret keys are
 * wiped by who made them.
 */
#ifndef KEYS_TEXT_H
#define KEYS_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "keys.h"
#include "keys_lock.h"

/* Room for any key text with its NUL; a public key's comment line may be long. */
#define KEYS_TEXT_MAX 1024u

enum keys_kind { KEYS_SIGN, KEYS_BOX };

/* Of a secret, before and after what stands for it in public: key number and seed or key;
 * the X25519 secret or public key. */
#define KEYS_BLOB_MAX 40u
size_t keys_text_blob_len(enum keys_kind kind);

/* What a secret file holds, not opened yet. */
struct keys_text_secret {
	struct keys_facts facts;
	bool locked;
	uint8_t public[KEYS_BLOB_MAX];		       /* locked */
	uint8_t blob[KEYS_BLOB_MAX + KEYS_LOCK_EXTRA]; /* the secret, or what is sealed */
	char beside[KEYS_TEXT_MAX];		       /* locked: the associated data */
};

/* First 8 bytes of SHA-256(PK). */
void keys_text_box_id(uint8_t id[8], const uint8_t pk[32]);

/* OUT has KEYS_TEXT_MAX bytes; each returns the length. */
size_t keys_text_secret(char *out, enum keys_kind kind, const uint8_t *blob,
			const struct keys_facts *facts);
size_t keys_text_sign_public(char *out, const struct keys_sign_public *k,
			     const struct keys_facts *facts);
size_t keys_text_box_public(char *out, const struct keys_box_public *k,
			    const struct keys_facts *facts);

/* Under a passphrase: first what stands beside the sealed bytes, then the line of both. */
void keys_text_beside(char *out, enum keys_kind kind, const uint8_t *public,
		      const struct keys_facts *facts);
size_t keys_text_locked(char *out, enum keys_kind kind, const uint8_t *public,
			const uint8_t *sealed, const struct keys_facts *facts);

/* KM_ERR_MALFORMED. The parsers of public texts are in keys.h. */
KM_MUST_CHECK enum km_rc keys_text_parse_secret(struct keys_text_secret *s,
						enum keys_kind kind, const char *text,
						size_t len);

#endif
