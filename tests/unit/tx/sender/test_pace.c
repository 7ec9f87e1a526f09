// SPDX-License-Identifier: ISC
/* Pacing against a simulated clock: the average is exact, bursts are bounded. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdint.h>

#include "pace.h"

#define S UINT64_C(1000000000)

/* Send frames of SIZE for SECONDS of simulated time, each sleep late by LATE_NS. */
static uint64_t run(uint64_t rate, uint32_t size, uint64_t seconds, uint64_t late_ns)
{
	struct pace p;
	uint64_t now = 5 * S, end = now + seconds * S, bytes = 0;

	pace_init(&p, rate, size, now);
	while (now < end) {
		uint64_t wait = pace_wait_ns(&p, now);

		if (wait > 0) {
			now += wait + late_ns;
			continue;
		}
		pace_sent(&p, size);
		bytes += size;
		now += 300; /* the system call */
	}
	return bytes;
}

Test(pace, average_rate_is_exact)
{
	static const uint64_t rates[] = {10000000, 333333333, 1000000000, 2500000000};

	for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		for (uint64_t late = 0; late <= 60000; late += 20000) {
			double want = (double)rates[i] / 8 * 20;
			double got = (double)run(rates[i], 9014, 20, late);

			cr_assert(got > want * 0.999 && got < want * 1.001,
				  "rate %llu late %llu: %.0f of %.0f bytes",
				  (unsigned long long)rates[i], (unsigned long long)late,
				  got, want);
		}
	}
}

Test(pace, an_idle_hour_buys_one_burst_only)
{
	struct pace p;
	uint64_t now = 10 * S;
	unsigned burst = 0;

	pace_init(&p, 1000000000, 9014, now);
	now += 3600 * S;
	while (pace_wait_ns(&p, now) == 0) {
		pace_sent(&p, 9014);
		burst++;
	}
	cr_assert(burst >= PACE_BURST_FRAMES && burst <= PACE_BURST_FRAMES + 1,
		  "burst of %u", burst);
}

Test(pace, allowance_is_a_frame_at_least_and_a_burst_at_most)
{
	struct pace p;

	pace_init(&p, 1000000000, 9014, S);
	cr_assert(eq(u64, pace_allowance(&p, S, 9014), 9014));
	cr_assert(eq(u64, pace_allowance(&p, S - 500, 9014), 9014));
	cr_assert(pace_allowance(&p, 100 * S, 9014) <= 9014ull * PACE_BURST_FRAMES);
	cr_assert(pace_allowance(&p, 100 * S, 9014) > 9014ull * (PACE_BURST_FRAMES - 1));
}
