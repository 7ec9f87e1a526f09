// SPDX-License-Identifier: ISC
#include "keys_lock.h"

#include <sodium.h>
#include <string.h>

#include "cursor.h"

#define SALT_LEN 16u

_Static_assert(crypto_pwhash_SALTBYTES == SALT_LEN, "the salt of Argon2id");
_Static_assert(SALT_LEN + 8 + crypto_aead_chacha20poly1305_ietf_ABYTES == KEYS_LOCK_EXTRA,
	       "salt, cost and tag");

static const uint8_t no_nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

/* A key in locked memory (sodium_free), or NULL. */
static uint8_t *make_key(const struct keys_pass *pass, const uint8_t *salt, uint32_t passes,
			 uint32_t kib)
{
	uint8_t *key = sodium_malloc(crypto_aead_chacha20poly1305_ietf_KEYBYTES);

	if (key && crypto_pwhash(key, crypto_aead_chacha20poly1305_ietf_KEYBYTES,
				 pass->text, pass->len, salt, passes, (size_t)kib << 10,
				 crypto_pwhash_ALG_ARGON2ID13) != 0) {
		sodium_free(key);
		key = NULL;
	}
	return key;
}

enum km_rc keys_lock_seal(uint8_t *out, const uint8_t *secret, size_t len,
			  const char *beside, const struct keys_pass *pass)
{
	uint8_t *key;
	struct wr wr;

	randombytes_buf(out, SALT_LEN);
	wr_init(&wr, out + SALT_LEN, 8);
	wr_u32(&wr, KEYS_LOCK_PASSES);
	wr_u32(&wr, KEYS_LOCK_KIB);
	key = make_key(pass, out, KEYS_LOCK_PASSES, KEYS_LOCK_KIB);
	if (!key)
		return KM_ERR_NOMEM;
	crypto_aead_chacha20poly1305_ietf_encrypt(out + SALT_LEN + 8, NULL, secret, len,
						  (const uint8_t *)beside, strlen(beside),
						  NULL, no_nonce, key);
	sodium_free(key);
	return KM_OK;
}

enum km_rc keys_lock_open(uint8_t *secret, const uint8_t *locked, size_t len,
			  const char *beside, const struct keys_pass *pass)
{
	const uint8_t *salt, *sealed;
	uint32_t passes, kib;
	struct rd rd;
	uint8_t *key;
	int rc;

	rd_init(&rd, locked, len + KEYS_LOCK_EXTRA);
	salt = rd_bytes(&rd, SALT_LEN);
	passes = rd_u32(&rd);
	kib = rd_u32(&rd);
	sealed = rd_bytes(&rd, rd_left(&rd));
	if (passes < 1 || passes > KEYS_LOCK_PASSES_MAX || kib < 8 ||
	    kib > KEYS_LOCK_KIB_MAX)
		return KM_ERR_RANGE;
	key = make_key(pass, salt, passes, kib);
	if (!key)
		return KM_ERR_NOMEM;
	rc = crypto_aead_chacha20poly1305_ietf_decrypt(
		secret, NULL, NULL, sealed, len + crypto_aead_chacha20poly1305_ietf_ABYTES,
		(const uint8_t *)beside, strlen(beside), no_nonce, key);
	sodium_free(key);
	return rc == 0 ? KM_OK : KM_ERR_AUTH;
}
