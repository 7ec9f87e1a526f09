// SPDX-License-Identifier: ISC
#include "delivery.h"

#include <string.h>

enum km_rc delivery_attach(struct delivery *d, void *mem, size_t len,
			   struct decode_counts *counts, delivery_wait_fn *wait_fn,
			   void *wait_ctx)
{
	enum km_rc rc;

	memset(d, 0, sizeof(*d));
	d->counts = counts;
	d->wait_fn = wait_fn;
	d->wait_ctx = wait_ctx;
	rc = ring_attach(&d->ring, mem, len, DELIVER_MSG_LEN, DELIVER_RING_SLOTS,
			 RING_PRODUCER);
	if (rc == KM_OK)
		d->head = d->ring.own;
	return rc;
}

void delivery_flush(struct delivery *d)
{
	if (d->unsent == 0)
		return;
	/* a dead ring shows at the next reserve */
	if (ring_submit(&d->ring, d->unsent) != KM_OK)
		d->gave_up = true;
	d->unsent = 0;
}

bool delivery_wait(struct delivery *d)
{
	delivery_flush(d);
	if (d->gave_up)
		return false;
	d->counts->v[COUNT_PUBLISH_WAITS]++;
	if (!d->wait_fn(d->wait_ctx))
		d->gave_up = true;
	return !d->gave_up;
}

void delivery_push(struct delivery *d, const struct deliver_msg *msg)
{
	uint64_t at;
	enum km_rc rc;

	if (d->gave_up)
		return;
	while ((rc = ring_reserve(&d->ring, 1, &at)) == KM_ERR_FULL) {
		if (!delivery_wait(d))
			return;
	}
	if (rc != KM_OK) {
		d->gave_up = true;
		return;
	}
	memcpy(ring_slot(&d->ring, at), msg, sizeof(*msg));
	d->head = at + 1;
	d->unsent++;
	d->counts->v[COUNT_MESSAGES]++;
	if (d->unsent >= DELIVERY_BATCH)
		delivery_flush(d);
}

uint64_t delivery_released(struct delivery *d)
{
	int64_t room = ring_ready(&d->ring);

	if (room < 0) {
		d->gave_up = true;
		return 0;
	}
	return d->head - (d->ring.count - (uint64_t)room);
}

void delivery_alarm(struct delivery *d, enum deliver_alarm alarm, uint32_t session,
		    uint64_t b)
{
	struct deliver_msg msg = {
		.type = DELIVER_ALARM,
		.session = session,
		.a = alarm,
		.b = b,
	};

	delivery_push(d, &msg);
}

void delivery_note(struct delivery *d, enum deliver_alarm alarm, uint64_t n)
{
	d->noted[alarm] += n;
}

void delivery_tick(struct delivery *d, uint64_t now_ns)
{
	if (now_ns - d->said_ns < DELIVERY_ALARM_NS)
		return;
	d->said_ns = now_ns;
	for (unsigned i = 0; i < DELIVERY_ALARMS; i++) {
		if (d->noted[i] == 0)
			continue;
		delivery_alarm(d, (enum deliver_alarm)i, 0, d->noted[i]);
		d->noted[i] = 0;
	}
}
