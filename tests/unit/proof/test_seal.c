// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#include "keys.h"
#include "seal.h"
#include "seeded.h"

/* RFC 5869 appendix A, cases 1 to 3 (SHA-256). */
static const struct {
	const char *ikm, *salt, *info, *okm;
} hkdf[] = {
	{"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
	 "f0f1f2f3f4f5f6f7f8f9",
	 "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185"
	 "865"},
	{"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627"
	 "28292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
	 "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f8081828384858687"
	 "88898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
	 "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7"
	 "d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
	 "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac782727"
	 "1cb"
	 "41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d8"
	 "7"},
	{"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
	 "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a9"
	 "6c8"},
};

static size_t unhex(uint8_t *out, size_t cap, const char *hex)
{
	size_t n = 0;

	cr_assert_eq(sodium_hex2bin(out, cap, hex, strlen(hex), NULL, &n, NULL), 0);
	return n;
}

static void setup(void)
{
	struct km_err err = KM_ERR_INIT;

	cr_assert_eq(keys_init(&err), 0, "%s", err.text);
}

TestSuite(seal, .init = setup);

Test(seal, hkdf_rfc5869)
{
	for (size_t i = 0; i < KM_COUNT(hkdf); i++) {
		uint8_t ikm[80], salt[80], info[80], okm[82], got[82];
		size_t n = unhex(ikm, sizeof(ikm), hkdf[i].ikm);
		size_t s = unhex(salt, sizeof(salt), hkdf[i].salt);
		size_t f = unhex(info, sizeof(info), hkdf[i].info);
		size_t len = unhex(okm, sizeof(okm), hkdf[i].okm);

		seal_hkdf(got, len, salt, s, ikm, n, info, f);
		cr_assert_arr_eq(got, okm, len, "case %zu", i + 1);
	}
}

/* Another implementation's answers (Python's hmac), see tests/wire for the whole schedule. */
Test(seal, lane_key_vector)
{
	uint8_t secret[32], transcript[32], key[32], want[32];

	for (unsigned i = 0; i < 32; i++) {
		secret[i] = (uint8_t)i;
		transcript[i] = (uint8_t)(0x80 + i);
	}
	unhex(want, sizeof(want),
	      "9b91ad5b9763567b13d991e95f522c93325fa3b75199b8a8efd032f709759f0c");
	seal_lane_key(key, secret, transcript, 11);
	cr_assert_arr_eq(key, want, sizeof(want));
	seal_lane_key(key, secret, transcript, 12);
	cr_assert_neq(memcmp(key, want, sizeof(want)), 0);
}

/* AES-256-GCM with key and nonce zero: test case 14 of McGrew and Viega, "The Galois/Counter
 * Mode of Operation"; seal_wrap()'s first block is the same. */
Test(seal, gcm_known_answer)
{
	static const uint8_t zero[32];
	uint8_t out[48], want[16];

	unhex(want, sizeof(want), "cea7403d4d606b6e074ec5d3baf39d18");
	cr_assert_eq(seal_wrap(out, zero, zero), KM_OK);
	cr_assert_arr_eq(out, want, sizeof(want));
}

struct sample {
	uint8_t key[32], header[WIRE_HEADER_LEN], plain[300], sealed[316], opened[300];
	struct seal *s;
};

static void sample_init(struct sample *t)
{
	for (unsigned i = 0; i < sizeof(t->key); i++)
		t->key[i] = (uint8_t)(3 * i + 1);
	for (unsigned i = 0; i < sizeof(t->header); i++)
		t->header[i] = (uint8_t)(0xa0 ^ i);
	for (unsigned i = 0; i < sizeof(t->plain); i++)
		t->plain[i] = (uint8_t)(7 * i);
	t->s = seal_new(t->key);
	cr_assert_not_null(t->s);
	cr_assert_eq(seal_frame(t->s, t->header, 5, t->plain, sizeof(t->plain), t->sealed),
		     KM_OK);
}

Test(seal, round_trip_in_place_and_apart)
{
	struct sample t;
	uint8_t same[316];

	sample_init(&t);
	cr_assert_eq(seal_open(t.s, t.header, 5, t.sealed, 300, t.opened), KM_OK);
	cr_assert_arr_eq(t.opened, t.plain, 300);
	memcpy(same, t.plain, 300);
	cr_assert_eq(seal_frame(t.s, t.header, 5, same, 300, same), KM_OK);
	cr_assert_arr_eq(same, t.sealed, 316);
	cr_assert_eq(seal_open(t.s, t.header, 5, same, 300, same), KM_OK);
	cr_assert_arr_eq(same, t.plain, 300);
	cr_assert_eq(seal_frame(t.s, t.header, 6, t.plain, 0, same), KM_OK);
	cr_assert_eq(seal_open(t.s, t.header, 6, same, 0, same + 16), KM_OK);
	cr_assert_eq(seal_frame(t.s, t.header, 7, t.plain, WIRE_SYMBOL_MAX + 1, same),
		     KM_ERR_RANGE);
	cr_assert_eq(seal_open(t.s, t.header, 7, t.plain, WIRE_SYMBOL_MAX + 1, same),
		     KM_ERR_RANGE);
	seal_free(t.s);
	seal_free(NULL);
}

Test(seal, every_single_bit_is_guarded, .timeout = 60)
{
	static const uint8_t zero[300];
	struct sample t;

	sample_init(&t);
	for (size_t bit = 0; bit < sizeof(t.sealed) * 8; bit++) {
		t.sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_assert_eq(seal_open(t.s, t.header, 5, t.sealed, 300, t.opened),
			     KM_ERR_AUTH);
		cr_assert_arr_eq(t.opened, zero, 300,
				 "unauthenticated bytes were handed out");
		t.sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t bit = 0; bit < sizeof(t.header) * 8; bit++) {
		enum km_rc want = bit / 8 < WIRE_AAD_LEN ? KM_ERR_AUTH : KM_OK;

		t.header[bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_assert_eq(seal_open(t.s, t.header, 5, t.sealed, 300, t.opened), want,
			     "header byte %zu", bit / 8);
		t.header[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (unsigned bit = 0; bit < 64; bit++)
		cr_assert_eq(seal_open(t.s, t.header, 5 ^ UINT64_C(1) << bit, t.sealed, 300,
				       t.opened),
			     KM_ERR_AUTH);
	cr_assert_eq(seal_open(t.s, t.header, 5, t.sealed, 299, t.opened), KM_ERR_AUTH);
	cr_assert_eq(seal_open(t.s, t.header, 5, t.sealed, 300, t.opened), KM_OK,
		     "failures leave the context as it was");
	seal_free(t.s);
}

Test(seal, other_keys_do_not_open)
{
	struct sample t;
	struct seal *other;

	sample_init(&t);
	t.key[31] ^= 1;
	other = seal_new(t.key);
	cr_assert_not_null(other);
	cr_assert_eq(seal_open(other, t.header, 5, t.sealed, 300, t.opened), KM_ERR_AUTH);
	seal_free(other);
	seal_free(t.s);
}

/* libsodium's AES-256-GCM, where the processor has it, is a second opinion. */
Test(seal, agrees_with_libsodium, .timeout = 60)
{
	static uint8_t plain[9000], a[9016], b[9016];
	struct seeded rng;

	if (!crypto_aead_aes256gcm_is_available())
		cr_skip("this processor has no AES-NI for libsodium's AES-256-GCM");
	seeded_init(&rng, "seal.agrees_with_libsodium");
	for (unsigned i = 0; i < 500; i++) {
		uint8_t key[32], header[WIRE_HEADER_LEN], nonce[12] = {0};
		size_t len = seeded_below(&rng, sizeof(plain) + 1);
		uint64_t seq = seeded_any_size(&rng);
		unsigned long long out_len;
		struct seal *s;

		seeded_bytes(&rng, key, sizeof(key));
		seeded_bytes(&rng, header, sizeof(header));
		seeded_bytes(&rng, plain, len);
		for (unsigned n = 0; n < 8; n++)
			nonce[11 - n] = (uint8_t)(seq >> 8 * n);
		s = seal_new(key);
		cr_assert_not_null(s);
		cr_assert_eq(seal_frame(s, header, seq, plain, len, a), KM_OK);
		crypto_aead_aes256gcm_encrypt(b, &out_len, plain, len, header, WIRE_AAD_LEN,
					      NULL, nonce, key);
		cr_assert_eq(memcmp(a, b, len + WIRE_TAG_LEN), 0);
		seal_free(s);
	}
}
