// SPDX-License-Identifier: ISC
/*
 * Which kernels serve. DIGEST_BUILT_* come from common/proof/meson.build, one per kernel
 * file that this compiler could build for this architecture.
 */
#include "digest_many.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest_kern.h"

#define LEAVES_AT_ONCE 64u

struct candidate {
	const char *name;
	const struct digest_ops *ops; /* NULL: not built */
	int (*usable)(void);
};

#if defined(__x86_64__)
#include <cpuid.h>

/* __builtin_cpu_supports() does not know "sha" before GCC 14: CPUID leaf 7, EBX bit 29. The
 * instructions use SSE registers, which every system saves. */
static int has_sha(void)
{
	unsigned a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
}

static int usable_shani2(void)
{
	return has_sha() && __builtin_cpu_supports("sse4.1");
}

/* True only when XGETBV says that the system saves the registers. */
static int usable_avx512(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}
#else
static int usable_shani2(void)
{
	return 0;
}

static int usable_avx512(void)
{
	return 0;
}
#endif

#if defined(DIGEST_BUILT_SHANI2)
#define OPS_SHANI2 (&digest_ops_shani2)
#else
#define OPS_SHANI2 NULL
#endif
#if defined(DIGEST_BUILT_AVX512)
#define OPS_AVX512 (&digest_ops_avx512)
#else
#define OPS_AVX512 NULL
#endif

static const struct candidate candidates[DIGEST_KERNEL_COUNT] = {
	[DIGEST_KERNEL_AUTO] = {"auto", NULL, NULL},
	[DIGEST_KERNEL_LIBCRYPTO] = {"libcrypto", NULL, NULL},
	[DIGEST_KERNEL_SHANI2] = {"shani2", OPS_SHANI2, usable_shani2},
	[DIGEST_KERNEL_AVX512] = {"avx512", OPS_AVX512, usable_avx512},
};

/* The module's only state. Written by digest_init() alone. */
static struct digest_serve serving;

struct digest_serve digest_serve_now(void)
{
	return serving;
}

static enum digest_verdict availability(enum digest_kernel kernel)
{
	const struct candidate *c = &candidates[kernel];

	if (kernel == DIGEST_KERNEL_LIBCRYPTO)
		return DIGEST_VERDICT_CHOSEN;
	if (!c->ops)
		return DIGEST_VERDICT_NOT_BUILT;
	return c->usable() ? DIGEST_VERDICT_CHOSEN : DIGEST_VERDICT_NO_CPU;
}

const struct digest_ops *digest_ops_of(enum digest_kernel kernel)
{
	if ((unsigned)kernel >= DIGEST_KERNEL_COUNT ||
	    availability(kernel) != DIGEST_VERDICT_CHOSEN)
		return NULL;
	return candidates[kernel].ops;
}

static const char *verdict_text(enum digest_verdict verdict)
{
	switch (verdict) {
	case DIGEST_VERDICT_UNTRIED:
		return "not tried";
	case DIGEST_VERDICT_CHOSEN:
		return "chosen";
	case DIGEST_VERDICT_NOT_BUILT:
		return "not built";
	case DIGEST_VERDICT_NO_CPU:
		return "not on this cpu";
	case DIGEST_VERDICT_WRONG:
		return "failed its self-test";
	}
	return "?";
}

/* Kernels by verdict, from the fastest down, behind what stands in `why`. */
static void append(struct digest_choice *choice, bool chosen, const char *before,
		   const char *between)
{
	for (unsigned i = DIGEST_KERNEL_COUNT - 1; i > DIGEST_KERNEL_AUTO; i--) {
		const enum digest_verdict verdict = choice->verdict[i];
		const size_t used = strlen(choice->why);

		if (verdict == DIGEST_VERDICT_UNTRIED ||
		    (verdict == DIGEST_VERDICT_CHOSEN) != chosen)
			continue;
		snprintf(choice->why + used, sizeof(choice->why) - used, "%s%s%s%s", before,
			 candidates[i].name, chosen ? "" : " ",
			 chosen ? "" : verdict_text(verdict));
		before = between;
	}
}

/* "avx512, shani2, libcrypto (auto)"; "libcrypto (auto): avx512 not on this cpu, ..." */
static void explain(struct digest_choice *choice, enum digest_kernel want)
{
	size_t used;

	choice->why[0] = '\0';
	append(choice, true, "", ", ");
	used = strlen(choice->why);
	snprintf(choice->why + used, sizeof(choice->why) - used, "%s (%s)",
		 used ? "" : "none", want == DIGEST_KERNEL_AUTO ? "auto" : "forced");
	append(choice, false, ": ", ", ");
}

static bool wanted(enum digest_kernel want, enum digest_kernel kernel)
{
	return want == DIGEST_KERNEL_AUTO || want == kernel;
}

enum km_rc digest_init(enum digest_kernel want, struct digest_choice *choice)
{
	struct digest_choice made = {0};
	struct digest_serve serve = {NULL, NULL};

	if ((unsigned)want >= DIGEST_KERNEL_COUNT)
		return KM_ERR_UNSUPPORTED;
	for (unsigned i = DIGEST_KERNEL_LIBCRYPTO; i < DIGEST_KERNEL_COUNT; i++) {
		const struct digest_ops *ops = candidates[i].ops;

		if (!wanted(want, (enum digest_kernel)i))
			continue;
		made.verdict[i] = availability((enum digest_kernel)i);
		if (!ops || made.verdict[i] != DIGEST_VERDICT_CHOSEN)
			continue;
		if (digest_selftest(ops) != 0)
			made.verdict[i] = DIGEST_VERDICT_WRONG;
		else if (i == DIGEST_KERNEL_AVX512)
			serve.wide = ops;
		else
			serve.narrow = ops;
	}
	explain(&made, want);
	if (choice)
		*choice = made;
	if (want != DIGEST_KERNEL_AUTO && made.verdict[want] != DIGEST_VERDICT_CHOSEN)
		return KM_ERR_UNSUPPORTED;
	serving = serve;
	return KM_OK;
}

const char *digest_kernel_name(enum digest_kernel kernel)
{
	return (unsigned)kernel < DIGEST_KERNEL_COUNT ? candidates[kernel].name : "?";
}

void digest_many(const struct digest_job *jobs, size_t n)
{
	digest_many_by(&serving, jobs, n);
}

void digest_leaves(uint8_t (*out)[DIGEST_LEN], const void *p, size_t len)
{
	struct digest_job jobs[LEAVES_AT_ONCE];
	const uint8_t *at = p;

	while (len) {
		unsigned n = 0;

		for (; n < LEAVES_AT_ONCE && len; n++) {
			const size_t leaf = len < WIRE_TREE_LEAF ? len : WIRE_TREE_LEAF;

			jobs[n] = (struct digest_job){at, leaf, *out++};
			at += leaf;
			len -= leaf;
		}
		digest_many(jobs, n);
	}
}

unsigned digest_many_lanes(void)
{
	if (serving.wide)
		return serving.wide->lanes;
	return serving.narrow ? serving.narrow->lanes : 1;
}

void digest_many_update(struct digest_object *d, const void *p, size_t len)
{
	uint8_t leaf[LEAVES_AT_ONCE][DIGEST_LEN];
	const uint64_t fed = digest_object_fed(d), size = digest_object_size(d);
	const uint8_t *at = p;

	if (!digest_is_tree(size) || fed % WIRE_TREE_LEAF || len > size - fed) {
		digest_object_update(d, p, len); /* which knows what to do with too much */
		return;
	}
	while (len >= WIRE_TREE_LEAF) {
		const size_t whole = len / WIRE_TREE_LEAF;
		const size_t n = whole < LEAVES_AT_ONCE ? whole : LEAVES_AT_ONCE;

		digest_leaves(leaf, at, n * WIRE_TREE_LEAF);
		for (size_t i = 0; i < n; i++)
			if (digest_object_leaf(d, leaf[i]) != KM_OK)
				abort(); /* looked at above */
		at += n * WIRE_TREE_LEAF;
		len -= n * WIRE_TREE_LEAF;
	}
	digest_object_update(d, at, len);
}
