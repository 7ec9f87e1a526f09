// SPDX-License-Identifier: ISC
#include "fec_fixture.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fec_kern.h"

struct rng rng_open(const char *test)
{
	const char *given = getenv("KM_SEED");
	struct timespec now;
	uint64_t seed;

	if (given) {
		seed = strtoull(given, NULL, 0);
	} else {
		cr_assert_eq(clock_gettime(CLOCK_REALTIME, &now), 0);
		seed = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	}
	fprintf(stderr, "%s: KM_SEED=%" PRIu64 "\n", test, seed);
	return (struct rng){seed};
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
uint64_t rng_next(struct rng *rng)
{
	uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

unsigned rng_below(struct rng *rng, unsigned limit)
{
	return (unsigned)(rng_next(rng) % limit);
}

void rng_fill(struct rng *rng, uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)rng_next(rng);
}

uint8_t *guarded(size_t n, bool at_end)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t body = (n + page - 1) / page * page;
	uint8_t *map =
		mmap(NULL, body + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(map, MAP_FAILED);
	if (body)
		cr_assert_eq(mprotect(map + page, body, PROT_READ | PROT_WRITE), 0);
	return at_end ? map + page + body - n : map + page;
}

uint8_t plain_mul(uint8_t a, uint8_t b)
{
	unsigned product = 0;

	for (int bit = 7; bit >= 0; bit--) {
		product <<= 1;
		if (product & 0x100)
			product ^= 0x11d;
		if (b >> bit & 1)
			product ^= a;
	}
	return (uint8_t)product;
}

uint8_t plain_inverse(uint8_t a)
{
	uint8_t power = 1;

	for (int i = 0; i < 254; i++)
		power = plain_mul(power, a);
	return power;
}

uint8_t plain_point(unsigned i)
{
	static uint8_t beta[8];
	uint8_t point = 0;

	for (unsigned j = 0; !beta[7]; j++) {
		unsigned x = j ? 0 : 1;

		while (j && (plain_mul((uint8_t)x, (uint8_t)x) ^ x) != beta[j - 1])
			x += 2;
		beta[j] = (uint8_t)x;
	}
	for (unsigned j = 0; j < 8; j++)
		if (i >> j & 1)
			point ^= beta[j];
	return point;
}

uint8_t plain_generator(unsigned M, unsigned row, unsigned esi)
{
	const uint8_t at = plain_point(row), one = plain_point(M + esi);
	uint8_t up = 1, down = 1;

	for (unsigned other = M; other < 256; other++) {
		if (other == M + esi)
			continue;
		up = plain_mul(up, at ^ plain_point(other));
		down = plain_mul(down, one ^ plain_point(other));
	}
	return plain_mul(up, plain_inverse(down));
}

unsigned plain_rank(uint8_t *square, unsigned e)
{
	unsigned rank = 0;

	for (unsigned col = 0; col < e; col++) {
		unsigned pivot = rank;

		while (pivot < e && !square[pivot * e + col])
			pivot++;
		if (pivot == e)
			continue;
		for (unsigned i = 0; i < e; i++) {
			const uint8_t swap = square[pivot * e + i];

			square[pivot * e + i] = square[rank * e + i];
			square[rank * e + i] = swap;
		}
		for (unsigned r = rank + 1; r < e; r++) {
			const uint8_t factor = plain_mul(
				square[r * e + col], plain_inverse(square[rank * e + col]));

			for (unsigned i = col; i < e; i++)
				square[r * e + i] ^=
					plain_mul(factor, square[rank * e + i]);
		}
		rank++;
	}
	return rank;
}

static uint8_t *symbol_alloc(size_t symbol_size, unsigned nth)
{
	uint8_t *p = malloc(symbol_size + 64);

	cr_assert_not_null(p);
	return p + nth % 64; /* block_free() takes the same offset off again */
}

void block_make(struct block *b, struct rng *rng, unsigned k, unsigned m, unsigned M,
		size_t symbol_size)
{
	const size_t need = fec_scratch_bytes(M, symbol_size);
	uint8_t *scratch = malloc(need);

	cr_assert_not_null(scratch);
	*b = (struct block){.geo = {k, m, M}, .symbol_size = symbol_size};
	for (unsigned i = 0; i < k; i++) {
		b->src[i] = symbol_alloc(symbol_size, i);
		b->got[i] = symbol_alloc(symbol_size, i + 1);
		rng_fill(rng, b->src[i], symbol_size);
	}
	for (unsigned j = 0; j < m; j++)
		b->repair[j] = symbol_alloc(symbol_size, j + 2);
	cr_assert_eq(fec_encode_block(&b->geo, symbol_size, (const uint8_t *const *)b->src,
				      b->repair, scratch, need),
		     FEC_OK);
	free(scratch);
	block_reset(b);
}

void block_free(struct block *b)
{
	for (unsigned i = 0; i < b->geo.k; i++) {
		free(b->src[i] - i % 64);
		free(b->got[i] - (i + 1) % 64);
	}
	for (unsigned j = 0; j < b->geo.m; j++)
		free(b->repair[j] - (j + 2) % 64);
}

void block_reset(struct block *b)
{
	for (unsigned i = 0; i < b->geo.k; i++)
		memcpy(b->got[i], b->src[i], b->symbol_size);
	for (unsigned j = 0; j < b->geo.m; j++)
		b->rows[j] = b->repair[j];
	memset(b->present, 0xff, sizeof(b->present));
}

void block_lose_source(struct block *b, unsigned esi)
{
	memset(b->got[esi], 0xe5, b->symbol_size);
	b->present[esi / 8] &= (uint8_t) ~(1u << esi % 8);
}

void block_lose_row(struct block *b, unsigned row)
{
	b->rows[row] = NULL;
}

int block_decode(struct block *b)
{
	const size_t need = fec_work_bytes(&b->geo, b->symbol_size);
	uint8_t *work = malloc(need);
	int rc;

	cr_assert_not_null(work);
	rc = fec_decode(&b->geo, b->symbol_size, b->got, b->present, b->rows, work, need);
	free(work);
	return rc;
}

bool block_restored(const struct block *b)
{
	for (unsigned i = 0; i < b->geo.k; i++)
		if (memcmp(b->got[i], b->src[i], b->symbol_size) != 0)
			return false;
	return true;
}

enum fec_kernel kernels_here[FEC_KERNEL_COUNT + 1];

void kernels_find(void)
{
	unsigned found = 0;

	for (unsigned i = FEC_KERNEL_SCALAR; i < FEC_KERNEL_COUNT; i++)
		if (fec_ops_of((enum fec_kernel)i))
			kernels_here[found++] = (enum fec_kernel)i;
	kernels_here[found] = FEC_KERNEL_AUTO;
}
