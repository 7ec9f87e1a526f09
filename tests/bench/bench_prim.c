// SPDX-License-Identifier: ISC
#include "bench_prim.h"

#include <openssl/sha.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "digest.h"
#include "keys.h"

#define PRIM_BUFFER (1u << 20) /* a leaf of the tree digest */
#define PRIM_FAR (256u << 20)  /* beyond every cache */

struct copy {
	uint8_t *from, *to;
	size_t len, total, at;
};

void *bench_prim_memory(size_t bytes)
{
	void *p = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);

	if (!p) {
		perror("bench_prim: memory");
		exit(EX_OSERR);
	}
	memset(p, 0x5a, bytes);
	return p;
}

static size_t prim_copy(void *ctx)
{
	struct copy *c = ctx;

	memcpy(c->to + c->at, c->from + c->at, c->len);
	c->at = c->at + 2 * c->len <= c->total ? c->at + c->len : 0;
	return c->len;
}

static void prim_copies(const struct bench_rows *rows)
{
	struct copy c = {.from = bench_prim_memory(PRIM_FAR),
			 .to = bench_prim_memory(PRIM_FAR)};

	c.len = c.total = 512u << 10;
	bench_rows_throughput(rows, "prim.memcpy.512KiB", prim_copy, &c);
	c.total = PRIM_FAR;
	c.at = 0;
	bench_rows_throughput(rows, "prim.memcpy.far", prim_copy, &c);
	c.len = BENCH_PRIM_FRAME_LARGE;
	c.at = 0;
	bench_rows_throughput(rows, "prim.memcpy.far.8900", prim_copy, &c);
	free(c.from);
	free(c.to);
}

struct hashing {
	struct digest *digest;
	uint8_t *data;
};

static size_t prim_digest_ours(void *ctx)
{
	struct hashing *h = ctx;
	uint8_t out[DIGEST_LEN];

	digest_begin(h->digest);
	digest_update(h->digest, h->data, PRIM_BUFFER);
	digest_end(h->digest, out);
	return PRIM_BUFFER;
}

static size_t prim_digest_libcrypto(void *ctx)
{
	struct hashing *h = ctx;
	uint8_t out[SHA256_DIGEST_LENGTH];

	SHA256(h->data, PRIM_BUFFER, out);
	return PRIM_BUFFER;
}

static size_t prim_digest_libsodium(void *ctx)
{
	struct hashing *h = ctx;
	uint8_t out[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(out, h->data, PRIM_BUFFER);
	return PRIM_BUFFER;
}

void bench_prim_digest(const struct bench_rows *rows)
{
	struct hashing h = {.digest = digest_new(), .data = bench_prim_memory(PRIM_BUFFER)};

	if (!h.digest) {
		fputs("bench_prim: no SHA-256\n", stderr);
		exit(EX_OSERR);
	}
	bench_rows_throughput(rows, "prim.sha256.ours.1MiB", prim_digest_ours, &h);
	bench_rows_throughput(rows, "prim.sha256.libcrypto.1MiB", prim_digest_libcrypto,
			      &h);
	bench_rows_throughput(rows, "prim.sha256.libsodium.1MiB", prim_digest_libsodium,
			      &h);
	digest_free(h.digest);
	free(h.data);
}

int main(int argc, char **argv)
{
	const char *dir = getenv("BENCH_DIR");
	struct bench_rows rows;
	struct km_err err = {0};

	bench_rows_options(&rows, argc, argv);
	if (keys_init(&err) < 0) {
		fprintf(stderr, "bench_prim: %s\n", err.text);
		return EX_OSERR;
	}
	prim_copies(&rows);
	bench_prim_digest(&rows);
	bench_prim_seal(&rows);
	bench_prim_fec(&rows);
	bench_prim_file(&rows, dir ? dir : "/dev/shm");
	return EX_OK;
}
