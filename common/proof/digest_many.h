// SPDX-License-Identifier: ISC
/*
 * digest_many: SHA-256 of many independent messages at once, in SIMD lanes where this
 * machine has them. The digests are those of digest.h, bit for bit: this is a faster way to
 * them, not another kind. A single message gains nothing: use digest_sha256().
 *
 * Nothing here allocates of its own. Until digest_init() has found a kernel that agrees with libcrypto
 * on this very machine, libcrypto serves. After it, calls may come from any thread.
 */
#ifndef DIGEST_MANY_H
#define DIGEST_MANY_H

#include <stddef.h>
#include <stdint.h>

#include "digest.h"

enum digest_kernel {
	DIGEST_KERNEL_AUTO = 0,	 /* the fast ones that are built, runnable and correct */
	DIGEST_KERNEL_LIBCRYPTO, /* one message after the other; always there */
	DIGEST_KERNEL_SHANI2,	 /* SHA-NI, two messages interleaved */
	DIGEST_KERNEL_AVX512,	 /* AVX-512 F and BW, sixteen messages */
	DIGEST_KERNEL_COUNT,
};

enum digest_verdict {
	DIGEST_VERDICT_UNTRIED = 0, /* another was forced */
	DIGEST_VERDICT_CHOSEN,
	DIGEST_VERDICT_NOT_BUILT, /* other architecture, or the compiler could not */
	DIGEST_VERDICT_NO_CPU,	  /* the processor, or the OS's saved state, lacks it */
	DIGEST_VERDICT_WRONG, /* it ran and gave other digests than libcrypto: broken machine */
};

/* What digest_init() decided; plain data, the caller's own copy. */
struct digest_choice {
	enum digest_verdict verdict[DIGEST_KERNEL_COUNT];
	char why[128]; /* for the log: "shani2 (auto): avx512 not on this cpu" */
};

/*
 * Choose the kernels. AUTO takes every one that is built in, usable on this processor under
 * this OS, and passes a self-test against libcrypto (some 2 ms each); a forced one is taken or
 * refused, never replaced. Call once at start-up, before any other thread uses this module;
 * calling again chooses anew. choice may be NULL. KM_ERR_UNSUPPORTED: the forced one cannot
 * be had; what served before goes on, and choice says why. AUTO never fails.
 */
KM_MUST_CHECK enum km_rc digest_init(enum digest_kernel want, struct digest_choice *choice);

/* "auto", "libcrypto", "shani2", "avx512"; "?" if unknown. */
const char *digest_kernel_name(enum digest_kernel kernel);

/* One message. p: len bytes, borrowed for the call. out: written once it is done. */
struct digest_job {
	const void *p; /* may be NULL when len is 0 */
	size_t len;
	uint8_t *out; /* DIGEST_LEN bytes, overlapping nothing */
};

/*
 * The digests of n messages of any lengths. Messages are taken in the order given as lanes
 * become free, so long ones first makes the best use of the lanes; any order is correct.
 * Worth it from two messages on.
 */
void digest_many(const struct digest_job *jobs, size_t n);

/* Leaves of the tree digest in len bytes. */
static inline size_t digest_leaf_count(size_t len)
{
	return len / WIRE_TREE_LEAF + (len % WIRE_TREE_LEAF != 0);
}

/* Messages that are hashed at once where it goes fastest; 1: libcrypto alone serves. */
unsigned digest_many_lanes(void);

/* digest_object_update() with the whole leaves in p side by side, if any begin there. */
void digest_many_update(struct digest_object *d, const void *p, size_t len);

/*
 * The leaf digests of len contiguous bytes that begin where a leaf begins: out has room for
 * digest_leaf_count(len). The last leaf may be short.
 */
void digest_leaves(uint8_t (*out)[DIGEST_LEN], const void *p, size_t len);

#endif
