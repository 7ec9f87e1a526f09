// SPDX-License-Identifier: ISC
/* Every way to feed an encoder gives the same bytes; misuse is refused by name. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "fec_fixture.h"

static void *work_of(size_t n)
{
	uint8_t *p = malloc(n);

	cr_assert_not_null(p);
	memset(p, 0xa7, n); /* memory is never assumed to be zero */
	return p;
}

static void check_rows(const struct fec_encoder *enc, const struct block *b,
		       const char *way)
{
	for (unsigned j = 0; j < b->geo.m; j++)
		cr_assert_arr_eq(fec_encode_row(enc, j), b->repair[j], b->symbol_size,
				 "%s: k %u M %u size %zu row %u", way, b->geo.k, b->geo.M,
				 b->symbol_size, j);
}

static void feed_symbols(struct block *b)
{
	const size_t need = fec_encoder_bytes(b->geo.M, b->symbol_size, FEC_FEED_SYMBOLS);
	void *work = work_of(need);
	struct fec_encoder enc;

	cr_assert_eq(fec_encode_begin(&enc, b->geo.M, b->symbol_size, FEC_FEED_SYMBOLS,
				      work, need),
		     FEC_OK);
	for (unsigned i = 0; i < b->geo.k; i++) {
		size_t len = b->symbol_size;

		/* Cut zeros off the end: they need not be handed in. */
		while (len && !b->src[i][len - 1])
			len--;
		cr_assert_eq(fec_encode_add(&enc, i, b->src[i], len), FEC_OK);
	}
	cr_assert_eq(fec_encode_finish(&enc), FEC_OK);
	check_rows(&enc, b, "symbols");
	free(work);
}

static void feed_chunks(struct block *b)
{
	const unsigned k = b->geo.k, M = b->geo.M;
	const size_t need = fec_encoder_bytes(M, b->symbol_size, FEC_FEED_CHUNKS);
	const size_t need_scratch = fec_scratch_bytes(M, b->symbol_size);
	void *work = work_of(need), *scratch = work_of(need_scratch);
	struct fec_encoder enc;

	cr_assert_eq(fec_encode_begin(&enc, M, b->symbol_size, FEC_FEED_CHUNKS, work, need),
		     FEC_OK);
	for (unsigned first = 0; first < k; first += M)
		cr_assert_eq(fec_encode_chunk(
				     &enc, first, (const uint8_t *const *)b->src + first,
				     k - first < M ? k - first : M, scratch, need_scratch),
			     FEC_OK);
	cr_assert_eq(fec_encode_finish(&enc), FEC_OK);
	check_rows(&enc, b, "chunks");
	free(work);
	free(scratch);
}

/* Row by row from the generator, byte by byte. */
static void check_matrix(const struct block *b)
{
	for (unsigned j = 0; j < b->geo.m; j++)
		for (size_t t = 0; t < b->symbol_size; t++) {
			uint8_t sum = 0;

			for (unsigned i = 0; i < b->geo.k; i++)
				sum ^= plain_mul(fec_generator(b->geo.M, j, i),
						 b->src[i][t]);
			cr_assert_eq(b->repair[j][t], sum, "k %u M %u row %u byte %zu",
				     b->geo.k, b->geo.M, j, t);
		}
}

Test(fec_encode, all_ways_give_the_same_bytes, .timeout = 240)
{
	struct rng rng = rng_open("all_ways_give_the_same_bytes");

	kernels_find();
	for (unsigned n = 0; kernels_here[n]; n++) {
		cr_assert_eq(fec_init(kernels_here[n], NULL), FEC_OK);
		for (unsigned M = 1; M <= FEC_ROWS_MAX; M *= 2)
			for (unsigned round = 0; round < 6; round++) {
				const unsigned k = 1 + rng_below(&rng, FEC_POSITIONS - M);
				const unsigned m = round % 2 ? M : 1 + rng_below(&rng, M);
				const size_t size =
					1 + rng_below(&rng, round < 4 ? 150 : 1200);
				struct block b;

				block_make(&b, &rng, k, m, M, size);
				feed_symbols(&b);
				feed_chunks(&b);
				if (size <= 150 && n == 0)
					check_matrix(&b);
				block_free(&b);
			}
	}
}

/* Symbols of any length up to the size; the rest counts as zero whatever lies behind. */
Test(fec_encode, short_symbols_count_as_padded)
{
	struct rng rng = rng_open("short_symbols_count_as_padded");
	const unsigned codes[] = {2, 8, 32};

	for (unsigned c = 0; c < 3; c++) {
		const unsigned M = codes[c];
		const size_t size = 200,
			     need = fec_encoder_bytes(M, size, FEC_FEED_SYMBOLS);
		void *work = work_of(need);
		struct fec_encoder enc;
		struct block b;
		unsigned k = 70;

		block_make(&b, &rng, k, M, M, size);
		cr_assert_eq(fec_encode_begin(&enc, M, size, FEC_FEED_SYMBOLS, work, need),
			     FEC_OK);
		for (unsigned i = 0; i < k; i++) {
			const size_t len = rng_below(&rng, 201);
			uint8_t *flush = guarded(len, true);

			memcpy(flush, b.src[i], len);
			memset(b.src[i] + len, 0, size - len);
			cr_assert_eq(fec_encode_add(&enc, i, flush, len), FEC_OK);
		}
		cr_assert_eq(fec_encode_finish(&enc), FEC_OK);
		for (unsigned j = 0; j < M; j++)
			for (size_t t = 0; t < size; t += 7) {
				uint8_t sum = 0;

				for (unsigned i = 0; i < k; i++)
					sum ^= plain_mul(fec_generator(M, j, i),
							 b.src[i][t]);
				cr_assert_eq(fec_encode_row(&enc, j)[t], sum);
			}
		block_free(&b);
		free(work);
	}
}

/* Left-out ESIs, NULL chunk entries and explicit zeros are one and the same. */
Test(fec_encode, left_out_symbols_are_zeros)
{
	struct rng rng = rng_open("left_out_symbols_are_zeros");
	const unsigned codes[] = {1, 4, 8, 16, 64};

	for (unsigned c = 0; c < 5; c++) {
		const unsigned M = codes[c], k = 100;
		const size_t size = 99, need = fec_encoder_bytes(M, size, FEC_FEED_SYMBOLS);
		const size_t need_scratch = fec_scratch_bytes(M, size);
		void *work = work_of(need), *scratch = work_of(need_scratch);
		const uint8_t *sparse[100];
		uint8_t zeros[99] = {0};
		struct fec_encoder enc;
		struct block b;

		block_make(&b, &rng, k, M, M, size);
		for (unsigned i = 0; i < k; i++) {
			const bool out = rng_below(&rng, 3) == 0 || (i >= 16 && i < 40);

			sparse[i] = out ? NULL : b.src[i];
			if (out)
				memcpy(b.src[i], zeros, size);
		}
		cr_assert_eq(fec_encode_block(&b.geo, size, (const uint8_t *const *)b.src,
					      b.repair, scratch, need_scratch),
			     FEC_OK);
		cr_assert_eq(fec_encode_begin(&enc, M, size, FEC_FEED_SYMBOLS, work, need),
			     FEC_OK);
		for (unsigned i = 0; i < k; i++)
			if (sparse[i])
				cr_assert_eq(fec_encode_add(&enc, i, sparse[i], size),
					     FEC_OK);
		cr_assert_eq(fec_encode_finish(&enc), FEC_OK);
		check_rows(&enc, &b, "left out");
		cr_assert_eq(fec_encode_begin(&enc, M, size, FEC_FEED_CHUNKS, work, need),
			     FEC_OK);
		for (unsigned i = 0; i < k; i += M)
			cr_assert_eq(fec_encode_chunk(&enc, i, sparse + i,
						      k - i < M ? k - i : M, scratch,
						      need_scratch),
				     FEC_OK);
		cr_assert_eq(fec_encode_finish(&enc), FEC_OK);
		check_rows(&enc, &b, "NULL entries");
		block_free(&b);
		free(work);
		free(scratch);
	}
}

/* The code is the same whatever k turned out to be: k sources, the rest zeros. */
Test(fec_encode, shortening_does_not_change_rows)
{
	struct rng rng = rng_open("shortening_does_not_change_rows");
	struct block full, cut;

	block_make(&full, &rng, 100, 16, 16, 64);
	for (unsigned i = 37; i < 100; i++)
		memset(full.src[i], 0, 64);
	block_make(&cut, &rng, 37, 5, 16, 64);
	for (unsigned i = 0; i < 37; i++)
		memcpy(cut.src[i], full.src[i], 64);
	{
		static uint8_t scratch[FEC_SCRATCH_MAX];

		cr_assert_eq(fec_encode_block(&full.geo, 64,
					      (const uint8_t *const *)full.src, full.repair,
					      scratch, sizeof(scratch)),
			     FEC_OK);
		cr_assert_eq(fec_encode_block(&cut.geo, 64, (const uint8_t *const *)cut.src,
					      cut.repair, scratch, sizeof(scratch)),
			     FEC_OK);
	}
	for (unsigned j = 0; j < 5; j++)
		cr_assert_arr_eq(cut.repair[j], full.repair[j], 64);
	block_free(&full);
	block_free(&cut);
}

Test(fec_encode, an_empty_block_gives_zero_rows)
{
	const unsigned codes[] = {1, 4, 8, 128};
	uint8_t zeros[50] = {0};

	for (unsigned c = 0; c < 4; c++)
		for (int feed = FEC_FEED_SYMBOLS; feed <= FEC_FEED_CHUNKS; feed++) {
			const size_t need =
				fec_encoder_bytes(codes[c], 50, (enum fec_feed)feed);
			void *work = work_of(need);
			struct fec_encoder enc;

			cr_assert_eq(fec_encode_begin(&enc, codes[c], 50,
						      (enum fec_feed)feed, work, need),
				     FEC_OK);
			cr_assert_null(fec_encode_row(&enc, 0));
			cr_assert_eq(fec_encode_finish(&enc), FEC_OK);
			for (unsigned j = 0; j < codes[c]; j++)
				cr_assert_arr_eq(fec_encode_row(&enc, j), zeros, 50);
			cr_assert_null(fec_encode_row(&enc, codes[c]));
			free(work);
		}
}

Test(fec_encode, one_row_is_parity)
{
	struct rng rng = rng_open("one_row_is_parity");
	uint8_t parity[33] = {0};
	struct block b;

	block_make(&b, &rng, 255, 1, 1, 33);
	for (unsigned i = 0; i < 255; i++)
		for (unsigned t = 0; t < 33; t++)
			parity[t] ^= b.src[i][t];
	cr_assert_arr_eq(b.repair[0], parity, 33);
	block_free(&b);
}

Test(fec_encode, misuse_is_refused_by_name)
{
	const size_t need = fec_encoder_bytes(8, 10, FEC_FEED_SYMBOLS);
	const uint8_t sym[10] = {1}, *src[8] = {sym, sym, sym, sym, sym, sym, sym, sym};
	static uint8_t scratch[FEC_SCRATCH_MAX];
	void *work = work_of(need);
	struct fec_encoder enc;

	cr_expect_eq(fec_encoder_bytes(5, 10, FEC_FEED_SYMBOLS), 0);
	cr_expect_eq(fec_encoder_bytes(8, 0, FEC_FEED_CHUNKS), 0);
	cr_expect_eq(fec_encode_begin(&enc, 5, 10, FEC_FEED_SYMBOLS, work, need),
		     FEC_ERR_GEOMETRY);
	cr_expect_eq(fec_encode_begin(&enc, 8, 65536, FEC_FEED_SYMBOLS, work, need),
		     FEC_ERR_GEOMETRY);
	cr_expect_eq(fec_encode_begin(&enc, 8, 10, FEC_FEED_SYMBOLS, work, need - 1),
		     FEC_ERR_WORK);
	cr_expect_eq(fec_encode_begin(&enc, 8, 10, FEC_FEED_SYMBOLS, NULL, need),
		     FEC_ERR_WORK);

	cr_assert_eq(fec_encode_begin(&enc, 8, 10, FEC_FEED_SYMBOLS, work, need), FEC_OK);
	cr_expect_eq(fec_encode_add(&enc, 248, sym, 10), FEC_ERR_GEOMETRY);
	cr_expect_eq(fec_encode_add(&enc, 0xffffffffu, sym, 10), FEC_ERR_GEOMETRY);
	cr_expect_eq(fec_encode_add(&enc, 0, sym, 11), FEC_ERR_GEOMETRY);
	cr_expect_eq(fec_encode_add(&enc, 3, sym, 10), FEC_OK);
	cr_expect_eq(fec_encode_add(&enc, 3, sym, 10), FEC_ERR_ORDER);
	cr_expect_eq(fec_encode_add(&enc, 2, sym, 10), FEC_ERR_ORDER);
	cr_expect_eq(fec_encode_chunk(&enc, 8, src, 8, scratch, sizeof(scratch)),
		     FEC_ERR_ORDER);
	cr_expect_eq(fec_encode_add(&enc, 247, sym, 0), FEC_OK);
	cr_expect_eq(fec_encode_finish(&enc), FEC_OK);
	cr_expect_eq(fec_encode_finish(&enc), FEC_ERR_ORDER);
	cr_expect_eq(fec_encode_add(&enc, 247, sym, 10), FEC_ERR_ORDER);

	cr_assert_eq(fec_encode_begin(&enc, 8, 10, FEC_FEED_CHUNKS, work, need), FEC_OK);
	cr_expect_eq(fec_encode_add(&enc, 0, sym, 10), FEC_ERR_ORDER);
	cr_expect_eq(fec_encode_chunk(&enc, 4, src, 8, scratch, sizeof(scratch)),
		     FEC_ERR_GEOMETRY);
	cr_expect_eq(fec_encode_chunk(&enc, 0, src, 0, scratch, sizeof(scratch)),
		     FEC_ERR_GEOMETRY);
	cr_expect_eq(fec_encode_chunk(&enc, 0, src, 9, scratch, sizeof(scratch)),
		     FEC_ERR_GEOMETRY);
	cr_expect_eq(fec_encode_chunk(&enc, 0, src, 8, scratch, 10), FEC_ERR_WORK);
	cr_expect_eq(fec_encode_chunk(&enc, 0, src, 3, scratch, sizeof(scratch)), FEC_OK);
	cr_expect_eq(fec_encode_chunk(&enc, 0, src, 8, scratch, sizeof(scratch)),
		     FEC_ERR_ORDER);
	cr_expect_eq(fec_encode_chunk(&enc, 248, src, 8, scratch, sizeof(scratch)),
		     FEC_ERR_GEOMETRY);
	cr_expect_eq(fec_encode_chunk(&enc, 240, src, 8, scratch, sizeof(scratch)), FEC_OK);
	free(work);
}
