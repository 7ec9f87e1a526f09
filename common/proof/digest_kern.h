// SPDX-License-Identifier: ISC
/*
 * digest_kern: what a SHA-256 kernel is. Internal to common/proof (and its tests); callers
 * use digest_many.h. A kernel runs the compression function of FIPS 180-4 over several
 * messages at once, one in each lane, one file per instruction set; padding, refilling of
 * lanes and trust are not its business.
 *
 * Kernels are pure: no state, no allocation, no alignment demand on data.
 */
#ifndef DIGEST_KERN_H
#define DIGEST_KERN_H

#include <stddef.h>
#include <stdint.h>

#include "digest_many.h"

#define DIGEST_BLOCK 64u
#define DIGEST_WORDS 8u /* of the state, 32 bits each */
#define DIGEST_LANES_MAX 16u

/*
 * Messages left below which the wide kernel's empty lanes cost more than they bring, so the
 * narrow one is faster: sixteen full lanes measured 1.5 times two interleaved messages.
 */
#define DIGEST_WIDE_WORTH 10u

struct digest_ops {
	const char *name;
	unsigned lanes; /* 1..DIGEST_LANES_MAX */

	/*
	 * Compress count >= 1 blocks of each lane: lane l reads count * 64 bytes at data[l].
	 * Word w of lane l stands at state[w * lanes + l], in host order, aligned to 64
	 * bytes. Lanes may read the same bytes.
	 */
	void (*blocks)(uint32_t *state, const uint8_t *const *data, size_t count);
};

extern const struct digest_ops digest_ops_shani2;
extern const struct digest_ops digest_ops_avx512;

/* The round constants and the initial state of FIPS 180-4, sections 4.2.2 and 5.3.3. */
extern const uint32_t digest_k[64];
extern const uint32_t digest_iv[DIGEST_WORDS];

/*
 * The two kernels that serve a call: the wide one while enough messages are left to fill it,
 * the narrow one for what remains. NULL: there is none.
 */
struct digest_serve {
	const struct digest_ops *wide, *narrow;
};

/* digest_many() by these kernels. Both NULL: libcrypto. */
void digest_many_by(const struct digest_serve *serve, const struct digest_job *jobs,
		    size_t n);

/* What serves now: the module's own choice, a copy. */
struct digest_serve digest_serve_now(void);

/* A kernel if it is built and this machine can run it, else NULL; does not self-test. */
const struct digest_ops *digest_ops_of(enum digest_kernel kernel);

/*
 * 0 if the kernel gives libcrypto's digests for messages of every length up to three blocks
 * and of unequal longer ones, at odd addresses, in every number from one to more than its
 * lanes, and leaves lanes alone that it was not given; -1 otherwise. About 80 KiB of stack.
 */
KM_MUST_CHECK int digest_selftest(const struct digest_ops *ops);

#endif
