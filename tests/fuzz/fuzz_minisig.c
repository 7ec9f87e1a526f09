// SPDX-License-Identifier: ISC
/* A signature file, and the public key texts: the same input is tried as each. */
#include <string.h>

#include "fuzz_target.h"
#include "minisig.h"

/* The input as the comment of a rightful signature, which a fuzzer does not guess: it is believed
 * if and only if a comment may be like that; with a byte changed, never. */
static void as_comment(const struct keys_sign_secret *key, const char *text, size_t size)
{
	uint8_t hash[MINISIG_HASH_LEN], sig[64], global[64];
	char file[MINISIG_FILE_MAX], comment[MINISIG_COMMENT_MAX + 1];
	struct keys_sign_public two[2] = {key->pub, key->pub};
	bool fine = size <= MINISIG_COMMENT_MAX;
	unsigned index;
	size_t len;

	for (size_t i = 0; i < size && fine; i++)
		fine = ((uint8_t)text[i] >= 0x20 && text[i] != 0x7f) || text[i] == '\t';
	if (size > MINISIG_COMMENT_MAX)
		return;
	two[0].pk[0] ^= 1; /* another key of the same number stands before ours */
	minisig_hash(hash, "text", 4);
	minisig_sign(sig, global, hash, text, size, key);
	len = minisig_compose(file, key->pub.key_number, sig, global, text, size);
	if (fine) {
		FUZZ_ASSERT(minisig_verify("text", 4, file, len, two, 2, &index, comment) ==
			    KM_OK);
		FUZZ_ASSERT(index == 1 && strlen(comment) == size &&
			    memcmp(comment, text, size) == 0);
	}
	FUZZ_ASSERT(minisig_verify("texts", 5, file, len, two, 2, &index, comment) !=
		    KM_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keys_sign_secret key;
	static int ready;
	char comment[MINISIG_COMMENT_MAX + 1];
	const char *text = (const char *)data;
	struct keys_sign_public sign;
	struct keys_box_public box;
	unsigned index;
	enum km_rc rc;

	if (!ready) {
		static const uint8_t seed[32] = {1};

		FUZZ_ASSERT(keys_init(NULL) == 0);
		keys_sign_from_seed(&key, (const uint8_t *)"katamich", seed);
		ready = 1;
	}
	rc = minisig_verify("text", 4, text, size, &key.pub, 1, &index, comment);
	FUZZ_ASSERT(rc != KM_OK || index == 0);
	FUZZ_ASSERT(strlen(comment) <= MINISIG_COMMENT_MAX);
	as_comment(&key, text, size);
	(void)!keys_sign_public_parse(&sign, NULL, text, size);
	(void)!keys_box_public_parse(&box, NULL, text, size);
	return 0;
}
