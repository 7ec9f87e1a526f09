// SPDX-License-Identifier: ISC
/*
 * No call of fec allocates. The C library's allocator is interposed by counting versions
 * in this program, so an allocation from anywhere in it, libc's own included, is seen.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "fec.h"

/* glibc's own entry points, which stay reachable when malloc is interposed. */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t n);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);
extern void __libc_free(void *p);

static volatile unsigned long calls;

void *malloc(size_t n)
{
	calls++;
	return __libc_malloc(n);
}

void *calloc(size_t count, size_t n)
{
	calls++;
	return __libc_calloc(count, n);
}

void *realloc(void *p, size_t n)
{
	calls++;
	return __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
	calls++;
	return __libc_memalign(align, n);
}

int posix_memalign(void **p, size_t align, size_t n)
{
	calls++;
	*p = __libc_memalign(align, n);
	return *p ? 0 : ENOMEM;
}

void free(void *p)
{
	if (p)
		calls++;
	__libc_free(p);
}

enum { K = 60, SIZE = 700 };

static uint8_t sources[K][SIZE], made[FEC_ROWS_MAX][SIZE], scratch[FEC_SCRATCH_MAX];
static uint8_t work[2 * FEC_ROWS_MAX * (SIZE + 128) + 64];

/* Everything the library does, for one code. Returns the number of calls that failed. */
static int use_all(unsigned M)
{
	const struct fec_geometry geo = {K, M, M};
	const uint8_t *src[K], *rows[FEC_ROWS_MAX];
	uint8_t *repair[FEC_ROWS_MAX], *got[K], present[FEC_BITMAP_BYTES] = {0};
	struct fec_encoder enc;
	int failed = 0;

	for (unsigned i = 0; i < K; i++)
		src[i] = got[i] = sources[i];
	for (unsigned j = 0; j < M; j++)
		rows[j] = repair[j] = made[j];
	for (int feed = FEC_FEED_SYMBOLS; feed <= FEC_FEED_CHUNKS; feed++) {
		failed += fec_encode_begin(&enc, M, SIZE, (enum fec_feed)feed, work,
					   sizeof(work)) != 0;
		for (unsigned i = 0; i < K; i++) {
			if (feed == FEC_FEED_SYMBOLS)
				failed += fec_encode_add(&enc, i, src[i], SIZE) != 0;
			else if (i % M == 0)
				failed += fec_encode_chunk(&enc, i, src + i,
							   K - i < M ? K - i : M, scratch,
							   sizeof(scratch)) != 0;
		}
		failed += fec_encode_finish(&enc) != 0;
		failed += fec_encode_row(&enc, 0) == NULL;
	}
	failed += fec_encode_block(&geo, SIZE, src, repair, scratch, sizeof(scratch)) != 0;
	memset(present, 0xff, sizeof(present));
	for (unsigned lost = 1; lost <= M && lost <= K; lost *= 2) {
		for (unsigned i = 0; i < lost; i++)
			present[i / 8] &= (uint8_t) ~(1u << i % 8);
		failed += fec_decode(&geo, SIZE, got, present, rows, scratch,
				     sizeof(scratch)) != 0;
	}
	return failed;
}

Test(fec_noalloc, the_counter_counts)
{
	void *(*volatile allocate)(size_t) = malloc;
	void (*volatile release)(void *) = free;
	const unsigned long before = calls;

	release(allocate(10));
	cr_assert_eq(calls, before + 2);
}

Test(fec_noalloc, nothing_allocates, .timeout = 60)
{
	for (int i = FEC_KERNEL_AUTO; i < FEC_KERNEL_COUNT; i++) {
		struct fec_choice choice;
		unsigned long before = calls;
		int failed = 0;
		const int rc = fec_init((enum fec_kernel)i, &choice);

		for (unsigned M = 1; rc == FEC_OK && M <= FEC_ROWS_MAX; M *= 2)
			failed += use_all(M);
		cr_assert_eq(calls, before, "%s: %lu calls", fec_kernel_name(i),
			     calls - before);
		cr_assert_eq(failed, 0, "%s", fec_kernel_name(i));
	}
}
