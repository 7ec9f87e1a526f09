// SPDX-License-Identifier: ISC
/* A signature file, and the public key texts: the same input is tried as each. */
#include <string.h>

#include "fuzz_target.h"
#include "minisig.h"

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
	(void)!keys_sign_public_parse(&sign, NULL, text, size);
	(void)!keys_box_public_parse(&box, NULL, text, size);
	return 0;
}
