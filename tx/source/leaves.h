// SPDX-License-Identifier: ISC
/*
 * leaves: the digests of the leaves of a range of a large object, from its bytes in order:
 * what digest_object is for a whole one. The range begins where a leaf begins. Whole leaves
 * that are there at once are hashed side by side (digest_many.h).
 * One thread at a time.
 */
#ifndef LEAVES_H
#define LEAVES_H

#include "digest_many.h"

struct leaves {
	uint8_t (*digest)[DIGEST_LEN]; /* borrowed: room for all of the range */
	unsigned count;		       /* that are done */
	struct digest *running;	       /* owned: the leaf that came in part */
	size_t in_leaf;
};

KM_MUST_CHECK enum km_rc leaves_open(struct leaves *leaves); /* KM_ERR_NOMEM */
void leaves_close(struct leaves *leaves);

/* A new range; digest has room for each of its leaves. */
void leaves_begin(struct leaves *leaves, uint8_t (*digest)[DIGEST_LEN]);
void leaves_update(struct leaves *leaves, const void *p, size_t len);
/* The range ends here: a leaf that came in part is the object's last. */
void leaves_end(struct leaves *leaves);

#endif
