// SPDX-License-Identifier: ISC
#include "seal.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define NONCE_LEN 12u
#define HASH_LEN crypto_auth_hmacsha256_BYTES

/* One context per direction, so that neither ever changes its mind about it. */
struct seal {
	EVP_CIPHER_CTX *encrypt;
	EVP_CIPHER_CTX *decrypt;
};

static EVP_CIPHER *aes_gcm;
static pthread_once_t aes_gcm_once = PTHREAD_ONCE_INIT;

static void fetch_aes_gcm(void)
{
	aes_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
}

/* ---- keys --------------------------------------------------------------------------------- */

static void hmac(uint8_t out[HASH_LEN], const uint8_t *key, size_t key_len,
		 const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len,
		 const uint8_t *c, size_t c_len)
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key, key_len);
	crypto_auth_hmacsha256_update(&state, a, a_len);
	crypto_auth_hmacsha256_update(&state, b, b_len);
	crypto_auth_hmacsha256_update(&state, c, c_len);
	crypto_auth_hmacsha256_final(&state, out);
	sodium_memzero(&state, sizeof(state));
}

void seal_hkdf(uint8_t *out, size_t len, const uint8_t *salt, size_t salt_len,
	       const uint8_t *ikm, size_t ikm_len, const uint8_t *info, size_t info_len)
{
	static const uint8_t none[1];
	uint8_t prk[HASH_LEN], block[HASH_LEN];
	size_t have = 0, done = 0;
	uint8_t count = 0;

	if (len > 255 * HASH_LEN)
		abort(); /* RFC 5869 section 2.3: there is no more; a caller's bug */
	/* No salt means zeros of the hash's length, which HMAC makes of an empty key. */
	hmac(prk, salt_len ? salt : none, salt_len, ikm_len ? ikm : none, ikm_len, none, 0,
	     none, 0);
	while (done < len) {
		size_t now = len - done < HASH_LEN ? len - done : HASH_LEN;

		count++;
		hmac(block, prk, sizeof(prk), block, have, info_len ? info : none, info_len,
		     &count, 1);
		memcpy(out + done, block, now);
		have = HASH_LEN;
		done += now;
	}
	sodium_memzero(prk, sizeof(prk));
	sodium_memzero(block, sizeof(block));
}

void seal_lane_key(uint8_t key[SEAL_KEY_LEN], const uint8_t secret[SEAL_SECRET_LEN],
		   const uint8_t transcript[SEAL_TRANSCRIPT_LEN], uint16_t lane)
{
	static const char domain[] = "katamichi lane v1"; /* the NUL belongs to it */
	uint8_t info[sizeof(domain) + 2];

	memcpy(info, domain, sizeof(domain));
	info[sizeof(domain)] = (uint8_t)(lane >> 8);
	info[sizeof(domain) + 1] = (uint8_t)lane;
	seal_hkdf(key, SEAL_KEY_LEN, transcript, SEAL_TRANSCRIPT_LEN, secret,
		  SEAL_SECRET_LEN, info, sizeof(info));
}

enum km_rc seal_prepare(void)
{
	pthread_once(&aes_gcm_once, fetch_aes_gcm);
	return aes_gcm ? KM_OK : KM_ERR_UNSUPPORTED;
}

/* ---- contexts ----------------------------------------------------------------------------- */

static EVP_CIPHER_CTX *context_new(const uint8_t key[SEAL_KEY_LEN], int encrypt)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (!ctx)
		return NULL;
	if (EVP_CipherInit_ex(ctx, aes_gcm, NULL, key, NULL, encrypt) != 1) {
		EVP_CIPHER_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

struct seal *seal_new(const uint8_t key[SEAL_KEY_LEN])
{
	struct seal *s;

	if (seal_prepare() != KM_OK)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->encrypt = context_new(key, 1);
	s->decrypt = context_new(key, 0);
	if (!s->encrypt || !s->decrypt) {
		seal_free(s);
		return NULL;
	}
	return s;
}

void seal_free(struct seal *s)
{
	if (!s)
		return;
	EVP_CIPHER_CTX_free(s->encrypt); /* cleanses the key schedule */
	EVP_CIPHER_CTX_free(s->decrypt);
	free(s);
}

static void nonce_of(uint8_t nonce[NONCE_LEN], uint64_t seq)
{
	memset(nonce, 0, NONCE_LEN);
	for (size_t i = 0; i < 8; i++)
		nonce[NONCE_LEN - 1 - i] = (uint8_t)(seq >> 8 * i);
}

/* AAD may be empty, LEN may be 0; LEN <= WIRE_SYMBOL_MAX fits an int. */
static enum km_rc encrypt(EVP_CIPHER_CTX *ctx, const uint8_t nonce[NONCE_LEN],
			  const uint8_t *aad, size_t aad_len, const uint8_t *plain,
			  size_t len, uint8_t *out)
{
	int n = 0;

	if (EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, nonce) != 1)
		return KM_ERR_SYS;
	if (aad_len && EVP_EncryptUpdate(ctx, NULL, &n, aad, (int)aad_len) != 1)
		return KM_ERR_SYS;
	if (len && (EVP_EncryptUpdate(ctx, out, &n, plain, (int)len) != 1 || n != (int)len))
		return KM_ERR_SYS;
	if (EVP_EncryptFinal_ex(ctx, out + len, &n) != 1)
		return KM_ERR_SYS;
	if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, WIRE_TAG_LEN, out + len) != 1)
		return KM_ERR_SYS;
	return KM_OK;
}

static enum km_rc decrypt(EVP_CIPHER_CTX *ctx, const uint8_t nonce[NONCE_LEN],
			  const uint8_t *aad, size_t aad_len, const uint8_t *sealed,
			  size_t len, uint8_t *out)
{
	uint8_t tag[WIRE_TAG_LEN], end[WIRE_TAG_LEN];
	int n = 0;

	/* A copy: OUT may be the buffer of SEALED, and libcrypto takes no const tag. */
	memcpy(tag, sealed + len, sizeof(tag));
	if (EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, nonce) != 1)
		return KM_ERR_SYS;
	if (aad_len && EVP_DecryptUpdate(ctx, NULL, &n, aad, (int)aad_len) != 1)
		return KM_ERR_SYS;
	if (len &&
	    (EVP_DecryptUpdate(ctx, out, &n, sealed, (int)len) != 1 || n != (int)len))
		return KM_ERR_SYS;
	if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, WIRE_TAG_LEN, tag) != 1)
		return KM_ERR_SYS;
	if (EVP_DecryptFinal_ex(ctx, end, &n) == 1)
		return KM_OK;
	/* Unauthenticated plaintext must not be read by mistake. */
	sodium_memzero(out, len);
	return KM_ERR_AUTH;
}

enum km_rc seal_frame(struct seal *s, const uint8_t header[WIRE_HEADER_LEN], uint64_t seq,
		      const uint8_t *plain, size_t len, uint8_t *out)
{
	uint8_t nonce[NONCE_LEN];

	if (len > WIRE_SYMBOL_MAX)
		return KM_ERR_RANGE;
	nonce_of(nonce, seq);
	return encrypt(s->encrypt, nonce, header, WIRE_AAD_LEN, plain, len, out);
}

enum km_rc seal_open(struct seal *s, const uint8_t header[WIRE_HEADER_LEN], uint64_t seq,
		     const uint8_t *sealed, size_t len, uint8_t *out)
{
	uint8_t nonce[NONCE_LEN];

	if (len > WIRE_SYMBOL_MAX)
		return KM_ERR_RANGE;
	nonce_of(nonce, seq);
	return decrypt(s->decrypt, nonce, header, WIRE_AAD_LEN, sealed, len, out);
}

enum km_rc seal_wrap(uint8_t out[SEAL_SECRET_LEN + WIRE_TAG_LEN],
		     const uint8_t key[SEAL_KEY_LEN], const uint8_t secret[SEAL_SECRET_LEN])
{
	static const uint8_t nonce[NONCE_LEN]; /* the key wraps once */
	struct seal *s = seal_new(key);
	enum km_rc rc;

	if (!s)
		return KM_ERR_NOMEM;
	rc = encrypt(s->encrypt, nonce, NULL, 0, secret, SEAL_SECRET_LEN, out);
	seal_free(s);
	return rc;
}

enum km_rc seal_unwrap(uint8_t secret[SEAL_SECRET_LEN], const uint8_t key[SEAL_KEY_LEN],
		       const uint8_t wrapped[SEAL_SECRET_LEN + WIRE_TAG_LEN])
{
	static const uint8_t nonce[NONCE_LEN];
	struct seal *s = seal_new(key);
	enum km_rc rc;

	if (!s)
		return KM_ERR_NOMEM;
	rc = decrypt(s->decrypt, nonce, NULL, 0, wrapped, SEAL_SECRET_LEN, secret);
	seal_free(s);
	return rc;
}
