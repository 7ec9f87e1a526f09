// SPDX-License-Identifier: ISC
/*
 * Digests of objects. Two kinds, both checkable with coreutils: plain SHA-256,
 * and for objects of WIRE_TREE_FROM bytes and up the tree: SHA-256 over the
 * lower-case hex SHA-256 of each 1 MiB leaf, one per line, LF-ended.
 * SHA-256 is libcrypto's (SHA-NI).
 */
#ifndef DIGEST_H
#define DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "km_err.h"
#include "wire_limits.h"

#define DIGEST_LEN 32u
#define DIGEST_HEX_LEN 64u

void digest_sha256(uint8_t out[DIGEST_LEN], const void *p, size_t len);
void digest_hex(char out[DIGEST_HEX_LEN + 1], const uint8_t d[DIGEST_LEN]);
KM_MUST_CHECK enum km_rc digest_from_hex(uint8_t d[DIGEST_LEN], const char *hex,
					 size_t len);

/* A running SHA-256, ready when made; reusable: digest_begin() starts anew (libcrypto 3.0
 * allocates its state there). digest_update() allocates nothing. */
struct digest;
struct digest *digest_new(void); /* NULL: out of memory */
void digest_free(struct digest *d);
void digest_begin(struct digest *d);
void digest_update(struct digest *d, const void *p, size_t len);
void digest_end(struct digest *d, uint8_t out[DIGEST_LEN]);

/* Whether an object of SIZE bytes has the tree digest. */
static inline bool digest_is_tree(uint64_t size)
{
	return size >= WIRE_TREE_FROM;
}

/* The digest of an object from its bytes in order, flat or tree by size. One
 * per object being read, no memory per leaf. */
struct digest_object;
struct digest_object *digest_object_new(uint64_t size);
void digest_object_free(struct digest_object *d);
void digest_object_update(struct digest_object *d, const void *p, size_t len);
/* KM_ERR_RANGE when the bytes fed are not SIZE. */
KM_MUST_CHECK enum km_rc digest_object_end(struct digest_object *d,
					   uint8_t out[DIGEST_LEN]);

/* Bytes taken so far, and bytes in all. */
uint64_t digest_object_fed(const struct digest_object *d);
uint64_t digest_object_size(const struct digest_object *d);

/* The next whole leaf of a tree, hashed elsewhere (digest_many.h). KM_ERR_STATE: no tree, not
 * at the beginning of a leaf, or less than a leaf is left. */
KM_MUST_CHECK enum km_rc digest_object_leaf(struct digest_object *d,
					    const uint8_t leaf[DIGEST_LEN]);

/* Tree root from leaf digests fed in order: digest of leaf i, i = 0, 1, … */
void digest_tree_begin(struct digest *d);
void digest_tree_leaf(struct digest *d, const uint8_t leaf[DIGEST_LEN]);
/* then digest_end() */

#endif
