// SPDX-License-Identifier: ISC
#include "pace.h"

#define NS_PER_S UINT64_C(1000000000)

void pace_init(struct pace *p, uint64_t rate_bps, uint32_t frame_max, uint64_t now_ns)
{
	p->rate_bps = rate_bps;
	p->burst_ns = (uint64_t)frame_max * 8 * PACE_BURST_FRAMES * NS_PER_S / rate_bps;
	p->due_ns = now_ns;
	p->carry = 0;
}

uint64_t pace_wait_ns(struct pace *p, uint64_t now_ns)
{
	/* Idle time is not saved up beyond one burst. */
	if (p->due_ns + p->burst_ns < now_ns) {
		p->due_ns = now_ns - p->burst_ns;
		p->carry = 0;
	}
	return p->due_ns > now_ns ? p->due_ns - now_ns : 0;
}

void pace_sent(struct pace *p, uint64_t bytes)
{
	/* bytes <= 64 frames of 64 KiB: bytes * 8e9 < 2^55. */
	uint64_t bit_ns = bytes * 8 * NS_PER_S + p->carry;

	p->due_ns += bit_ns / p->rate_bps;
	p->carry = bit_ns % p->rate_bps;
}

uint64_t pace_allowance(const struct pace *p, uint64_t now_ns, uint32_t frame_max)
{
	uint64_t behind_ns, bytes;

	if (p->due_ns >= now_ns)
		return frame_max;
	behind_ns = now_ns - p->due_ns;
	if (behind_ns > p->burst_ns)
		behind_ns = p->burst_ns;
	/* burst_ns * rate is 32 frames in bit-ns: below 2^55 for every legal rate. */
	bytes = behind_ns * (p->rate_bps / 8) / NS_PER_S;
	return bytes > frame_max ? bytes : frame_max;
}
