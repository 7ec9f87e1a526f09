// SPDX-License-Identifier: ISC
/*
 * rx_state_age: how old a value was when it came, and whether a whole feed has gone silent.
 *
 * The clocks of tx and rx are not set by each other. The least difference seen between our time and
 * the time at which tx sent a message is their difference and the least way a message takes; what
 * is above it is age. So an age is right but for that least way, and never negative. The least is
 * that of some minutes, so that it follows clocks that drift; when tx's clock is set back while
 * messages come it begins anew, and within those minutes if it is set while none do. Our own wall clock
 * is read once: what it is set to later changes no age.
 *
 * Pure: time is the caller's.
 */
#ifndef RX_STATE_AGE_H
#define RX_STATE_AGE_H

#include <stdbool.h>
#include <stdint.h>

/* The least difference is that of the last one to two of these. */
#define RX_STATE_SPAN_NS UINT64_C(300000000000)
/* tx's clock that goes back by more than this between two messages was set. */
#define RX_STATE_STEP_NS UINT64_C(1000000000)

struct rx_state_age {
	int64_t base_ns; /* our wall clock less our monotonic one, at the start */
	bool known;
	uint64_t sent_ns;      /* of the last message, by tx's clock */
	uint64_t span_ns;      /* when the span began, monotonic */
	int64_t least, before; /* difference in this span, and in the one before */
};

void rx_state_age_init(struct rx_state_age *a, uint64_t real_ns, uint64_t mono_ns);

/* A message that tx sent at SENT_NS of its clock has come; before anything else about it. */
void rx_state_age_note(struct rx_state_age *a, uint64_t sent_ns, uint64_t mono_ns);

/* How old what happened at UPDATE_NS of tx's clock is. 0 before the first message. */
uint64_t rx_state_age_of(const struct rx_state_age *a, uint64_t update_ns,
			 uint64_t mono_ns);

/* ---- a whole feed ---- */

enum rx_state_alarm {
	RX_STATE_FRESH,
	RX_STATE_STALE, /* nothing new for stale_after */
	RX_STATE_DEAD,	/* for three times as long */
};

/* The alarm after ALARM when the newest value is AGE_NS old: it is lifted only by one that is
 * younger than half of STALE_NS, so that a feed at the edge does not ring again and again. */
enum rx_state_alarm rx_state_alarm_next(enum rx_state_alarm alarm, uint64_t age_ns,
					uint64_t stale_ns);

#endif
