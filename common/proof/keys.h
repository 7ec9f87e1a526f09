// SPDX-License-Identifier: ISC
/*
 * Long-term keys as files and as text (docs/wire.md, "Key files").
 *
 * tx identity: Ed25519; its public file is a stock minisign .pub, so that `minisign -V -p`
 * takes it as it is. rx box key: X25519. Secret files are one line, mode 0600, in the plain or
 * under a passphrase. What a file says of its key beside the key: keys_facts.h.
 *
 * Fingerprint of any public key: the first 20 bytes of its SHA-256 as 8 groups of 4
 * Crockford base32 characters, joined by '-': fit for reading aloud (docs/crypto.md).
 *
 * Loading checks owner-only permissions of a secret file (KM_ERR via err with
 * what to do). On the way from a file a secret is in locked memory alone; where it stays is
 * the caller's. Secrets are wiped by keys_*_wipe().
 */
#ifndef KEYS_H
#define KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "keys_facts.h"
#include "keys_pass.h"
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

/* A pair of files to be made. */
struct keys_save {
	const char *secret, *public; /* paths */
	struct keys_facts facts;
	const struct keys_pass *pass; /* NULL: in the plain */
	uint32_t uid, gid;	      /* who gets them; 0: who calls */
};

/* Write to new files (O_EXCL: never over an existing key), fsync them and their folders. When
 * the second cannot be written, the first is removed. EX_CANTCREAT, EX_IOERR. */
int keys_sign_save(const struct keys_sign_secret *k, const struct keys_save *save,
		   struct km_err *err);
int keys_box_save(const struct keys_box_secret *k, const struct keys_save *save,
		  struct km_err *err);

/* A secret, into *k alone. PASS_FILE (NULL or "": none) is read when the key is under a
 * passphrase. FACTS may be NULL. EX_NOINPUT, EX_NOPERM (mode; wrong passphrase), EX_CONFIG (a
 * passphrase is needed), EX_DATAERR, EX_OSERR. */
int keys_sign_load(struct keys_sign_secret *k, struct keys_facts *facts, const char *path,
		   const char *pass_file, struct km_err *err);
int keys_box_load(struct keys_box_secret *k, struct keys_facts *facts, const char *path,
		  const char *pass_file, struct km_err *err);

/*
 * The same key in a new file at PATH that takes the old one's place in one step, with its owner
 * and mode 0600: under NOW, or in the plain (NULL). WAS (NULL: none) opens the old one. The new
 * file is read back before it counts. As loading, and EX_CANTCREAT, EX_IOERR.
 */
KM_MUST_CHECK int keys_sign_repass(const char *path, const struct keys_pass *was,
				   const struct keys_pass *now, struct km_err *err);
KM_MUST_CHECK int keys_box_repass(const char *path, const struct keys_pass *was,
				  const struct keys_pass *now, struct km_err *err);

/* What can be known of a secret file without its passphrase. */
struct keys_seen {
	struct keys_facts facts;
	bool locked; /* under a passphrase */
	uint32_t uid;
};
int keys_sign_peek(struct keys_sign_public *k, struct keys_seen *seen, const char *path,
		   struct km_err *err);
int keys_box_peek(struct keys_box_public *k, struct keys_seen *seen, const char *path,
		  struct km_err *err);

/* FACTS may be NULL. */
int keys_sign_public_load(struct keys_sign_public *k, struct keys_facts *facts,
			  const char *path, struct km_err *err);
int keys_box_public_load(struct keys_box_public *k, struct keys_facts *facts,
			 const char *path, struct km_err *err);
/* Parsers of the public texts, for fuzzing and for keys given inline (for minisign the base64
 * line alone will do). One LF at the end may be missing. FACTS may be NULL.
 * KM_ERR_MALFORMED; KM_ERR_AUTH: the fingerprint is not the key's; KM_ERR_RANGE: a low-order
 * point, no honest key is one. */
KM_MUST_CHECK enum km_rc keys_sign_public_parse(struct keys_sign_public *k,
						struct keys_facts *facts, const char *text,
						size_t len);
KM_MUST_CHECK enum km_rc keys_box_public_parse(struct keys_box_public *k,
					       struct keys_facts *facts, const char *text,
					       size_t len);

void keys_sign_wipe(struct keys_sign_secret *k);
void keys_box_wipe(struct keys_box_secret *k);

/* OUT has KEYS_FINGERPRINT_MAX bytes. */
void keys_fingerprint(char *out, const uint8_t pk[32]);

/* A fingerprint as somebody typed or heard it: case and hyphens do not matter, O reads as 0,
 * I and L as 1. KM_ERR_MALFORMED; else OUT has it as keys_fingerprint() writes it. */
KM_MUST_CHECK enum km_rc keys_fingerprint_read(char *out, const char *text);

/* For a page of counters: the fingerprint as three numbers, and back. */
#define KEYS_PRINT_WORDS 3u
void keys_fingerprint_words(uint64_t words[KEYS_PRINT_WORDS], const uint8_t pk[32]);
void keys_fingerprint_of_words(char *out, const uint64_t words[KEYS_PRINT_WORDS]);

#endif
