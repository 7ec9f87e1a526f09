// SPDX-License-Identifier: ISC
/* An announce: form, signature, box. Nothing the fuzzer writes may be believed. */
#include <string.h>

#include "fuzz_target.h"
#include "session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keys_box_secret receiver;
	static struct keys_sign_secret key;
	static int ready;
	uint8_t again[WIRE_ANNOUNCE_MAX], secret[SEAL_SECRET_LEN];
	struct keys_sign_public anyone;
	struct announce a;

	if (!ready) {
		static const uint8_t seed[32] = {1};

		FUZZ_ASSERT(keys_init(NULL) == 0);
		keys_sign_from_seed(&key, seed, seed);
		keys_box_from_secret(&receiver, seed);
		ready = 1;
	}
	if (announce_decode(&a, data, size) != KM_OK)
		return 0;
	FUZZ_ASSERT(announce_encode(again, &a) == size);
	FUZZ_ASSERT(memcmp(again, data, size) == 0);
	FUZZ_ASSERT(session_announce_check(&a, data, size, NULL, 0) == KM_ERR_NOTFOUND);
	/* Even if its identity were trusted, and if it were checked. */
	memset(&anyone, 0, sizeof(anyone));
	memcpy(anyone.pk, a.identity, sizeof(anyone.pk));
	(void)!session_announce_check(&a, data, size, &anyone, 1);
	memcpy(receiver.pub.id, a.box[0].key_id, sizeof(receiver.pub.id));
	(void)!session_announce_open(secret, &a, data, size, &receiver);
	return 0;
}
