// SPDX-License-Identifier: ISC
#include "fuzz_signed.h"

#include <string.h>

#include "cursor.h"
#include "digest.h"
#include "fileio.h"
#include "fuzz_dir.h"
#include "fuzz_target.h"
#include "record.h"

const struct keys_sign_secret *fuzz_signed_key(void)
{
	static const uint8_t number[8] = {1}, seed[32] = {2};
	static struct keys_sign_secret key;
	static bool made;

	if (!made) {
		FUZZ_ASSERT(keys_init(NULL) == 0);
		keys_sign_from_seed(&key, number, seed);
		made = true;
	}
	return &key;
}

void fuzz_signed_put_key(const char *name)
{
	static uint8_t *file;
	static size_t len;
	char public[96], secret[96];

	(void)snprintf(public, sizeof(public), "%s/made.pub", fuzz_dir_path());
	(void)snprintf(secret, sizeof(secret), "%s/made.key", fuzz_dir_path());
	if (!file)
		FUZZ_ASSERT(keys_sign_save(fuzz_signed_key(),
					   &(const struct keys_save){.secret = secret,
								     .public = public},
					   NULL) == 0 &&
			    fileio_read_all(fuzz_dir(), "made.pub", 4096, &file, &len,
					    NULL) == 0);
	fuzz_dir_put(name, file, len);
}

void fuzz_signed_make(struct fuzz_signed *to, const struct fuzz_signed_object *object,
		      unsigned n)
{
	const struct keys_sign_secret *key = fuzz_signed_key();
	struct manifest_head head = {.channel = FUZZ_SIGNED_CHANNEL,
				     .channel_name = "files",
				     .owner = "o",
				     .purpose = "p",
				     .classification = "c",
				     .chain = FUZZ_SIGNED_CHAIN,
				     .number = 1,
				     .first = 1,
				     .last = n,
				     .created_ns = UINT64_C(1700000000000000000),
				     .software = "katamichi"};
	struct manifest_entry entry[FUZZ_SIGNED_OBJECTS] = {0};
	char comment[MINISIG_COMMENT_MAX + 1];
	uint8_t hash[MINISIG_HASH_LEN], sig[64], global[64];

	FUZZ_ASSERT(n <= FUZZ_SIGNED_OBJECTS);
	keys_fingerprint(head.fingerprint, key->pub.pk);
	for (unsigned i = 0; i < n; i++) {
		entry[i].kind = object[i].kind;
		entry[i].number = i + 1;
		entry[i].mtime_s = object[i].kind == MANIFEST_WITHDRAWN ? 0 : 1700000000;
		entry[i].reason = RECORD_WITHDRAWN_GONE;
		entry[i].path = (const uint8_t *)object[i].path;
		entry[i].path_len = strlen(object[i].path);
		digest_sha256(entry[i].digest, object[i].content, object[i].size);
	}
	FUZZ_ASSERT(manifest_write(to->text, sizeof(to->text), &to->len, &head, entry, n) ==
		    KM_OK);
	digest_sha256(to->hash, to->text, to->len);
	manifest_comment(comment, FUZZ_SIGNED_CHAIN, 1, to->hash);
	minisig_hash(hash, to->text, to->len);
	minisig_sign(sig, global, hash, comment, strlen(comment), key);
	to->sig_len = minisig_compose(to->sig, key->pub.key_number, sig, global, comment,
				      strlen(comment));
}

size_t fuzz_signed_blob(const struct fuzz_signed *from, uint8_t *out, size_t room)
{
	struct wr wr;

	wr_init(&wr, out, room);
	wr_u32(&wr, (uint32_t)from->len);
	wr_bytes(&wr, from->text, from->len);
	wr_bytes(&wr, from->sig, from->sig_len);
	FUZZ_ASSERT(wr_ok(&wr));
	return wr.used;
}
