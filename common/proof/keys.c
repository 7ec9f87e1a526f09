// SPDX-License-Identifier: ISC
#include "keys.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base32.h"
#include "cursor.h"
#include "digest.h"
#include "keys_text.h"
#include "seal.h"

int keys_init(struct km_err *err)
{
	uint8_t probe[DIGEST_LEN];

	if (sodium_init() < 0)
		return km_err_set(err, EX_OSERR,
				  "libsodium does not start: no source of randomness?");
	/* What this program computes must not depend on the host's openssl.cnf. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1 ||
	    seal_prepare() != KM_OK)
		return km_err_set(
			err, EX_OSERR,
			"libcrypto has no AES-256-GCM: install OpenSSL 3's default "
			"provider");
	digest_sha256(probe, "", 0);
	return 0;
}

void keys_sign_from_seed(struct keys_sign_secret *k, const uint8_t key_number[8],
			 const uint8_t seed[32])
{
	memcpy(k->pub.key_number, key_number, sizeof(k->pub.key_number));
	crypto_sign_seed_keypair(k->pub.pk, k->sk, seed);
}

void keys_box_from_secret(struct keys_box_secret *k, const uint8_t sk[32])
{
	memmove(k->sk, sk, sizeof(k->sk));
	crypto_scalarmult_base(k->pub.pk, k->sk);
	keys_text_box_id(k->pub.id, k->pub.pk);
}

void keys_sign_generate(struct keys_sign_secret *k)
{
	uint8_t number[8], seed[32];

	randombytes_buf(number, sizeof(number));
	randombytes_buf(seed, sizeof(seed));
	keys_sign_from_seed(k, number, seed);
	sodium_memzero(seed, sizeof(seed));
}

void keys_box_generate(struct keys_box_secret *k)
{
	uint8_t sk[32];

	randombytes_buf(sk, sizeof(sk));
	keys_box_from_secret(k, sk);
	sodium_memzero(sk, sizeof(sk));
}

void keys_sign_wipe(struct keys_sign_secret *k)
{
	sodium_memzero(k, sizeof(*k));
}

void keys_box_wipe(struct keys_box_secret *k)
{
	sodium_memzero(k, sizeof(*k));
}

#define PRINT_LEN 20u
#define PRINT_GROUP 4u

void keys_fingerprint(char *out, const uint8_t pk[32])
{
	uint8_t d[DIGEST_LEN];

	digest_sha256(d, pk, 32);
	base32_encode(out, d, PRINT_LEN, PRINT_GROUP);
}

enum km_rc keys_fingerprint_read(char *out, const char *text)
{
	uint8_t d[PRINT_LEN];
	size_t len;

	if (base32_decode(d, sizeof(d), &len, text, strlen(text)) != KM_OK ||
	    len != sizeof(d))
		return KM_ERR_MALFORMED;
	base32_encode(out, d, sizeof(d), PRINT_GROUP);
	return KM_OK;
}

void keys_fingerprint_words(uint64_t words[KEYS_PRINT_WORDS], const uint8_t pk[32])
{
	uint8_t d[DIGEST_LEN];
	struct rd rd;

	digest_sha256(d, pk, 32);
	rd_init(&rd, d, PRINT_LEN);
	words[0] = rd_u64(&rd);
	words[1] = rd_u64(&rd);
	words[2] = rd_u32(&rd);
}

void keys_fingerprint_of_words(char *out, const uint64_t words[KEYS_PRINT_WORDS])
{
	uint8_t d[PRINT_LEN];
	struct wr wr;

	wr_init(&wr, d, sizeof(d));
	wr_u64(&wr, words[0]);
	wr_u64(&wr, words[1]);
	wr_u32(&wr, (uint32_t)words[2]);
	base32_encode(out, d, sizeof(d), PRINT_GROUP);
}
