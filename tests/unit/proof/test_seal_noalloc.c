// SPDX-License-Identifier: ISC
/*
 * Sealing and opening frames, hashing their bytes and the codecs allocate nothing once they are set up:
 * counted both by libcrypto's own hooks and by this program's malloc. Not a Criterion test:
 * the hooks must be in place before libcrypto's first allocation.
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "frame.h"
#include "keys.h"
#include "record.h"
#include "seal.h"

#define FRAMES 1000u
#define SYMBOL 8944u

static unsigned long crypto_calls;
static volatile unsigned long malloc_calls;

/* glibc's own entry points, which stay reachable when malloc is interposed. */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t n);
extern void *__libc_realloc(void *p, size_t n);
extern void __libc_free(void *p);

void *malloc(size_t n)
{
	malloc_calls++;
	return __libc_malloc(n);
}

void *calloc(size_t count, size_t n)
{
	malloc_calls++;
	return __libc_calloc(count, n);
}

void *realloc(void *p, size_t n)
{
	malloc_calls++;
	return __libc_realloc(p, n);
}

void free(void *p)
{
	__libc_free(p);
}

static void *count_malloc(size_t n, const char *file, int line)
{
	crypto_calls++;
	return malloc(n);
}

static void *count_realloc(void *p, size_t n, const char *file, int line)
{
	crypto_calls++;
	return realloc(p, n);
}

static void count_free(void *p, const char *file, int line)
{
	crypto_calls += p != NULL;
	free(p);
}

static void fail(const char *what)
{
	fprintf(stderr, "noalloc: %s\n", what);
	exit(1);
}

/* What tx and rx do for one frame, and an object's digest going on beside it. */
static void one_frame(struct seal *s, struct digest *d, uint64_t seq, uint8_t *buf)
{
	struct frame_header h = {.version = WIRE_VERSION,
				 .type = FRAME_SOURCE,
				 .class = FRAME_CLASS_NORMAL,
				 .code = FRAME_CODE_RS_LCH8,
				 .lane = 3,
				 .seq = seq,
				 .depth = 63,
				 .M = 16,
				 .length = SYMBOL,
				 .symbol_size = SYMBOL};
	uint8_t *payload = buf + WIRE_HEADER_LEN, *data;
	struct record r;
	size_t taken;
	struct wr wr;
	struct rd rd;

	wr_init(&wr, payload, SYMBOL);
	if (record_put_fragment(&wr, 1, 1, seq * SYMBOL, SYMBOL, &data, &taken) != KM_OK)
		fail("no fragment");
	memset(data, (int)seq, taken);
	frame_header_encode(buf, &h);
	if (seal_frame(s, buf, seq, payload, SYMBOL, payload) != KM_OK)
		fail("no seal");
	if (frame_header_decode(&h, buf, SYMBOL + WIRE_OVERHEAD) != KM_OK)
		fail("no header");
	payload[5] ^= 1;
	if (seal_open(s, buf, seq, payload, SYMBOL, buf + 10000) != KM_ERR_AUTH)
		fail("a changed frame opened");
	payload[5] ^= 1;
	if (seal_open(s, buf, seq, payload, SYMBOL, payload) != KM_OK)
		fail("no opening");
	rd_init(&rd, payload, SYMBOL);
	if (record_next(&rd, &r) != KM_OK || r.fragment.len != taken)
		fail("no record");
	digest_update(d, r.fragment.data, r.fragment.len);
}

int main(void)
{
	static const uint8_t key[SEAL_KEY_LEN] = {1};
	static uint8_t buf[20000];
	struct km_err err = KM_ERR_INIT;
	struct digest *d;
	struct seal *s;
	unsigned long crypto_before, before;

	if (CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free) != 1)
		fail("libcrypto has allocated before main()");
	if (keys_init(&err) < 0)
		fail(err.text);
	s = seal_new(key);
	d = digest_new();
	if (!s || !d)
		fail("out of memory");
	if (crypto_calls == 0 || malloc_calls == 0)
		fail("the counters count nothing");
	one_frame(s, d, 0, buf);
	crypto_before = crypto_calls;
	before = malloc_calls;
	for (uint64_t seq = 1; seq <= FRAMES; seq++)
		one_frame(s, d, seq, buf);
	crypto_before = crypto_calls - crypto_before;
	before = malloc_calls - before; /* printf allocates too */
	printf("noalloc: %u frames: %lu calls in libcrypto, %lu calls of malloc\n", FRAMES,
	       crypto_before, before);
	digest_free(d);
	seal_free(s);
	return crypto_before || before ? 1 : 0;
}
