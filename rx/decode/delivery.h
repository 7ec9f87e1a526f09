// SPDX-License-Identifier: ISC
/*
 * The producing end of the wall to publish (rx/wall/deliver.h): messages in order, never
 * dropped while the process lives. When publish is behind and the ring is full, decode
 * waits: what then overflows is the receive ring, and the kernel counts it.
 *
 * Alarms that hostile or lossy input can cause in numbers are added up and said at most
 * once a second each. Not a log: publish turns messages into words.
 */
#ifndef DELIVERY_H
#define DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode_count.h"
#include "deliver.h"
#include "km_err.h"
#include "ring.h"

#define DELIVERY_ALARMS (DELIVER_ALARM_FAR + 1u)
#define DELIVERY_ALARM_NS UINT64_C(1000000000)
/* Messages written before publish is told without waiting for the end of a batch. */
#define DELIVERY_BATCH 256u

/* Called when the ring is full, everything written so far submitted: sleep a little (or
 * drain, in a test). False: publish will not come back, give up. */
typedef bool delivery_wait_fn(void *ctx);

struct delivery {
	struct ring ring;
	uint64_t head;	 /* ring index behind the newest message */
	uint32_t unsent; /* written, not submitted */
	bool gave_up;	 /* a wait was refused: the role is leaving, messages are dropped */
	delivery_wait_fn *wait_fn;
	void *wait_ctx;
	struct decode_counts *counts;
	uint64_t noted[DELIVERY_ALARMS]; /* alarms not yet said */
	uint64_t said_ns;
};

/* Attach to the formatted ring in MEM. KM_ERR_* as ring_attach(). */
KM_MUST_CHECK enum km_rc delivery_attach(struct delivery *d, void *mem, size_t len,
					 struct decode_counts *counts,
					 delivery_wait_fn *wait_fn, void *wait_ctx);

/* Append a copy of MSG. */
void delivery_push(struct delivery *d, const struct deliver_msg *msg);

/* Publish what was written. Once per batch. */
void delivery_flush(struct delivery *d);

/* Flush, then wait once for room or progress. False: give up. */
bool delivery_wait(struct delivery *d);

/* Index behind the newest message, and behind the newest one that publish has released:
 * bytes that message number i - 1 points to are free when released >= i. */
static inline uint64_t delivery_head(const struct delivery *d)
{
	return d->head;
}
uint64_t delivery_released(struct delivery *d);

/* An alarm now, and one that is added up. */
void delivery_alarm(struct delivery *d, enum deliver_alarm alarm, uint32_t session,
		    uint64_t b);
void delivery_note(struct delivery *d, enum deliver_alarm alarm, uint64_t n);

/* Say what was noted, once a second. */
void delivery_tick(struct delivery *d, uint64_t now_ns);

#endif
