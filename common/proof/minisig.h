// SPDX-License-Identifier: ISC
/*
 * Signatures in minisign's prehashed format ("ED": Ed25519 over the
 * BLAKE2b-512 of the file), with a trusted comment covered by the second, global
 * signature. What this writes, Debian's `minisign -V` accepts; what stock
 * minisign -S writes, this accepts.
 */
#ifndef MINISIG_H
#define MINISIG_H

#include <stddef.h>
#include <stdint.h>

#include "keys.h"
#include "km_err.h"

#define MINISIG_COMMENT_MAX 200u /* trusted comment, bytes, no control characters but TAB */
#define MINISIG_FILE_MAX 1024u	 /* the whole four-line file */
#define MINISIG_HASH_LEN 64u

/* BLAKE2b-512 of the text. */
void minisig_hash(uint8_t out[MINISIG_HASH_LEN], const void *text, size_t len);

/* Raw signing step, the signer's: SIG over HASH, GLOBAL over SIG and COMMENT. */
void minisig_sign(uint8_t sig[64], uint8_t global[64], const uint8_t hash[MINISIG_HASH_LEN],
		  const char *comment, size_t comment_len,
		  const struct keys_sign_secret *key);

/* Compose the file text. OUT has MINISIG_FILE_MAX bytes; returns its length. */
size_t minisig_compose(char *out, const uint8_t key_number[8], const uint8_t sig[64],
		       const uint8_t global[64], const char *comment, size_t comment_len);

/* Check signature file SIGTEXT over TEXT against any of the TRUSTED keys.
 * KM_ERR_MALFORMED, KM_ERR_NOTFOUND (key number unknown), KM_ERR_AUTH. On KM_OK
 * *KEY_INDEX tells which key, COMMENT (MINISIG_COMMENT_MAX + 1 bytes) holds the
 * trusted comment. */
KM_MUST_CHECK enum km_rc minisig_verify(const void *text, size_t len, const char *sigtext,
					size_t siglen,
					const struct keys_sign_public *trusted,
					unsigned trusted_count, unsigned *key_index,
					char *comment);

#endif
