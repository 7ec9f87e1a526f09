// SPDX-License-Identifier: ISC
#include "bench_prim.h"

#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "seal.h"

#define PRIM_FRAMES 64u /* a batch: what was read stays in L2 until it is sealed */

struct sealing {
	struct seal *seal;
	uint8_t *plain, *sealed, header[WIRE_HEADER_LEN];
	crypto_aead_aes256gcm_state *sodium;
	size_t len, stride;
	uint64_t seq;
};

static void prim_seal_must(int good)
{
	if (good)
		return;
	fputs("bench_prim: a seal failed\n", stderr);
	exit(EX_SOFTWARE);
}

static size_t prim_seal_frames(void *ctx)
{
	struct sealing *s = ctx;

	for (unsigned i = 0; i < PRIM_FRAMES; i++)
		prim_seal_must(seal_frame(s->seal, s->header, s->seq++,
					  s->plain + i * s->stride, s->len,
					  s->sealed + i * s->stride) == KM_OK);
	return PRIM_FRAMES * s->len;
}

/* What lies in `sealed` was sealed under the numbers 0..PRIM_FRAMES-1. */
static size_t prim_seal_opens(void *ctx)
{
	struct sealing *s = ctx;

	for (unsigned i = 0; i < PRIM_FRAMES; i++)
		prim_seal_must(seal_open(s->seal, s->header, i, s->sealed + i * s->stride,
					 s->len, s->plain + i * s->stride) == KM_OK);
	return PRIM_FRAMES * s->len;
}

static size_t prim_seal_sodium(void *ctx)
{
	struct sealing *s = ctx;
	uint8_t nonce[crypto_aead_aes256gcm_NPUBBYTES] = {0};
	unsigned long long len;

	for (unsigned i = 0; i < PRIM_FRAMES; i++) {
		nonce[0] = (uint8_t)i;
		crypto_aead_aes256gcm_encrypt_afternm(
			s->sealed + i * s->stride, &len, s->plain + i * s->stride, s->len,
			s->header, WIRE_AAD_LEN, NULL, nonce, s->sodium);
	}
	return PRIM_FRAMES * s->len;
}

static void prim_seal_size(const struct bench_rows *rows, struct sealing *s, size_t len)
{
	char name[64];

	s->len = len;
	s->stride = ((len + WIRE_TAG_LEN + 63) / 64 | 1) * 64;
	s->seq = 0;
	snprintf(name, sizeof(name), "prim.aes256gcm.seal.%zu", len);
	bench_rows_throughput(rows, name, prim_seal_frames, s);
	s->seq = 0;
	prim_seal_frames(s);
	snprintf(name, sizeof(name), "prim.aes256gcm.open.%zu", len);
	bench_rows_throughput(rows, name, prim_seal_opens, s);
	if (!s->sodium)
		return;
	snprintf(name, sizeof(name), "prim.aes256gcm.libsodium.%zu", len);
	bench_rows_throughput(rows, name, prim_seal_sodium, s);
}

void bench_prim_seal(const struct bench_rows *rows)
{
	uint8_t key[SEAL_KEY_LEN] = {1};
	size_t room = (size_t)PRIM_FRAMES * (BENCH_PRIM_FRAME_LARGE + 256);
	struct sealing s = {.seal = seal_new(key),
			    .plain = bench_prim_memory(room),
			    .sealed = bench_prim_memory(room)};

	prim_seal_must(s.seal != NULL);
	if (crypto_aead_aes256gcm_is_available()) {
		s.sodium = bench_prim_memory(sizeof(*s.sodium));
		crypto_aead_aes256gcm_beforenm(s.sodium, key);
	}
	prim_seal_size(rows, &s, BENCH_PRIM_FRAME_SMALL);
	prim_seal_size(rows, &s, BENCH_PRIM_FRAME_LARGE);
	seal_free(s.seal);
	free(s.sodium);
	free(s.plain);
	free(s.sealed);
}
