// SPDX-License-Identifier: ISC
/*
 * A secret under a passphrase: Argon2id makes a key of it, ChaCha20-Poly1305 (RFC 8439)
 * seals. Each seal has a salt and so a key of its own: the nonce is zero. What is said beside
 * the secret (public key, dates, environment) is associated data: changing it is as a wrong
 * passphrase. Inside of proof/ alone. Set-up time: opening costs 64 MiB and some 0.2 s.
 *
 * Bytes: salt (16), passes (4), KiB (4), sealed secret, tag (16).
 */
#ifndef KEYS_LOCK_H
#define KEYS_LOCK_H

#include <stddef.h>
#include <stdint.h>

#include "keys_pass.h"
#include "km_err.h"

#define KEYS_LOCK_EXTRA 40u
/* RFC 9106 section 4, the second recommended choice, in one lane as libsodium has it. */
#define KEYS_LOCK_PASSES 3u
#define KEYS_LOCK_KIB (64u << 10)
/* What a foreign file may make us spend. */
#define KEYS_LOCK_PASSES_MAX 16u
#define KEYS_LOCK_KIB_MAX (1024u << 10)

/* OUT has LEN + KEYS_LOCK_EXTRA bytes. KM_ERR_NOMEM. */
KM_MUST_CHECK enum km_rc keys_lock_seal(uint8_t *out, const uint8_t *secret, size_t len,
					const char *beside, const struct keys_pass *pass);

/* LEN: of the secret. KM_ERR_AUTH: another passphrase, or altered; KM_ERR_RANGE: a cost that
 * we do not pay; KM_ERR_NOMEM. */
KM_MUST_CHECK enum km_rc keys_lock_open(uint8_t *secret, const uint8_t *locked, size_t len,
					const char *beside, const struct keys_pass *pass);

#endif
