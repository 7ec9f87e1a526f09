// SPDX-License-Identifier: ISC
#include "timing.h"

/* Clocks further apart than a century are no clocks. */
#define TIMING_BELIEVED_NS (INT64_C(100) * 365 * 86400 * INT64_C(1000000000))

static int64_t difference(uint64_t tx_ns, uint64_t rx_ns)
{
	const int64_t d = (int64_t)(rx_ns - tx_ns);

	if (d > TIMING_BELIEVED_NS)
		return TIMING_BELIEVED_NS;
	return d < -TIMING_BELIEVED_NS ? -TIMING_BELIEVED_NS : d;
}

static void begin(struct timing_clock *clock, int64_t d, uint64_t now_ns)
{
	clock->known = true;
	clock->least[0] = clock->least[1] = clock->recent = d;
	clock->samples = 1;
	clock->span_ns = clock->recent_ns = now_ns;
}

int64_t timing_clock_offset(const struct timing_clock *clock)
{
	if (!clock->known)
		return 0;
	return clock->least[0] < clock->least[1] ? clock->least[0] : clock->least[1];
}

static bool stepped(struct timing_clock *clock, int64_t d, int64_t by, uint64_t now_ns)
{
	clock->step_ns = by;
	clock->steps++;
	begin(clock, d, now_ns);
	return true;
}

bool timing_clock_note(struct timing_clock *clock, uint64_t tx_ns, uint64_t rx_ns,
		       uint64_t now_ns)
{
	const int64_t d = difference(tx_ns, rx_ns);
	const int64_t offset = timing_clock_offset(clock);

	if (!clock->known) {
		begin(clock, d, now_ns);
		return false;
	}
	/* nothing gets there so much faster than the fastest */
	if (offset - d > TIMING_STEP_NS)
		return stepped(clock, d, d - offset, now_ns);
	if (now_ns - clock->recent_ns >= TIMING_STEP_SPAN_NS) {
		const int64_t recent = clock->recent;

		if (clock->samples >= TIMING_STEP_SAMPLES &&
		    recent - offset > TIMING_STEP_NS)
			return stepped(clock, recent < d ? recent : d, recent - offset,
				       now_ns);
		clock->recent = d;
		clock->samples = 0;
		clock->recent_ns = now_ns;
	}
	clock->samples++;
	clock->recent = d < clock->recent ? d : clock->recent;
	if (now_ns - clock->span_ns >= TIMING_SPAN_NS) {
		clock->least[1] = clock->least[0];
		clock->least[0] = d;
		clock->span_ns = now_ns;
	}
	clock->least[0] = d < clock->least[0] ? d : clock->least[0];
	return false;
}

uint64_t timing_clock_delay(const struct timing_clock *clock, uint64_t tx_ns,
			    uint64_t rx_ns)
{
	const int64_t beyond = difference(tx_ns, rx_ns) - timing_clock_offset(clock);

	return clock->known && beyond > 0 ? (uint64_t)beyond : 0;
}

void timing_delays_tick(struct timing_delays *d, uint64_t now_ns)
{
	if (now_ns - d->begin_ns < TIMING_SPAN_NS)
		return;
	/* two spans without a note: what is older says nothing about now */
	if (now_ns - d->begin_ns >= 2 * TIMING_SPAN_NS)
		histogram_clear(&d->span[d->now]);
	d->now ^= 1;
	histogram_clear(&d->span[d->now]);
	d->begin_ns = now_ns;
}

void timing_delays_note(struct timing_delays *d, uint64_t delay_ns, uint64_t rx_ns,
			uint64_t now_ns)
{
	timing_delays_tick(d, now_ns);
	histogram_add(&d->span[d->now], delay_ns / 1000);
	d->last_rx_ns = rx_ns;
}

uint64_t timing_delays_quantile(const struct timing_delays *d, unsigned per_mille)
{
	return histogram_quantile(&d->span[0], &d->span[1], per_mille);
}

uint64_t timing_delays_most(const struct timing_delays *d)
{
	return d->span[0].most > d->span[1].most ? d->span[0].most : d->span[1].most;
}
