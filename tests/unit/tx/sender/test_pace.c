// SPDX-License-Identifier: ISC
/* Pacing against a simulated clock: what leaves, when, is written down and judged. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "pace.h"

#define S UINT64_C(1000000000)
#define US UINT64_C(1000)
#define BEGIN (7 * S)
#define LOG_MAX (1u << 21)

/* A sender in front of a pacer that always has frames waiting. */
struct run {
	uint64_t rate;
	uint32_t frame;	   /* bytes of each */
	uint32_t batch;	   /* most frames of one call: a train, or messages */
	uint64_t call_ns;  /* of a call, whatever it carries */
	uint64_t late_ns;  /* of each wake-up */
	uint64_t stall_ns; /* besides, of one wake-up every 50 ms */
	struct pace pace;
	uint64_t now;
	uint64_t bytes; /* in all */
	uint64_t stall_at;
	unsigned stalls;
	/* calls: when, and how much had left before and after */
	struct call {
		uint64_t at, before, after;
	} * log;
	unsigned calls;
};

static uint64_t gbit(double n)
{
	return (uint64_t)(n * 1e9);
}

static void run_begin(struct run *r)
{
	r->now = BEGIN;
	r->log = malloc(LOG_MAX * sizeof(*r->log));
	cr_assert(r->log != NULL);
	pace_init(&r->pace, r->rate, r->frame, r->batch, r->now);
}

static void run_end(struct run *r)
{
	free(r->log);
	r->log = NULL;
}

static void run_send(struct run *r)
{
	uint64_t frames = pace_allowance(&r->pace, r->now) / r->frame;
	uint64_t bytes = r->frame * (frames < r->batch ? frames : r->batch);

	cr_assert(bytes > 0);
	cr_assert(r->calls < LOG_MAX, "more calls than a sender of sense makes");
	r->log[r->calls++] = (struct call){r->now, r->bytes, r->bytes + bytes};
	r->bytes += bytes;
	pace_sent(&r->pace, bytes);
	r->now += r->call_ns;
}

static void run_for(struct run *r, uint64_t span_ns)
{
	const uint64_t end = r->now + span_ns;

	while (r->now < end) {
		uint64_t until = pace_until_ns(&r->pace, r->now);

		if (until == 0) {
			run_send(r);
			continue;
		}
		cr_assert(until > r->now);
		r->now = until + r->late_ns;
		if (r->stall_ns && r->now >= r->stall_at) {
			r->now += r->stall_ns;
			r->stall_at = r->now + 50000 * US;
			r->stalls++;
		}
	}
}

static double error_of(const struct run *r, uint64_t bytes, uint64_t span_ns)
{
	double want = (double)r->rate / 8 * (double)span_ns / 1e9;

	return ((double)bytes - want) / want;
}

/* No span of the log, from one call to any later one, carries more than the header allows. */
static void check_bounds(const struct run *r)
{
	const double frame = r->frame, rate = (double)r->rate / 8e9; /* bytes/ns */
	const double lag = rate * (double)PACE_LAG_NS;
	const double batch = frame * r->batch;
	const double burst = batch < lag * 9 / 8 ? batch : lag * 9 / 8;
	/* the largest excess of a span that ends here = bytes - allowed, kept incrementally */
	double above_peak = 0, above_rate = 0;

	for (unsigned i = 0; i < r->calls; i++) {
		double bytes = (double)(r->log[i].after - r->log[i].before);

		if (i > 0) {
			double ns = (double)(r->log[i].at - r->log[i - 1].at);

			above_peak -= ns * rate * 9 / 8;
			above_rate -= ns * rate;
		}
		above_peak = (above_peak > 0 ? above_peak : 0) + bytes;
		above_rate = (above_rate > 0 ? above_rate : 0) + bytes;
		/* the pacer counts whole nanoseconds */
		cr_assert(above_peak <= burst + frame + 2 * rate + 1,
			  "call %u: %.0f bytes in a burst, at most %.0f", i, above_peak,
			  burst + frame);
		cr_assert(above_rate <= lag + frame + 2 * rate + 1,
			  "call %u: %.0f bytes above the rate, at most %.0f", i, above_rate,
			  lag + frame);
	}
}

static const double rates[] = {0.01, 0.1, 1, 5, 10, 100};
#define RATES (sizeof(rates) / sizeof(rates[0]))

/* One second: each rate, frame and batch, with wake-ups on time and late. */
static void check_rate(uint32_t frame, uint32_t batch)
{
	static const uint64_t lates[] = {0, 5 * US, 60 * US};

	for (unsigned i = 0; i < RATES; i++)
		for (unsigned j = 0; j < 3; j++) {
			struct run r = {.rate = gbit(rates[i]),
					.frame = frame,
					.batch = batch,
					.call_ns = 100,
					.late_ns = lates[j]};
			double error;

			run_begin(&r);
			if (lates[j] > r.pace.burst_ns * 3 / 4) {
				run_end(&r); /* beyond the bound */
				continue;
			}
			run_for(&r, S);
			check_bounds(&r);
			error = error_of(&r, r.bytes, r.now - BEGIN);
			cr_assert(error > -0.01 && error < 0.01,
				  "%g Gbit/s, %u bytes, batches of %u, late by %lu ns: off "
				  "by %.2f %%",
				  rates[i], frame, batch, (unsigned long)lates[j],
				  error * 100);
			run_end(&r);
		}
}

Test(pace, rate_of_a_second_1500)
{
	check_rate(1514, 32);
}

Test(pace, rate_of_a_second_9000)
{
	check_rate(9014, 32);
}

Test(pace, rate_of_a_second_with_trains)
{
	check_rate(1514, 64);
	check_rate(9014, 64);
}

/* Whatever the lateness up to PACE_LAG, the rate is made good by the end. */
Test(pace, stalls_within_the_bound_cost_nothing)
{
	static const struct {
		double gbit;
		uint32_t frame;
		uint64_t stall_ns;
	} cases[] = {
		{0.01, 1514, 4900 * US}, {1, 1514, 2500 * US},	 {5, 1514, 2500 * US},
		{10, 9014, 2500 * US},	 {100, 9014, 2500 * US},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct run r = {.rate = gbit(cases[i].gbit),
				.frame = cases[i].frame,
				.batch = 32,
				.call_ns = 100,
				.stall_ns = cases[i].stall_ns};
		double error;

		run_begin(&r);
		run_for(&r, S);
		check_bounds(&r);
		error = error_of(&r, r.bytes, r.now - BEGIN);
		cr_assert(r.stalls > 15, "%g Gbit/s: %u stalls", cases[i].gbit, r.stalls);
		cr_assert(error > -0.01 && error < 0.01, "%g Gbit/s: off by %.2f %%",
			  cases[i].gbit, error * 100);
		run_end(&r);
	}
}

/* Of a longer one just the excess is gone. */
Test(pace, a_long_stall_costs_what_is_beyond_the_bound)
{
	struct run r = {.rate = gbit(1), .frame = 1514, .batch = 32, .call_ns = 100};
	double lost;

	run_begin(&r);
	run_for(&r, S / 10);
	r.now += S / 5; /* 200 ms */
	run_for(&r, 7 * S / 10);
	check_bounds(&r);
	lost = -error_of(&r, r.bytes, S) * 1000; /* ms of the rate */
	cr_assert(lost > 194 && lost < 197, "%.1f ms lost of a stall of 200 ms", lost);
	run_end(&r);
}

/* No drift: within two frames after ten minutes at an odd rate. */
Test(pace, ten_minutes_at_an_odd_rate)
{
	struct run r = {.rate = 333333331, .frame = 9013, .batch = 1, .late_ns = 3};
	double got, want;

	run_begin(&r);
	while (r.now < BEGIN + 600 * S) {
		r.calls = 0;
		run_for(&r, S);
	}
	got = (double)r.bytes;
	want = (double)r.rate / 8 * (double)(r.now - BEGIN) / 1e9;
	cr_assert(got > want - 9013 && got < want + 2 * 9013, "%.0f of %.0f bytes", got,
		  want);
	run_end(&r);
}

Test(pace, an_idle_hour_buys_one_burst_only)
{
	static const struct {
		double gbit;
		uint64_t most; /* frames at once */
	} cases[] = {{10, 29}, {1, 29}, {0.01, 1}};

	for (unsigned i = 0; i < 3; i++) {
		struct run r = {.rate = gbit(cases[i].gbit),
				.frame = 9014,
				.batch = 32,
				.call_ns = 0};
		uint64_t at;

		run_begin(&r);
		run_for(&r, S / 100);
		r.now = at = r.now + 3600 * S;
		pace_idle(&r.pace, r.now);
		r.calls = 0;
		r.bytes = 0;
		while (pace_until_ns(&r.pace, r.now) == 0)
			run_send(&r);
		cr_assert(eq(u64, r.bytes / r.frame, cases[i].most), "%g Gbit/s",
			  cases[i].gbit);
		run_for(&r, S);
		check_bounds(&r);
		cr_assert(error_of(&r, r.bytes, r.now - at) < 0.01,
			  "%g Gbit/s: %.2f %% above in the second after it", cases[i].gbit,
			  100 * error_of(&r, r.bytes, r.now - at));
		run_end(&r);
	}
}

/* A stall is made good at an 8th more, not at once. */
Test(pace, catching_up_is_no_flood)
{
	struct run r = {.rate = gbit(5), .frame = 1514, .batch = 32, .call_ns = 100};
	uint64_t before, due;

	run_begin(&r);
	run_for(&r, S / 10);
	r.now += 3000 * US;
	before = r.bytes;
	due = r.now;
	run_for(&r, 16 * 1000 * US); /* of the 24 that it takes */
	check_bounds(&r);
	double got = (double)(r.bytes - before);
	double plain = (double)r.rate / 8 * (double)(r.now - due) / 1e9;

	cr_assert(got > plain * 1.10, "%.0f of %.0f: nothing is made good", got, plain);
	cr_assert(got < plain * 1.13, "%.0f of %.0f: a flood", got, plain);
	run_end(&r);
}

/* Wake-ups are not one per frame where frames are short. */
Test(pace, small_frames_are_waited_for_together)
{
	struct run r = {.rate = gbit(1), .frame = 1514, .batch = 32, .call_ns = 100};

	run_begin(&r);
	run_for(&r, S);
	cr_assert(r.calls < 22000, "%u calls for %lu frames", r.calls,
		  (unsigned long)(r.bytes / r.frame));
	run_end(&r);
	/* and long ones go the moment they are due */
	r = (struct run){.rate = gbit(0.01), .frame = 1514, .batch = 32};
	run_begin(&r);
	run_send(&r);
	cr_assert(eq(u64, pace_until_ns(&r.pace, r.now), BEGIN + 1514 * 8 * 100));
	run_end(&r);
}

/* Calls that a tenth of a second takes when every wake-up is so late. */
static unsigned calls_when_late(uint64_t late_ns)
{
	struct run r = {.rate = gbit(1), .frame = 1514, .batch = 64, .late_ns = late_ns};
	unsigned calls;

	run_begin(&r);
	run_for(&r, S / 10);
	calls = r.calls;
	run_end(&r);
	return calls;
}

/* Who is woken late is told to wake sooner: frames go together for no longer than without. */
Test(pace, usual_lateness_is_not_added_to_the_wait)
{
	const unsigned in_time = calls_when_late(0), late = calls_when_late(20 * US);

	cr_assert_geq(late * 100, in_time * 90, "%u calls, in time %u", late, in_time);
}

Test(pace, allowance_is_a_frame_at_least_and_a_burst_at_most)
{
	struct pace p;

	pace_init(&p, gbit(1), 9014, 32, BEGIN);
	cr_assert(eq(u64, pace_until_ns(&p, BEGIN), 0));
	cr_assert(eq(u64, pace_allowance(&p, BEGIN), 9014));
	cr_assert(eq(u64, pace_until_ns(&p, 100 * S), 0));
	cr_assert(pace_allowance(&p, 100 * S) <= 9014ull * 33);
	cr_assert(pace_allowance(&p, 100 * S) > 9014ull * 32);
	/* at low rates a burst is short in time, not in frames */
	pace_init(&p, gbit(0.01), 1514, 32, BEGIN);
	pace_idle(&p, 100 * S);
	cr_assert(eq(u64, pace_until_ns(&p, 100 * S), 0));
	cr_assert(pace_allowance(&p, 100 * S) <= 1514 + 6250);
}

Test(pace, unpaced)
{
	struct pace p;

	pace_init(&p, 0, 1514, 32, BEGIN);
	for (unsigned i = 0; i < 1000; i++) {
		cr_assert(eq(u64, pace_until_ns(&p, BEGIN), 0));
		cr_assert(eq(u64, pace_allowance(&p, BEGIN), 1514 * 32));
		pace_sent(&p, 1514 * 32);
		pace_idle(&p, BEGIN);
	}
}
