// SPDX-License-Identifier: ISC
/* histogram.c against a sorted list of the same values. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base_seed.h"
#include "histogram.h"

static struct histogram a, b;

static int by_value(const void *x, const void *y)
{
	const uint64_t p = *(const uint64_t *)x, q = *(const uint64_t *)y;

	return p < q ? -1 : p > q;
}

Test(histogram, empty_and_small_values_are_exact)
{
	histogram_clear(&a);
	cr_assert_eq(histogram_quantile(&a, NULL, 500), 0);
	for (uint64_t v = 1; v <= 10; v++)
		histogram_add(&a, v);
	cr_assert_eq(histogram_quantile(&a, NULL, 500), 5);
	cr_assert_eq(histogram_quantile(&a, NULL, 900), 9);
	cr_assert_eq(histogram_quantile(&a, NULL, 1000), 10);
	cr_assert_eq(a.count, 10);
}

Test(histogram, never_more_than_the_largest)
{
	histogram_clear(&a);
	histogram_add(&a, 1000001);
	cr_assert_eq(histogram_quantile(&a, NULL, 999), 1000001);
	histogram_add(&a, UINT64_MAX);
	cr_assert_eq(a.most, UINT64_MAX);
	cr_assert_eq(histogram_quantile(&a, NULL, 1000), HISTOGRAM_MAX);
}

Test(histogram, quantiles_of_two_are_right_within_a_sixteenth)
{
	static uint64_t value[20000];
	const unsigned per_mille[] = {1, 100, 500, 900, 990, 999, 1000};
	uint64_t state = base_seed("histogram");

	histogram_clear(&a);
	histogram_clear(&b);
	for (size_t i = 0; i < 20000; i++) {
		state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
		value[i] = (state >> 24) >> (state >> 3) % 40;
		histogram_add(i % 3 ? &a : &b, value[i]);
	}
	qsort(value, 20000, sizeof(value[0]), by_value);
	for (size_t i = 0; i < sizeof(per_mille) / sizeof(per_mille[0]); i++) {
		const size_t rank = (20000u * per_mille[i] + 999) / 1000;
		const uint64_t want = value[rank - 1];
		const uint64_t got = histogram_quantile(&a, &b, per_mille[i]);

		cr_assert(got >= want && got <= want + want / 16 + 1,
			  "%u per mille: %llu for %llu", per_mille[i],
			  (unsigned long long)got, (unsigned long long)want);
	}
}
