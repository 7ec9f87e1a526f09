// SPDX-License-Identifier: ISC
/*
 * Which kernel serves. The list below is the whole policy: AUTO takes the last row that is
 * built, runnable and correct. FEC_BUILT_* come from fec/meson.build, one per kernel file
 * that this compiler could build for this architecture.
 */
#include <stdio.h>
#include <string.h>

#include "fec_kern.h"

struct candidate {
	const char *name;
	const struct fec_ops *ops; /* NULL: not built */
	int (*usable)(void);
};

/*
 * __builtin_cpu_supports() reports AVX and AVX-512 only when XGETBV says that the OS saves
 * their registers. GFNI it reports from CPUID alone, hence never asked for by itself.
 */
#if defined(__x86_64__)
#define CPU_HAS(feature) (__builtin_cpu_supports(feature) != 0)
#else
#define CPU_HAS(feature) 0
#endif

static int usable_always(void)
{
	return 1;
}

static int usable_ssse3(void)
{
	return CPU_HAS("ssse3");
}

static int usable_avx2(void)
{
	return CPU_HAS("avx2");
}

static int usable_gfni256(void)
{
	return CPU_HAS("avx2") && CPU_HAS("gfni");
}

static int usable_gfni512(void)
{
	return CPU_HAS("avx512f") && CPU_HAS("avx512bw") && CPU_HAS("avx512vl") &&
	       CPU_HAS("gfni");
}

#if defined(FEC_BUILT_NEON)
#define OPS_NEON (&fec_ops_neon)
#else
#define OPS_NEON NULL
#endif
#if defined(FEC_BUILT_SSSE3)
#define OPS_SSSE3 (&fec_ops_ssse3)
#else
#define OPS_SSSE3 NULL
#endif
#if defined(FEC_BUILT_AVX2)
#define OPS_AVX2 (&fec_ops_avx2)
#else
#define OPS_AVX2 NULL
#endif
#if defined(FEC_BUILT_GFNI256)
#define OPS_GFNI256 (&fec_ops_gfni256)
#else
#define OPS_GFNI256 NULL
#endif
#if defined(FEC_BUILT_GFNI512)
#define OPS_GFNI512 (&fec_ops_gfni512)
#else
#define OPS_GFNI512 NULL
#endif

static const struct candidate candidates[FEC_KERNEL_COUNT] = {
	[FEC_KERNEL_AUTO] = {"auto", NULL, NULL},
	[FEC_KERNEL_SCALAR] = {"scalar", &fec_ops_scalar, usable_always},
	[FEC_KERNEL_NEON] = {"neon", OPS_NEON, usable_always}, /* where it is built */
	[FEC_KERNEL_SSSE3] = {"ssse3", OPS_SSSE3, usable_ssse3},
	[FEC_KERNEL_AVX2] = {"avx2", OPS_AVX2, usable_avx2},
	[FEC_KERNEL_GFNI256] = {"gfni256", OPS_GFNI256, usable_gfni256},
	[FEC_KERNEL_GFNI512] = {"gfni512", OPS_GFNI512, usable_gfni512},
};

/* The library's only state. Written by fec_init() alone. */
static enum fec_kernel kernel_now = FEC_KERNEL_SCALAR;

const struct fec_ops *fec_ops_now(void)
{
	return candidates[kernel_now].ops;
}

enum fec_kernel fec_kernel_now(void)
{
	return kernel_now;
}

static int known(enum fec_kernel kernel)
{
	return (unsigned)kernel < FEC_KERNEL_COUNT;
}

static enum fec_verdict availability(enum fec_kernel kernel)
{
	const struct candidate *c = &candidates[kernel];

	if (!c->ops)
		return FEC_VERDICT_NOT_BUILT;
#if defined(__x86_64__)
	__builtin_cpu_init();
#endif
	return c->usable() ? FEC_VERDICT_CHOSEN : FEC_VERDICT_NO_CPU;
}

const struct fec_ops *fec_ops_of(enum fec_kernel kernel)
{
	if (!known(kernel) || availability(kernel) != FEC_VERDICT_CHOSEN)
		return NULL;
	return candidates[kernel].ops;
}

static enum fec_verdict judge(enum fec_kernel kernel)
{
	enum fec_verdict verdict = availability(kernel);

	if (verdict == FEC_VERDICT_CHOSEN && fec_selftest(candidates[kernel].ops) != 0)
		verdict = FEC_VERDICT_WRONG;
	return verdict;
}

/* "avx2 (auto): gfni512 not on this cpu, gfni256 not on this cpu" */
static void explain(struct fec_choice *choice, enum fec_kernel want)
{
	const char *before = ": ";
	size_t used;

	snprintf(choice->why, sizeof(choice->why), "%s (%s)",
		 choice->kernel == FEC_KERNEL_AUTO ? "none"
						   : fec_kernel_name(choice->kernel),
		 want == FEC_KERNEL_AUTO ? "auto" : "forced");
	for (unsigned i = FEC_KERNEL_COUNT - 1; i > FEC_KERNEL_AUTO; i--) {
		const enum fec_verdict verdict = choice->verdict[i];

		if (verdict == FEC_VERDICT_UNTRIED || verdict == FEC_VERDICT_CHOSEN)
			continue;
		used = strlen(choice->why);
		snprintf(choice->why + used, sizeof(choice->why) - used, "%s%s %s", before,
			 candidates[i].name, fec_verdict_text(verdict));
		before = ", ";
	}
}

int fec_init(enum fec_kernel want, struct fec_choice *choice)
{
	struct fec_choice made = {.kernel = FEC_KERNEL_AUTO};
	unsigned first = want, last = want;

	if (!known(want))
		return FEC_ERR_KERNEL;
	if (want == FEC_KERNEL_AUTO) {
		first = FEC_KERNEL_SCALAR;
		last = FEC_KERNEL_COUNT - 1;
	}
	for (unsigned i = last; i >= first; i--) {
		made.verdict[i] = judge((enum fec_kernel)i);
		if (made.verdict[i] == FEC_VERDICT_CHOSEN) {
			made.kernel = (enum fec_kernel)i;
			break;
		}
	}
	explain(&made, want);
	if (choice)
		*choice = made;
	if (made.kernel == FEC_KERNEL_AUTO)
		return FEC_ERR_KERNEL;
	kernel_now = made.kernel;
	return FEC_OK;
}

const char *fec_kernel_name(enum fec_kernel kernel)
{
	return known(kernel) ? candidates[kernel].name : "?";
}

int fec_kernel_from_name(const char *name)
{
	for (int i = 0; i < FEC_KERNEL_COUNT; i++)
		if (strcmp(name, candidates[i].name) == 0)
			return i;
	return FEC_ERR_KERNEL;
}

const char *fec_verdict_text(enum fec_verdict verdict)
{
	switch (verdict) {
	case FEC_VERDICT_UNTRIED:
		return "not tried";
	case FEC_VERDICT_CHOSEN:
		return "chosen";
	case FEC_VERDICT_NOT_BUILT:
		return "not built";
	case FEC_VERDICT_NO_CPU:
		return "not on this cpu";
	case FEC_VERDICT_WRONG:
		return "failed its self-test";
	}
	return "?";
}
