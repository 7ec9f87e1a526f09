// SPDX-License-Identifier: ISC
/* Key files of every kind: the same input is tried as each. No passphrase is tried: what a
 * sealed key costs to open is bounded before it is spent. */
#include <string.h>

#include "fuzz_target.h"
#include "keys_text.h"

static void as_secret(enum keys_kind kind, const char *text, size_t size)
{
	struct keys_text_secret s, again;
	char out[KEYS_TEXT_MAX];
	size_t n;

	if (keys_text_parse_secret(&s, kind, text, size) != KM_OK)
		return;
	n = s.locked ? keys_text_locked(out, kind, s.public, s.blob, &s.facts)
		     : keys_text_secret(out, kind, s.blob, &s.facts);
	FUZZ_ASSERT(n == size || n == size + 1);
	FUZZ_ASSERT(memcmp(out, text, size < n ? size : n) == 0);
	FUZZ_ASSERT(keys_text_parse_secret(&again, kind, out, n) == KM_OK);
	FUZZ_ASSERT(memcmp(&s, &again, sizeof(s)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct keys_sign_public sign;
	struct keys_box_public box;
	struct keys_facts facts;
	char day[KEYS_DAY_TEXT_MAX];

	FUZZ_ASSERT(keys_init(NULL) == 0);
	if (size >= KEYS_TEXT_MAX)
		return 0;
	as_secret(KEYS_SIGN, text, size);
	as_secret(KEYS_BOX, text, size);
	if (keys_sign_public_parse(&sign, &facts, text, size) == KM_OK)
		FUZZ_ASSERT(facts.expires_day <= KEYS_DAY_MAX);
	if (keys_box_public_parse(&box, &facts, text, size) == KM_OK)
		FUZZ_ASSERT(strlen(keys_day_format(day, facts.expires_day)) > 0);
	return 0;
}
