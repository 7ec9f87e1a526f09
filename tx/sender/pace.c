// SPDX-License-Identifier: ISC
#include "pace.h"

#include <string.h>

#define NS_PER_S UINT64_C(1000000000)

/* bytes <= 128 frames of 64 KiB: bytes * 8e9 < 2^57. */
static uint64_t time_of(uint64_t bytes, uint64_t bps)
{
	return bytes * 8 * NS_PER_S / bps;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void pace_init(struct pace *p, uint64_t rate_bps, uint32_t frame_max, uint32_t burst_frames,
	       uint64_t now_ns)
{
	uint64_t burst_bytes = (uint64_t)frame_max * burst_frames;

	memset(p, 0, sizeof(*p));
	p->frame_max = frame_max;
	p->unpaced_bytes = burst_bytes;
	if (rate_bps == 0)
		return;
	p->rate.bps = rate_bps;
	p->peak.bps = rate_bps + rate_bps / PACE_CATCH_UP;
	p->rate.due_ns = p->peak.due_ns = now_ns;
	p->burst_ns = time_of(burst_bytes, p->peak.bps);
	if (time_of(frame_max, rate_bps) < PACE_TOGETHER_NS)
		p->together_ns = least(PACE_TOGETHER_NS, p->burst_ns / 2);
}

/* What lies further back than MOST is forgotten. */
static void bucket_forget(struct pace_bucket *b, uint64_t now_ns, uint64_t most_ns)
{
	if (b->due_ns + most_ns >= now_ns)
		return;
	b->due_ns = now_ns - most_ns;
	b->carry = 0;
}

static void bucket_take(struct pace_bucket *b, uint64_t bytes)
{
	uint64_t bit_ns = bytes * 8 * NS_PER_S + b->carry;

	b->due_ns += bit_ns / b->bps;
	b->carry = bit_ns % b->bps;
}

/* At most a burst, or PACE_LAG_NS of 400 Gbit/s: below 2^59. */
static uint64_t bucket_bytes(const struct pace_bucket *b, uint64_t now_ns)
{
	return b->due_ns < now_ns ? (now_ns - b->due_ns) * (b->bps / 8) / NS_PER_S : 0;
}

void pace_idle(struct pace *p, uint64_t now_ns)
{
	if (p->rate.bps != 0)
		bucket_forget(&p->rate, now_ns, p->burst_ns);
}

/* The frames that come due while a wake-up is late need not be waited for. */
static void pace_woken(struct pace *p, uint64_t now_ns)
{
	if (p->told_ns == 0 || now_ns < p->told_ns)
		return;
	p->late_ns = (7 * p->late_ns + least(now_ns - p->told_ns, p->together_ns)) / 8;
}

uint64_t pace_until_ns(struct pace *p, uint64_t now_ns)
{
	uint64_t until_ns, peak_ns;

	if (p->rate.bps == 0)
		return 0;
	pace_woken(p, now_ns);
	bucket_forget(&p->rate, now_ns, PACE_LAG_NS);
	bucket_forget(&p->peak, now_ns, p->burst_ns);
	until_ns = p->rate.due_ns + p->together_ns - p->late_ns;
	/* who is behind waits for fewer, so that a late wake-up does not lose what it makes good */
	peak_ns = p->peak.due_ns + (p->together_ns - p->late_ns) / 2;
	if (peak_ns > until_ns)
		until_ns = peak_ns;
	p->told_ns = until_ns > now_ns ? until_ns : 0;
	return p->told_ns;
}

uint64_t pace_allowance(const struct pace *p, uint64_t now_ns)
{
	if (p->rate.bps == 0)
		return p->unpaced_bytes;
	/* the last frame may be begun when it is due */
	return p->frame_max +
	       least(bucket_bytes(&p->rate, now_ns), bucket_bytes(&p->peak, now_ns));
}

void pace_sent(struct pace *p, uint64_t bytes)
{
	if (p->rate.bps == 0)
		return;
	bucket_take(&p->rate, bytes);
	bucket_take(&p->peak, bytes);
}
