// SPDX-License-Identifier: ISC
#include "feed.h"

#include <poll.h>

unsigned feed_peek(struct feed *f, struct feed_frame *frames, unsigned max)
{
	if (max == 0)
		return 0;
	switch (f->form) {
	case INTAKE_RING:
		return feed_ring_peek(f, frames, max);
	case INTAKE_SLOTS:
		return feed_slots_peek(f, frames, max);
	case INTAKE_XDP:
		return feed_xdp_peek(f, frames, max);
	case INTAKE_PUMP:
		return feed_pump_peek(f, frames);
	default:
		return 0;
	}
}

void feed_release(struct feed *f)
{
	switch (f->form) {
	case INTAKE_RING:
		feed_ring_release(f);
		break;
	case INTAKE_SLOTS:
		feed_slots_release(f);
		break;
	case INTAKE_XDP:
		feed_xdp_release(f);
		break;
	case INTAKE_PUMP:
		feed_pump_release(f);
		break;
	default:
		break;
	}
}

void feed_wait(const struct feed *realtime, struct feed *f, int timeout_ms)
{
	struct pollfd p[2] = {
		{.fd = f->sock, .events = POLLIN | POLLERR},
		{.fd = realtime->sock, .events = POLLIN | POLLERR},
	};
	bool both = realtime->form == INTAKE_SLOTS;

	if (f->form == INTAKE_PUMP || f->form == 0) {
		feed_pump_wait(f, timeout_ms);
		return;
	}
	if ((f->form == INTAKE_XDP ? feed_xdp_ready(f) : feed_ring_ready(f)) ||
	    (both && feed_slots_ready(realtime)))
		return;
	(void)poll(p, both ? 2 : 1, timeout_ms);
}

uint64_t feed_drops(struct feed *f)
{
	uint64_t n = f->drops_new;

	f->drops_new = 0;
	switch (f->form) {
	case INTAKE_RING:
		return feed_ring_drops(f);
	case INTAKE_SLOTS:
		return feed_slots_drops(f);
	case INTAKE_XDP:
		return feed_xdp_drops(f);
	default:
		return n;
	}
}
