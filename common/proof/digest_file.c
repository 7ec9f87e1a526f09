// SPDX-License-Identifier: ISC
#include "digest_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "digest_kern.h"
#include "fileio.h"

_Static_assert(DIGEST_FILE_LEAVES == DIGEST_LANES_MAX, "a piece for each lane");
_Static_assert(WIRE_TREE_LEAF % DIGEST_FILE_PIECE == 0, "leaves are whole pieces");

/* The padding of a message of one leaf. */
static void leaf_padding(uint8_t block[DIGEST_BLOCK])
{
	uint64_t bits = (uint64_t)WIRE_TREE_LEAF * 8;

	memset(block, 0, DIGEST_BLOCK);
	block[0] = 0x80;
	for (unsigned i = 1; i <= 8; i++, bits >>= 8)
		block[DIGEST_BLOCK - i] = (uint8_t)bits;
}

static enum km_rc read_all(int fd, uint8_t *buf, size_t len, uint64_t at)
{
	ssize_t got = fileio_pread_full(fd, buf, len, (off_t)at);

	if (got < 0)
		return KM_ERR_SYS;
	return (size_t)got == len ? KM_OK : KM_ERR_SHORT;
}

/* The states of n <= lanes whole leaves from `at` on; lanes without one repeat the first. */
static enum km_rc leaves_states(const struct digest_ops *ops, int fd, uint64_t at,
				unsigned n, uint32_t *state, uint8_t *buf)
{
	const uint8_t *data[DIGEST_LANES_MAX];
	uint8_t padding[DIGEST_BLOCK];
	enum km_rc rc;

	for (unsigned i = 0; i < DIGEST_WORDS * ops->lanes; i++)
		state[i] = digest_iv[i / ops->lanes];
	for (unsigned l = 0; l < ops->lanes; l++)
		data[l] = buf + (size_t)(l < n ? l : 0) * DIGEST_FILE_STRIDE;
	for (uint64_t done = 0; done < WIRE_TREE_LEAF; done += DIGEST_FILE_PIECE) {
		for (unsigned l = 0; l < n; l++) {
			rc = read_all(fd, buf + (size_t)l * DIGEST_FILE_STRIDE,
				      DIGEST_FILE_PIECE,
				      at + (uint64_t)l * WIRE_TREE_LEAF + done);
			if (rc != KM_OK)
				return rc;
		}
		ops->blocks(state, data, DIGEST_FILE_PIECE / DIGEST_BLOCK);
	}
	leaf_padding(padding);
	for (unsigned l = 0; l < ops->lanes; l++)
		data[l] = padding;
	ops->blocks(state, data, 1);
	return KM_OK;
}

static enum km_rc feed_leaves(struct digest_object *d, const struct digest_ops *ops, int fd,
			      unsigned n, uint8_t *buf)
{
	_Alignas(64) uint32_t state[DIGEST_WORDS * DIGEST_LANES_MAX];
	const uint64_t at = digest_object_fed(d);
	enum km_rc rc;

	/* Several places of one file at once defeat read-ahead: say what comes, this time
	 * and the next. Costs next to nothing for pages that are there. */
	(void)posix_fadvise(fd, (off_t)at, (off_t)(2 * n * (uint64_t)WIRE_TREE_LEAF),
			    POSIX_FADV_WILLNEED);
	rc = leaves_states(ops, fd, at, n, state, buf);
	for (unsigned l = 0; rc == KM_OK && l < n; l++) {
		uint8_t leaf[DIGEST_LEN];

		for (unsigned w = 0; w < DIGEST_WORDS; w++)
			for (unsigned i = 0; i < 4; i++)
				leaf[4 * w + i] = (uint8_t)(state[w * ops->lanes + l] >>
							    (24 - 8 * i));
		rc = digest_object_leaf(d, leaf);
	}
	return rc;
}

static enum km_rc feed_in_order(struct digest_object *d, int fd, uint64_t to, uint8_t *buf)
{
	uint64_t at = digest_object_fed(d);

	while (at < to) {
		const size_t n =
			to - at < DIGEST_FILE_BUF ? (size_t)(to - at) : DIGEST_FILE_BUF;
		enum km_rc rc = read_all(fd, buf, n, at);

		if (rc != KM_OK)
			return rc;
		digest_object_update(d, buf, n);
		at += n;
	}
	return KM_OK;
}

/* Kernel for so many leaves; NULL: libcrypto, one after the other. */
static const struct digest_ops *kernel_for(uint64_t leaves)
{
	const struct digest_serve serve = digest_serve_now();

	if (serve.wide && (leaves >= DIGEST_WIDE_WORTH || (leaves > 1 && !serve.narrow)))
		return serve.wide;
	return leaves > 1 ? serve.narrow : NULL;
}

enum km_rc digest_file_feed(struct digest_object *d, int fd, uint64_t to, uint8_t *buf)
{
	enum km_rc rc = KM_OK;
	uint64_t at;

	if (to > digest_object_size(d))
		return KM_ERR_RANGE;
	while (rc == KM_OK && (at = digest_object_fed(d)) < to) {
		const bool tree = digest_is_tree(digest_object_size(d));
		const uint64_t begun = at % WIRE_TREE_LEAF;
		const uint64_t whole = tree && begun == 0 ? (to - at) / WIRE_TREE_LEAF : 0;
		const struct digest_ops *ops = kernel_for(whole);
		uint64_t stop = to;

		if (ops) {
			rc = feed_leaves(d, ops, fd,
					 whole < ops->lanes ? (unsigned)whole : ops->lanes,
					 buf);
			continue;
		}
		/* To the end of the leaf: from there on several may go side by side. */
		if (tree && to - at > WIRE_TREE_LEAF - begun)
			stop = at + (WIRE_TREE_LEAF - begun);
		rc = feed_in_order(d, fd, stop, buf);
	}
	return rc;
}

int digest_file(uint8_t out[DIGEST_LEN], int fd, uint64_t size, struct km_err *err)
{
	_cleanup_free_ uint8_t *buf = malloc(DIGEST_FILE_BUF);
	struct digest_object *d = digest_object_new(size);
	ssize_t more = 0;
	enum km_rc rc;

	if (!buf || !d) {
		digest_object_free(d);
		return km_err_set(err, EX_OSERR, "out of memory for hashing");
	}
	rc = digest_file_feed(d, fd, size, buf);
	if (rc == KM_ERR_SHORT)
		(void)km_err_set(err, EX_DATAERR, "ends before its %llu bytes",
				 (unsigned long long)size);
	else if (rc != KM_OK || (more = fileio_pread_full(fd, buf, 1, (off_t)size)) < 0)
		(void)km_err_set_errno(err, EX_IOERR, "reading at byte %llu",
				       (unsigned long long)digest_object_fed(d));
	else if (more > 0)
		(void)km_err_set(err, EX_DATAERR, "longer than its %llu bytes",
				 (unsigned long long)size);
	else
		rc = digest_object_end(d, out);
	digest_object_free(d);
	return rc == KM_OK && more == 0 ? 0 : -1;
}
