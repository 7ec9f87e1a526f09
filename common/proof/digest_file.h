// SPDX-License-Identifier: ISC
/*
 * digest_file: digests of what stands in an open file, by pread. Whole leaves of a tree
 * digest are read side by side, a piece of each at a time, so that they can be hashed in
 * SIMD lanes (digest_many.h) out of a buffer that stays in the second-level cache.
 *
 * Any thread; the descriptor's position is not used. Not mmap: a file that is cut or cannot
 * be read gives an error here, and would be a signal there.
 */
#ifndef DIGEST_FILE_H
#define DIGEST_FILE_H

#include <stdint.h>

#include "digest.h"
#include "km_err.h"

/* Bytes of one leaf that are read at a time; the extra line keeps sixteen such pieces from
 * meeting in the same sets of a cache. */
#define DIGEST_FILE_PIECE (16u << 10)
#define DIGEST_FILE_STRIDE (DIGEST_FILE_PIECE + 64u)
#define DIGEST_FILE_LEAVES 16u /* side by side at most */
#define DIGEST_FILE_BUF (DIGEST_FILE_LEAVES * DIGEST_FILE_STRIDE)

/* Bytes after which nothing is gained by having more of a tree before hashing it. */
#define DIGEST_FILE_GROUP ((uint64_t)DIGEST_FILE_LEAVES * WIRE_TREE_LEAF)

/*
 * Goes on with an object's digest over bytes [digest_object_fed(), to) of FD. buf:
 * DIGEST_FILE_BUF bytes, contents mean nothing. KM_ERR_RANGE: `to` is beyond the object's
 * size; KM_ERR_SHORT: the file ends before; KM_ERR_SYS: it cannot be read (errno). After an
 * error the digest has what was read before it.
 */
KM_MUST_CHECK enum km_rc digest_file_feed(struct digest_object *d, int fd, uint64_t to,
					  uint8_t *buf);

/* Digest of the whole open file FD of SIZE bytes. */
KM_MUST_CHECK int digest_file(uint8_t out[DIGEST_LEN], int fd, uint64_t size,
			      struct km_err *err);

#endif
