// SPDX-License-Identifier: ISC
/* Geometry of windows: depth, symbol size, repairs, for full and for tiny windows. */
#include <criterion/criterion.h>

#include "block.h"
#include "tx_session.h"

static const struct block_geometry bulk = {
	.k = 160, .m = 16, .depth_max = 63, .symbol = 8944};
static const struct block_geometry thin = {
	.k = 64, .m = 4, .depth_max = 15, .symbol = 1444};
static const struct block_geometry none = {
	.k = 100, .m = 0, .depth_max = 9, .symbol = 1444};
static const struct block_geometry ledger = {
	.k = 32, .m = 16, .depth_max = 16, .symbol = 1444, .equal = true};

Test(block, rows_are_a_power_of_two_that_serves_short_blocks_too)
{
	const struct block_geometry one = {.k = 20, .m = 1, .depth_max = 1, .symbol = 1444};

	cr_assert_eq(block_rows(&bulk), 16);
	cr_assert_eq(block_rows(&thin), 8);
	cr_assert_eq(block_rows(&one), 8);
	cr_assert_eq(block_rows(&none), 0);
	cr_assert_eq(block_rows(&ledger), 32);
}

Test(block, a_closed_early_block_keeps_its_share_and_a_least)
{
	for (unsigned k = 1; k <= 160; k++) {
		const unsigned m = block_repairs(&bulk, k, true);

		/* Long blocks round down, so that a whole transfer keeps within the share. */
		if (k >= 80)
			cr_assert_eq(m, k / 10);
		else
			cr_assert_geq(m * 10, k, "at least the configured share");
		cr_assert_geq(m, k <= 40 ? 6 : 4);
		cr_assert_leq(m, 16);
	}
	cr_assert_eq(block_repairs(&bulk, 160, false), 16);
	cr_assert_eq(block_repairs(&bulk, 1, true), 6);
	cr_assert_eq(block_repairs(&bulk, 40, true), 6);
	cr_assert_eq(block_repairs(&bulk, 41, true), 5);
	cr_assert_eq(block_repairs(&bulk, 100, true), 10);
	/* A full block has exactly what was asked, a short one the least. */
	cr_assert_eq(block_repairs(&thin, 64, true), 4);
	cr_assert_eq(block_repairs(&thin, 63, true), 4);
	cr_assert_eq(block_repairs(&thin, 30, true), 6);
	cr_assert_eq(block_repairs(&none, 50, true), 0);
	cr_assert_eq(block_repairs(&bulk, 0, true), 0);
}

Test(block, a_lone_ledger_block_has_as_many_repairs_as_sources)
{
	for (unsigned k = 1; k <= 32; k++) {
		cr_assert_geq(block_repairs(&ledger, k, true), k);
		cr_assert_leq(block_repairs(&ledger, k, true), 32);
		cr_assert_leq(block_repairs(&ledger, k, false), 16);
	}
}

Test(block, depth_follows_the_backlog)
{
	const uint64_t one = 160 * 8944;

	cr_assert_eq(block_depth(&bulk, 8944, 0), 1);
	cr_assert_eq(block_depth(&bulk, 8944, 1), 1);
	cr_assert_eq(block_depth(&bulk, 8944, one), 1);
	cr_assert_eq(block_depth(&bulk, 8944, one + 1), 2);
	cr_assert_eq(block_depth(&bulk, 8944, 62 * one + 1), 63);
	cr_assert_eq(block_depth(&bulk, 8944, UINT64_MAX), 63);
}

Test(block, a_window_of_few_bytes_takes_smaller_symbols)
{
	for (uint64_t bytes = 0; bytes < 300000; bytes += 997) {
		const uint32_t symbol = block_symbol(&bulk, bytes);

		cr_assert_geq(symbol, BLOCK_SYMBOL_FLOOR);
		cr_assert_leq(symbol, bulk.symbol);
		/* Never so small that the window gets deeper or longer for it. */
		cr_assert_leq(bytes,
			      (uint64_t)symbol * BLOCK_FEW_SYMBOLS +
				      bulk.symbol * 284ull * (symbol == bulk.symbol));
	}
	cr_assert_eq(block_symbol(&bulk, 100), BLOCK_SYMBOL_FLOOR);
	cr_assert_eq(block_symbol(&bulk, UINT64_MAX / 4), 8944);
	/* With an MTU whose symbol is below the floor, the MTU's symbol. */
	cr_assert_eq(block_symbol(&(struct block_geometry){.symbol = 500}, 100), 500);
}

Test(block, a_live_block_has_its_share_and_at_least_two)
{
	const struct block_geometry live = {
		.k = 32, .m = 8, .depth_max = 1, .symbol = 1444, .least = 2};

	cr_assert_eq(block_rows(&live), 8);
	cr_assert_eq(block_repairs(&live, 1, true), 2);
	cr_assert_eq(block_repairs(&live, 8, true), 2);
	cr_assert_eq(block_repairs(&live, 9, true), 3);
	cr_assert_eq(block_repairs(&live, 31, true), 8);
	cr_assert_eq(block_repairs(&live, 32, true), 8);
}

Test(block, pool_counts_what_is_taken)
{
	const size_t one = fec_encoder_bytes(16, 8944, FEC_FEED_SYMBOLS);

	cr_assert_geq(block_pool_bytes(&bulk), 63 * one);
	cr_assert_lt(block_pool_bytes(&bulk), 63 * (one + 64));
	cr_assert_eq(block_pool_bytes(&none), 0);
}

Test(tx_session, only_a_step_of_more_than_a_second_counts)
{
	const int64_t s = 1000000000;

	cr_assert(!tx_session_step(0, s));
	cr_assert(tx_session_step(0, s + 1));
	cr_assert(tx_session_step(5 * s, 3 * s));
	cr_assert(!tx_session_step(5 * s, 5 * s - s / 2));
}
