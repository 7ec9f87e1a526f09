// SPDX-License-Identifier: ISC
/*
 * One signed manifest, always the same for the same objects: what a target takes as honest, and
 * lets its input change. Channel and chain are fixed; the key follows from a seed.
 */
#ifndef FUZZ_SIGNED_H
#define FUZZ_SIGNED_H

#include <stddef.h>
#include <stdint.h>

#include "keys.h"
#include "manifest.h"
#include "minisig.h"

#define FUZZ_SIGNED_CHANNEL 7u
#define FUZZ_SIGNED_CHAIN UINT64_C(1000)
#define FUZZ_SIGNED_OBJECTS 8u
#define FUZZ_SIGNED_TEXT 4096u

struct fuzz_signed_object {
	enum manifest_kind kind;
	const char *path;
	const uint8_t *content;
	size_t size;
};

struct fuzz_signed {
	char text[FUZZ_SIGNED_TEXT], sig[MINISIG_FILE_MAX];
	size_t len, sig_len;
	uint8_t hash[DIGEST_LEN];
};

const struct keys_sign_secret *fuzz_signed_key(void);

/* Its public half as a file of that name in fuzz_dir(). */
void fuzz_signed_put_key(const char *name);

/* Manifest 1, whose N <= FUZZ_SIGNED_OBJECTS objects have the numbers from 1 on; their paths rise.
 * digest_init() has been called. */
void fuzz_signed_make(struct fuzz_signed *to, const struct fuzz_signed_object *object,
		      unsigned n);

/* Length of the text, text, signature: as it goes over the wire and lies in .incoming. Returns
 * the bytes. */
size_t fuzz_signed_blob(const struct fuzz_signed *from, uint8_t *out, size_t room);

#endif
