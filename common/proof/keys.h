// SPDX-License-Identifier: ISC
/*
 * Long-term keys as files and as text.
 *
 * tx identity: Ed25519. Secret file (0600): one line "KMTX-SECRET-1 " and the
 * base64 of { key number 8, seed 32 }. Public file: a stock minisign .pub (two lines, base64 of
 * "Ed", key number, public key), so that `minisign -V -p` takes it as it is.
 * rx box key: X25519. Secret file (0600): "KMRX-SECRET-1 " base64(32). Public: one line
 * "KMRX-PUBLIC-1 " base64(32) " " fingerprint.
 * Fingerprint of any public key: the first 20 bytes of its SHA-256 as 8 groups of 4
 * Crockford base32 characters, joined by '-': fit for reading aloud.
 *
 * Loading checks owner-only permissions of a secret file (KM_ERR via err with
 * what to do). Secrets are wiped by keys_*_wipe().
 */
#ifndef KEYS_H
#define KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "km_err.h"

#define KEYS_FINGERPRINT_MAX 48u

struct keys_sign_public {
	uint8_t key_number[8]; /* minisign's key id */
	uint8_t pk[32];
};
struct keys_sign_secret {
	struct keys_sign_public pub;
	uint8_t sk[64]; /* libsodium's form */
};
struct keys_box_public {
	uint8_t pk[32];
	uint8_t id[8]; /* first 8 bytes of SHA-256(pk) */
};
struct keys_box_secret {
	struct keys_box_public pub;
	uint8_t sk[32];
};

/* Once per process, before its cage closes and before anything else of proof/: sodium_init,
 * and the two algorithms of libcrypto (which then needs no file any more; openssl.cnf is
 * never read). EX_OSERR. */
int keys_init(struct km_err *err);

void keys_sign_generate(struct keys_sign_secret *k);
void keys_box_generate(struct keys_box_secret *k);
/* From given seeds, for test vectors. */
void keys_sign_from_seed(struct keys_sign_secret *k, const uint8_t key_number[8],
			 const uint8_t seed[32]);
void keys_box_from_secret(struct keys_box_secret *k, const uint8_t sk[32]);

/* Write to new files (O_EXCL: never over an existing key), fsync them and their folders. When
 * the second cannot be written, the first is removed. EX_CANTCREAT, EX_IOERR. */
int keys_sign_save(const struct keys_sign_secret *k, const char *secret_path,
		   const char *public_path, struct km_err *err);
int keys_box_save(const struct keys_box_secret *k, const char *secret_path,
		  const char *public_path, struct km_err *err);
int keys_sign_load(struct keys_sign_secret *k, const char *path, struct km_err *err);
int keys_box_load(struct keys_box_secret *k, const char *path, struct km_err *err);
int keys_sign_public_load(struct keys_sign_public *k, const char *path, struct km_err *err);
int keys_box_public_load(struct keys_box_public *k, const char *path, struct km_err *err);
/* Parsers of the public texts, for fuzzing and for keys given inline (for minisign the base64
 * line alone will do). One LF at the end may be missing. KM_ERR_MALFORMED; KM_ERR_AUTH: the
 * fingerprint is not the key's; KM_ERR_RANGE: a low-order point, no honest key is one. */
KM_MUST_CHECK enum km_rc keys_sign_public_parse(struct keys_sign_public *k,
						const char *text, size_t len);
KM_MUST_CHECK enum km_rc keys_box_public_parse(struct keys_box_public *k, const char *text,
					       size_t len);

void keys_sign_wipe(struct keys_sign_secret *k);
void keys_box_wipe(struct keys_box_secret *k);

/* OUT has KEYS_FINGERPRINT_MAX bytes. */
void keys_fingerprint(char *out, const uint8_t pk[32]);

#endif
