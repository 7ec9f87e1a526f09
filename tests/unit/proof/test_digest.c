// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "digest_file.h"
#include "digest_many.h"
#include "seeded.h"

#define MIB (UINT64_C(1) << 20)

static void hex_of(char hex[DIGEST_HEX_LEN + 1], const void *p, size_t len)
{
	uint8_t d[DIGEST_LEN];

	digest_sha256(d, p, len);
	digest_hex(hex, d);
}

/* FIPS 180-2 appendix B, and the empty message. */
Test(digest, known_answers)
{
	char hex[DIGEST_HEX_LEN + 1];

	hex_of(hex, "", 0);
	cr_assert_str_eq(
		hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	hex_of(hex, "abc", 3);
	cr_assert_str_eq(
		hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	hex_of(hex, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56);
	cr_assert_str_eq(
		hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

Test(digest, hex_is_strict)
{
	char hex[DIGEST_HEX_LEN + 1];
	uint8_t d[DIGEST_LEN], e[DIGEST_LEN];

	digest_sha256(d, "abc", 3);
	digest_hex(hex, d);
	cr_assert_eq(digest_from_hex(e, hex, DIGEST_HEX_LEN), KM_OK);
	cr_assert_arr_eq(d, e, DIGEST_LEN);
	cr_assert_eq(digest_from_hex(e, hex, DIGEST_HEX_LEN - 1), KM_ERR_MALFORMED);
	cr_assert_eq(digest_from_hex(e, hex, DIGEST_HEX_LEN + 1), KM_ERR_MALFORMED);
	hex[0] = 'B';
	cr_assert_eq(digest_from_hex(e, hex, DIGEST_HEX_LEN), KM_ERR_MALFORMED,
		     "upper case");
	hex[0] = 'g';
	cr_assert_eq(digest_from_hex(e, hex, DIGEST_HEX_LEN), KM_ERR_MALFORMED);
}

Test(digest, running_and_reused)
{
	struct digest *d = digest_new();
	uint8_t got[DIGEST_LEN], want[DIGEST_LEN];

	cr_assert_not_null(d);
	for (int i = 0; i < 3; i++) {
		digest_begin(d);
		digest_update(d, "a", 1);
		digest_update(d, "", 0);
		digest_update(d, "bc", 2);
		digest_end(d, got);
		digest_sha256(want, "abc", 3);
		cr_assert_arr_eq(got, want, DIGEST_LEN);
	}
	digest_begin(d);
	digest_update(d, "thrown away", 11);
	digest_begin(d);
	digest_end(d, got);
	digest_sha256(want, NULL, 0);
	cr_assert_arr_eq(got, want, DIGEST_LEN);
	digest_free(d);
	digest_free(NULL);
}

/* The tree as its definition says it, slowly. */
static void tree_by_hand(uint8_t out[DIGEST_LEN], const uint8_t *p, uint64_t size)
{
	static char list[70 * 65];
	size_t used = 0;

	for (uint64_t at = 0; at < size; at += MIB) {
		size_t n = (size_t)(size - at < MIB ? size - at : MIB);

		cr_assert_lt(used + 65, sizeof(list));
		hex_of(list + used, p + at, n);
		used += DIGEST_HEX_LEN;
		list[used++] = '\n';
	}
	digest_sha256(out, list, used);
}

static uint8_t *large(uint64_t size)
{
	uint8_t *p = malloc(size);

	cr_assert_not_null(p);
	for (uint64_t i = 0; i < size; i++)
		p[i] = (uint8_t)(i >> 12 ^ i * 31);
	return p;
}

static void by_object(uint8_t out[DIGEST_LEN], const uint8_t *p, uint64_t size, size_t step)
{
	struct digest_object *d = digest_object_new(size);

	cr_assert_not_null(d);
	for (uint64_t at = 0; at < size; at += step)
		digest_object_update(d, p + at,
				     size - at < step ? (size_t)(size - at) : step);
	cr_assert_eq(digest_object_end(d, out), KM_OK);
	digest_object_free(d);
}

Test(digest, object_flat_below_64_mib_tree_from_there, .timeout = 60)
{
	const uint64_t size = 64 * MIB;
	uint8_t *p = large(size + 3 * MIB / 2);
	uint8_t got[DIGEST_LEN], want[DIGEST_LEN];

	cr_assert(!digest_is_tree(size - 1) && digest_is_tree(size));
	by_object(got, p, size - 1, 1000003);
	digest_sha256(want, p, (size_t)size - 1);
	cr_assert_arr_eq(got, want, DIGEST_LEN);

	by_object(got, p, size, 8944);
	tree_by_hand(want, p, size);
	cr_assert_arr_eq(got, want, DIGEST_LEN, "no empty leaf at the end");

	by_object(got, p, size + 3 * MIB / 2, 3000017);
	tree_by_hand(want, p, size + 3 * MIB / 2);
	cr_assert_arr_eq(got, want, DIGEST_LEN, "the last leaf is half");
	free(p);
}

Test(digest, tree_from_leaves)
{
	uint8_t leaf[DIGEST_LEN], got[DIGEST_LEN], want[DIGEST_LEN];
	struct digest *d = digest_new();
	uint8_t *p = large(2 * MIB + 5);

	cr_assert_not_null(d);
	digest_tree_begin(d);
	for (uint64_t at = 0; at < 2 * MIB + 5; at += MIB) {
		digest_sha256(leaf, p + at, at == 2 * MIB ? 5 : MIB);
		digest_tree_leaf(d, leaf);
	}
	digest_end(d, got);
	tree_by_hand(want, p, 2 * MIB + 5);
	cr_assert_arr_eq(got, want, DIGEST_LEN);
	digest_free(d);
	free(p);
}

Test(digest, object_of_another_size)
{
	struct digest_object *d = digest_object_new(10);
	uint8_t out[DIGEST_LEN];

	cr_assert_not_null(d);
	digest_object_update(d, "012345678", 9);
	cr_assert_eq(digest_object_end(d, out), KM_ERR_RANGE);
	digest_object_update(d, "9", 1);
	cr_assert_eq(digest_object_end(d, out), KM_OK);
	digest_object_free(d);
	d = digest_object_new(10);
	digest_object_update(d, "0123456789a", 11);
	digest_object_update(d, "0123456789", 10);
	cr_assert_eq(digest_object_end(d, out), KM_ERR_RANGE);
	digest_object_free(d);
	d = digest_object_new(0);
	cr_assert_eq(digest_object_end(d, out), KM_OK);
	digest_object_free(d);
	digest_object_free(NULL);
}

/* By whichever kernels serve: the same digest, and the same errors. */
static void check_file(enum digest_kernel kernel)
{
	const uint64_t size = 65 * MIB + 17;
	int fd = memfd_create("digest", MFD_CLOEXEC);
	uint8_t got[DIGEST_LEN], want[DIGEST_LEN];
	struct km_err err = KM_ERR_INIT;
	uint8_t *p = large(size);

	if (digest_init(kernel, NULL) != KM_OK)
		cr_skip_test("kernel %s is not to be had here", digest_kernel_name(kernel));
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, p, size), (ssize_t)size);
	cr_assert_eq(digest_file(got, fd, size, &err), 0, "%s", err.text);
	tree_by_hand(want, p, size);
	cr_assert_arr_eq(got, want, DIGEST_LEN);
	cr_assert_eq(digest_file(got, fd, size + 1, &err), -1);
	cr_assert_eq(err.code, EX_DATAERR);
	cr_assert_eq(digest_file(got, fd, size + 40 * MIB, &err), -1);
	cr_assert_eq(err.code, EX_DATAERR);
	cr_assert_eq(digest_file(got, fd, size - 1, &err), -1);
	cr_assert_eq(err.code, EX_DATAERR);
	cr_assert_eq(ftruncate(fd, 0), 0);
	cr_assert_eq(digest_file(got, fd, 0, &err), 0, "%s", err.text);
	close(fd);
	cr_assert_eq(digest_file(got, fd, 5, &err), -1);
	free(p);
}

Test(digest, file_by_libcrypto, .timeout = 60)
{
	check_file(DIGEST_KERNEL_LIBCRYPTO);
}

Test(digest, file_by_shani2, .timeout = 60)
{
	check_file(DIGEST_KERNEL_SHANI2);
}

Test(digest, file_by_avx512, .timeout = 60)
{
	check_file(DIGEST_KERNEL_AVX512);
}

/* Bytes from memory and from the file by turns, stopping anywhere. */
Test(digest, file_fed_in_any_steps, .timeout = 60)
{
	const uint64_t size = 67 * MIB + 5;
	static uint8_t buf[DIGEST_FILE_BUF];
	int fd = memfd_create("digest", MFD_CLOEXEC);
	uint8_t got[DIGEST_LEN], want[DIGEST_LEN];
	uint8_t *p = large(size);
	struct seeded rng;

	seeded_init(&rng, "digest.file_fed_in_any_steps");
	cr_assert_eq(digest_init(DIGEST_KERNEL_AUTO, NULL), KM_OK);
	cr_assert_eq(write(fd, p, size), (ssize_t)size);
	tree_by_hand(want, p, size);
	for (unsigned round = 0; round < 8; round++) {
		struct digest_object *d = digest_object_new(size);
		uint64_t at;

		cr_assert_not_null(d);
		cr_assert_eq(digest_file_feed(d, fd, size + 1, buf), KM_ERR_RANGE);
		while ((at = digest_object_fed(d)) < size) {
			uint64_t n = 1 + seeded_below(&rng, round < 4 ? 40 * MIB : 3 * MIB);

			n = n < size - at ? n : size - at;
			if (seeded_below(&rng, 2))
				n = n > MIB ? n - (at + n) % MIB : n; /* to a leaf's end */
			if (seeded_below(&rng, 3) == 0)
				digest_object_update(d, p + at, (size_t)n);
			else
				cr_assert_eq(digest_file_feed(d, fd, at + n, buf), KM_OK);
			cr_assert_eq(digest_object_fed(d), at + n);
		}
		cr_assert_eq(digest_object_end(d, got), KM_OK);
		cr_assert_arr_eq(got, want, DIGEST_LEN, "round %u", round);
		digest_object_free(d);
	}
	close(fd);
	free(p);
}

Test(digest, leaf_only_where_one_begins)
{
	struct digest_object *d = digest_object_new(64 * MIB);
	struct digest_object *flat = digest_object_new(2 * MIB);
	uint8_t leaf[DIGEST_LEN] = {0};

	cr_assert(d && flat);
	cr_assert_eq(digest_object_leaf(flat, leaf), KM_ERR_STATE);
	digest_object_update(d, "x", 1);
	cr_assert_eq(digest_object_leaf(d, leaf), KM_ERR_STATE);
	digest_object_free(d);
	d = digest_object_new(64 * MIB);
	for (unsigned i = 0; i < 64; i++)
		cr_assert_eq(digest_object_leaf(d, leaf), KM_OK);
	cr_assert_eq(digest_object_leaf(d, leaf), KM_ERR_STATE);
	digest_object_free(d);
	digest_object_free(flat);
}

/* However the bytes are cut, the digest is the same. */
Test(digest, random_cuts)
{
	struct seeded rng;
	static uint8_t p[200000];

	seeded_init(&rng, "digest.random_cuts");
	seeded_bytes(&rng, p, sizeof(p));
	for (unsigned i = 0; i < 50; i++) {
		size_t len = seeded_below(&rng, sizeof(p) + 1);
		uint8_t got[DIGEST_LEN], want[DIGEST_LEN];

		by_object(got, p, len, 1 + seeded_below(&rng, 9000));
		digest_sha256(want, p, len);
		cr_assert_arr_eq(got, want, DIGEST_LEN);
	}
}
