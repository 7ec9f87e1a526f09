// SPDX-License-Identifier: ISC
#include <string.h>

#include "clock.h"
#include "feed.h"

enum km_rc feed_pump_open(struct feed *f, void *mem, size_t len,
			  const struct intake_plan *plan, uint8_t *bounce)
{
	memset(f, 0, sizeof(*f));
	f->form = INTAKE_PUMP;
	f->sock = -1;
	f->bounce = bounce;
	f->frame_max = plan->frame_max;
	return ring_attach(&f->ring, mem, len, intake_pump_slot(plan),
			   intake_pump_slots(plan), RING_CONSUMER);
}

/* Copy the slot's head, judge the copy, then copy the bytes it speaks of. */
static bool take_slot(struct feed *f, const uint8_t *slot, struct feed_frame *frame)
{
	struct intake_frame h;
	int32_t more;

	memcpy(&h, slot, sizeof(h));
	more = (int32_t)(h.drops - f->drops_seen);
	if (more > 0)
		f->drops_new += (uint32_t)more;
	f->drops_seen = h.drops;
	if (h.end) {
		f->ended = true;
		return false;
	}
	if (h.len > f->frame_max) {
		f->bad++;
		return false;
	}
	memcpy(f->bounce, slot + sizeof(h), h.len);
	frame->p = f->bounce;
	frame->len = h.len;
	frame->wire_len = h.wire_len;
	frame->vlan = -1;
	return true;
}

unsigned feed_pump_peek(struct feed *f, struct feed_frame *frame)
{
	uint64_t first;
	uint32_t n;

	while (!f->ended && ring_peek(&f->ring, 1, &first, &n) == KM_OK) {
		f->peeked = n;
		if (take_slot(f, ring_slot(&f->ring, first), frame))
			return 1;
		feed_pump_release(f);
	}
	return 0;
}

void feed_pump_release(struct feed *f)
{
	/* a dead ring shows at the next peek */
	if (f->peeked && ring_release(&f->ring, f->peeked) != KM_OK)
		f->bad++;
	f->peeked = 0;
}

void feed_pump_wait(struct feed *f, int timeout_ms)
{
	if (f->ended)
		return;
	if (ring_wait(&f->ring, (uint64_t)timeout_ms * CLOCK_NS_PER_MS) == KM_ERR_STATE)
		clock_sleep_until(clock_mono_ns() + (uint64_t)timeout_ms * CLOCK_NS_PER_MS);
}
