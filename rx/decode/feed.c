// SPDX-License-Identifier: ISC
#include "feed.h"

unsigned feed_peek(struct feed *f, struct feed_frame *frames, unsigned max)
{
	if (max == 0)
		return 0;
	return f->form == INTAKE_RING ? feed_ring_peek(f, frames, max)
				      : feed_pump_peek(f, frames);
}

void feed_release(struct feed *f)
{
	if (f->form == INTAKE_RING)
		feed_ring_release(f);
	else
		feed_pump_release(f);
}

void feed_wait(struct feed *f, int timeout_ms)
{
	if (f->form == INTAKE_RING)
		feed_ring_wait(f, timeout_ms);
	else
		feed_pump_wait(f, timeout_ms);
}

uint64_t feed_drops(struct feed *f)
{
	uint64_t n = f->drops_new;

	f->drops_new = 0;
	return f->form == INTAKE_RING ? feed_ring_drops(f) : n;
}
