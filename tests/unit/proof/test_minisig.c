// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "minisig.h"

static struct keys_sign_secret key, other;
static const char text[] = "what is signed\n";

static void setup(void)
{
	struct km_err err = KM_ERR_INIT;

	cr_assert_eq(keys_init(&err), 0, "%s", err.text);
	keys_sign_generate(&key);
	keys_sign_generate(&other);
}

TestSuite(minisig, .init = setup);

static size_t sign(char *out, const char *comment)
{
	uint8_t hash[MINISIG_HASH_LEN], sig[64], global[64];

	minisig_hash(hash, text, strlen(text));
	minisig_sign(sig, global, hash, comment, strlen(comment), &key);
	return minisig_compose(out, key.pub.key_number, sig, global, comment,
			       strlen(comment));
}

static enum km_rc verify(const char *sig, size_t len)
{
	char comment[MINISIG_COMMENT_MAX + 1];
	unsigned index;

	return minisig_verify(text, strlen(text), sig, len, &key.pub, 1, &index, comment);
}

Test(minisig, round_trip)
{
	char sig[MINISIG_FILE_MAX], comment[MINISIG_COMMENT_MAX + 1],
		longest[MINISIG_COMMENT_MAX + 1];
	const struct keys_sign_public keys[] = {other.pub, key.pub};
	size_t len = sign(sig, "1-00000001.manifest abc");
	unsigned index;

	cr_assert_eq(len, strlen(sig));
	cr_assert_eq(minisig_verify(text, strlen(text), sig, len, keys, 2, &index, comment),
		     KM_OK);
	cr_assert_eq(index, 1u);
	cr_assert_str_eq(comment, "1-00000001.manifest abc");
	memset(longest, 'c', MINISIG_COMMENT_MAX);
	longest[MINISIG_COMMENT_MAX] = '\0';
	len = sign(sig, longest);
	cr_assert_lt(len, MINISIG_FILE_MAX);
	cr_assert_eq(minisig_verify(text, strlen(text), sig, len, keys, 2, &index, comment),
		     KM_OK);
	cr_assert_str_eq(comment, longest);
	len = sign(sig, "");
	cr_assert_eq(verify(sig, len), KM_OK);
}

Test(minisig, another_text_or_key)
{
	char sig[MINISIG_FILE_MAX], comment[MINISIG_COMMENT_MAX + 1];
	struct keys_sign_public imposter = other.pub;
	size_t len = sign(sig, "c");
	unsigned index;

	cr_assert_eq(minisig_verify("what is signed", 14, sig, len, &key.pub, 1, &index,
				    comment),
		     KM_ERR_AUTH);
	cr_assert_eq(minisig_verify("", 0, sig, len, &key.pub, 1, &index, comment),
		     KM_ERR_AUTH);
	cr_assert_eq(minisig_verify(text, strlen(text), sig, len, &other.pub, 1, &index,
				    comment),
		     KM_ERR_NOTFOUND);
	cr_assert_eq(minisig_verify(text, strlen(text), sig, len, NULL, 0, &index, comment),
		     KM_ERR_NOTFOUND);
	memcpy(imposter.key_number, key.pub.key_number, 8);
	cr_assert_eq(
		minisig_verify(text, strlen(text), sig, len, &imposter, 1, &index, comment),
		KM_ERR_AUTH);
}

Test(minisig, every_truncation_and_change, .timeout = 120)
{
	char sig[MINISIG_FILE_MAX];
	size_t len = sign(sig, "comment"), end_of_untrusted;

	end_of_untrusted = (size_t)(strchr(sig, '\n') - sig);
	for (size_t n = 0; n < len; n++)
		cr_assert_eq(verify(sig, n), KM_ERR_MALFORMED);
	for (size_t at = 0; at < len; at++) {
		char was = sig[at];

		for (unsigned v = 0; v < 256; v++) {
			enum km_rc rc;

			if ((char)v == was)
				continue;
			sig[at] = (char)v;
			rc = verify(sig, len);
			/* The first line may say anything: that is its name. */
			if (at >= 19 && at < end_of_untrusted && v != '\n')
				cr_assert_eq(rc, KM_OK);
			else
				cr_assert_neq(rc, KM_OK, "byte %zu = %u", at, v);
		}
		sig[at] = was;
	}
	memcpy(sig + len, "x", 1);
	cr_assert_eq(verify(sig, len + 1), KM_ERR_MALFORMED);
}

/* The two signatures of two files cannot be mixed: the global one covers the other. */
Test(minisig, comment_is_bound)
{
	uint8_t hash[MINISIG_HASH_LEN], sig_a[64], global_a[64], sig_b[64], global_b[64];
	char file[MINISIG_FILE_MAX];
	size_t len;

	minisig_hash(hash, text, strlen(text));
	minisig_sign(sig_a, global_a, hash, "a", 1, &key);
	minisig_sign(sig_b, global_b, hash, "b", 1, &key);
	len = minisig_compose(file, key.pub.key_number, sig_a, global_b, "a", 1);
	cr_assert_eq(verify(file, len), KM_ERR_AUTH);
	len = minisig_compose(file, key.pub.key_number, sig_a, global_a, "b", 1);
	cr_assert_eq(verify(file, len), KM_ERR_AUTH);
	len = minisig_compose(file, key.pub.key_number, sig_a, global_a, "a\x01", 2);
	cr_assert_eq(verify(file, len), KM_ERR_MALFORMED);
}

/* "Ed" signs the file itself; stock tools still accept it, we never wrote it. */
Test(minisig, legacy_form_is_refused)
{
	uint8_t blob[74] = {'E', 'd'}, global[64], bytes[65];
	char file[MINISIG_FILE_MAX], a[128], b[128];

	memcpy(blob + 2, key.pub.key_number, 8);
	crypto_sign_detached(blob + 10, NULL, (const uint8_t *)text, strlen(text), key.sk);
	memcpy(bytes, blob + 10, 64);
	bytes[64] = 'c';
	crypto_sign_detached(global, NULL, bytes, sizeof(bytes), key.sk);
	sodium_bin2base64(a, sizeof(a), blob, sizeof(blob), sodium_base64_VARIANT_ORIGINAL);
	sodium_bin2base64(b, sizeof(b), global, sizeof(global),
			  sodium_base64_VARIANT_ORIGINAL);
	snprintf(file, sizeof(file), "untrusted comment: x\n%s\ntrusted comment: c\n%s\n",
		 a, b);
	cr_assert_eq(verify(file, strlen(file)), KM_ERR_MALFORMED);
}
