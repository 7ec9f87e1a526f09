// SPDX-License-Identifier: ISC
/*
 * Digests in lanes are libcrypto's: every kernel, alone and together, for any lengths and
 * numbers, reading nothing outside a message. And a kernel that gives anything else is
 * refused by the self-test.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "digest_kern.h"
#include "seeded.h"

#define MIB (UINT64_C(1) << 20)
#define JOBS_MAX 100u
#define BYTES_MAX 200000u
#define POISON 0x5a

static uint8_t bytes[BYTES_MAX];
static uint8_t got[JOBS_MAX + 1][DIGEST_LEN];

static void check(const struct digest_serve *serve, struct digest_job *jobs, unsigned n,
		  const char *what)
{
	uint8_t want[DIGEST_LEN];

	memset(got, POISON, sizeof(got));
	for (unsigned i = 0; i < n; i++)
		jobs[i].out = got[i];
	digest_many_by(serve, jobs, n);
	for (unsigned i = 0; i < n; i++) {
		digest_sha256(want, jobs[i].p, jobs[i].len);
		cr_assert_arr_eq(got[i], want, DIGEST_LEN,
				 "%s: message %u of %u, %zu bytes", what, i, n,
				 jobs[i].len);
	}
	for (unsigned i = 0; i < DIGEST_LEN; i++)
		cr_assert_eq(got[n][i], POISON, "%s: %u digests, and one more", what, n);
}

/* Every length through two blocks and both paddings, in lanes of one length. */
static void check_lengths(const struct digest_serve *serve, const char *what)
{
	struct digest_job jobs[JOBS_MAX];

	for (size_t len = 0; len <= 3 * DIGEST_BLOCK + 1; len++) {
		for (unsigned i = 0; i < 17; i++)
			jobs[i] = (struct digest_job){.p = bytes + 5 * i, .len = len};
		check(serve, jobs, 17, what);
	}
}

static void check_random(const struct digest_serve *serve, const char *what)
{
	struct digest_job jobs[JOBS_MAX];
	struct seeded rng;

	seeded_init(&rng, what);
	seeded_bytes(&rng, bytes, sizeof(bytes));
	check_lengths(serve, what);
	for (unsigned round = 0; round < 200; round++) {
		const unsigned n = (unsigned)seeded_below(&rng, JOBS_MAX + 1);
		/* Now and then one message that outlasts all the others. */
		const unsigned giant = (unsigned)seeded_below(&rng, 3 * JOBS_MAX);
		const size_t most = 1 + seeded_below(&rng, round % 2 ? 9000 : 300);

		for (unsigned i = 0; i < n; i++) {
			const size_t at = seeded_below(&rng, 1000);

			jobs[i] = (struct digest_job){
				.p = bytes + at,
				.len = i == giant ? BYTES_MAX - at
						  : seeded_below(&rng, most)};
		}
		check(serve, jobs, n, what);
	}
}

/* Messages that end, and messages that begin, where memory does. */
static void check_guards(const struct digest_serve *serve, const char *what)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *p = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct digest_job jobs[JOBS_MAX];

	cr_assert_neq(p, MAP_FAILED);
	cr_assert_eq(mprotect(p + page, page, PROT_READ | PROT_WRITE), 0);
	memset(p + page, 0x3c, page);
	for (size_t len = 0; len <= 200; len++) {
		/* Unequal lengths: idle and waiting lanes read somewhere too. */
		for (unsigned i = 0; i < 19; i++) {
			const size_t n = len + 7 * i;

			jobs[i] = (struct digest_job){
				.p = i % 2 ? p + page : p + 2 * page - n, .len = n};
		}
		check(serve, jobs, 19, what);
	}
	cr_assert_eq(munmap(p, 3 * page), 0);
}

static void check_kernel(enum digest_kernel kernel, const char *what)
{
	const struct digest_ops *ops = digest_ops_of(kernel);
	const struct digest_serve wide = {.wide = ops}, narrow = {.narrow = ops};

	if (!ops)
		cr_skip_test("kernel %s: not built, or not on this processor",
			     digest_kernel_name(kernel));
	check_random(&wide, what);
	check_guards(&wide, what);
	check_random(&narrow, what);
	cr_assert_eq(digest_selftest(ops), 0);
}

Test(digest_many, shani2, .timeout = 120)
{
	check_kernel(DIGEST_KERNEL_SHANI2, "digest_many.shani2");
}

Test(digest_many, avx512, .timeout = 120)
{
	check_kernel(DIGEST_KERNEL_AVX512, "digest_many.avx512");
}

/* The wide one hands what remains over to the narrow one. */
Test(digest_many, both, .timeout = 120)
{
	const struct digest_serve both = {.wide = digest_ops_of(DIGEST_KERNEL_AVX512),
					  .narrow = digest_ops_of(DIGEST_KERNEL_SHANI2)};

	if (!both.wide || !both.narrow)
		cr_skip_test("not both kernels are built, or on this processor");
	check_random(&both, "digest_many.both");
	check_guards(&both, "digest_many.both");
}

Test(digest_many, libcrypto)
{
	const struct digest_serve none = {NULL, NULL};

	check_random(&none, "digest_many.libcrypto");
}

/* ---- lanes without special instructions: the filling and the self-test on any machine ---- */

static uint32_t ror(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

/* FIPS 180-4, 6.2.2, as it is written there. */
static void compress_plainly(uint32_t s[DIGEST_WORDS], const uint8_t *p)
{
	uint32_t w[64], v[DIGEST_WORDS];

	for (unsigned t = 0; t < 16; t++)
		w[t] = (uint32_t)p[4 * t] << 24 | (uint32_t)p[4 * t + 1] << 16 |
		       (uint32_t)p[4 * t + 2] << 8 | p[4 * t + 3];
	for (unsigned t = 16; t < 64; t++)
		w[t] = w[t - 16] + w[t - 7] +
		       (ror(w[t - 15], 7) ^ ror(w[t - 15], 18) ^ w[t - 15] >> 3) +
		       (ror(w[t - 2], 17) ^ ror(w[t - 2], 19) ^ w[t - 2] >> 10);
	memcpy(v, s, sizeof(v));
	for (unsigned t = 0; t < 64; t++) {
		const uint32_t t1 = v[7] + (ror(v[4], 6) ^ ror(v[4], 11) ^ ror(v[4], 25)) +
				    ((v[4] & v[5]) ^ (~v[4] & v[6])) + digest_k[t] + w[t];
		const uint32_t t2 = (ror(v[0], 2) ^ ror(v[0], 13) ^ ror(v[0], 22)) +
				    ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (unsigned i = 0; i < DIGEST_WORDS; i++)
		s[i] += v[i];
}

static void blocks_plainly(uint32_t *state, const uint8_t *const *data, size_t count,
			   unsigned lanes)
{
	for (unsigned l = 0; l < lanes; l++) {
		uint32_t s[DIGEST_WORDS];

		for (unsigned w = 0; w < DIGEST_WORDS; w++)
			s[w] = state[w * lanes + l];
		for (size_t i = 0; i < count; i++)
			compress_plainly(s, data[l] + i * DIGEST_BLOCK);
		for (unsigned w = 0; w < DIGEST_WORDS; w++)
			state[w * lanes + l] = s[w];
	}
}

static void blocks_of_sixteen(uint32_t *state, const uint8_t *const *data, size_t count)
{
	blocks_plainly(state, data, count, 16);
}

static void blocks_of_three(uint32_t *state, const uint8_t *const *data, size_t count)
{
	blocks_plainly(state, data, count, 3);
}

static const struct digest_ops sixteen = {"sixteen", 16, blocks_of_sixteen};
static const struct digest_ops three = {"three", 3, blocks_of_three};

Test(digest_many, lanes_on_any_machine, .timeout = 120)
{
	const struct digest_serve both = {.wide = &sixteen, .narrow = &three};

	cr_assert_eq(digest_selftest(&sixteen), 0);
	cr_assert_eq(digest_selftest(&three), 0);
	check_random(&both, "digest_many.lanes");
	check_guards(&both, "digest_many.lanes");
}

/* ---- kernels broken on purpose ---- */

/* One bit of one lane, once the message is long. */
static void blocks_one_bit(uint32_t *state, const uint8_t *const *data, size_t count)
{
	blocks_of_sixteen(state, data, count);
	if (count > 20)
		state[3 * 16 + 11] ^= 0x00010000;
}

/* The last lane takes what the one before it has. */
static void blocks_wrong_lane(uint32_t *state, const uint8_t *const *data, size_t count)
{
	const uint8_t *mixed[16];

	memcpy(mixed, data, sizeof(mixed));
	mixed[15] = data[14];
	blocks_of_sixteen(state, mixed, count);
}

/* A block too few. */
static void blocks_too_few(uint32_t *state, const uint8_t *const *data, size_t count)
{
	if (count > 1)
		blocks_of_sixteen(state, data, count - 1);
	else
		blocks_of_sixteen(state, data, count);
}

/* Does nothing at all. */
static void blocks_none(uint32_t *state, const uint8_t *const *data, size_t count)
{
	(void)state;
	(void)data;
	(void)count;
}

Test(digest_many, broken_kernels_are_refused)
{
	const struct digest_ops broken[] = {
		{"one bit", 16, blocks_one_bit},
		{"wrong lane", 16, blocks_wrong_lane},
		{"too few", 16, blocks_too_few},
		{"none", 16, blocks_none},
	};

	for (unsigned i = 0; i < KM_COUNT(broken); i++)
		cr_assert_neq(digest_selftest(&broken[i]), 0, "%s", broken[i].name);
}

/* ---- choice ---- */

Test(digest_many, choice)
{
	struct digest_choice choice;

	cr_assert_eq(digest_init(DIGEST_KERNEL_COUNT, &choice), KM_ERR_UNSUPPORTED);
	cr_assert_eq(digest_init(DIGEST_KERNEL_AUTO, &choice), KM_OK);
	cr_assert_eq(choice.verdict[DIGEST_KERNEL_LIBCRYPTO], DIGEST_VERDICT_CHOSEN);
	for (unsigned i = DIGEST_KERNEL_SHANI2; i < DIGEST_KERNEL_COUNT; i++) {
		const enum digest_kernel kernel = (enum digest_kernel)i;
		const bool there = digest_ops_of(kernel) != NULL;

		cr_assert_eq(choice.verdict[i] == DIGEST_VERDICT_CHOSEN, there, "%s: %s",
			     digest_kernel_name(kernel), choice.why);
		cr_assert_not_null(strstr(choice.why, digest_kernel_name(kernel)));
		cr_assert_eq(digest_init(kernel, NULL), there ? KM_OK : KM_ERR_UNSUPPORTED);
	}
	cr_assert_eq(digest_init(DIGEST_KERNEL_LIBCRYPTO, &choice), KM_OK);
	cr_assert_str_eq(choice.why, "libcrypto (forced)");
}

Test(digest_many, leaves, .timeout = 60)
{
	const size_t most = 70 * MIB + 12345;
	uint8_t *p = malloc(most), (*out)[DIGEST_LEN] = malloc(71 * sizeof(*out));
	const size_t lens[] = {0, 1, MIB - 1, MIB, MIB + 1, 17 * MIB, most};

	cr_assert(p && out);
	for (size_t i = 0; i < most; i++)
		p[i] = (uint8_t)(i >> 12 ^ i * 31);
	cr_assert_eq(digest_init(DIGEST_KERNEL_AUTO, NULL), KM_OK);
	for (unsigned i = 0; i < KM_COUNT(lens); i++) {
		const size_t leaves = digest_leaf_count(lens[i]);

		cr_assert_eq(leaves, (lens[i] + MIB - 1) / MIB);
		digest_leaves(out, p, lens[i]);
		for (size_t leaf = 0; leaf < leaves; leaf++) {
			const size_t at = leaf * MIB;
			uint8_t want[DIGEST_LEN];

			digest_sha256(want, p + at,
				      lens[i] - at < MIB ? lens[i] - at : MIB);
			cr_assert_arr_eq(out[leaf], want, DIGEST_LEN, "leaf %zu of %zu",
					 leaf, leaves);
		}
	}
	free(p);
	free(out);
}
