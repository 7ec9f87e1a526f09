// SPDX-License-Identifier: ISC
/*
 * timing: how long things are on the way, when nothing ever answers. A one-way link cannot
 * measure the delay itself: the two clocks differ by an amount that nobody knows. What can be known is
 * how much longer than the fastest one a message took: the least difference between arrival and tx
 * time over the last minute or two stands for clocks and wire together, and each message's delay is
 * told relative to it. The estimate follows clocks that drift; one that steps is noticed,
 * because suddenly everything takes longer, or less.
 *
 * Pure: the caller says what time it is. All times in ns.
 */
#ifndef TIMING_H
#define TIMING_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"

/* The estimate is the least difference of this span and the one before. */
#define TIMING_SPAN_NS UINT64_C(60000000000)
/* A clock has stepped when the least difference of so long is off by so much. */
#define TIMING_STEP_SPAN_NS UINT64_C(5000000000)
#define TIMING_STEP_NS INT64_C(250000000)
/* Fewer say nothing about a step: they may just have been late. */
#define TIMING_STEP_SAMPLES 3u

/* The clock of one session's sender, seen from here. */
struct timing_clock {
	bool known;
	int64_t least[2]; /* of this span and the one before */
	uint64_t span_ns; /* when this span began */
	int64_t recent;	  /* least of the short span */
	unsigned samples; /* in it */
	uint64_t recent_ns;
	int64_t step_ns; /* the last step: > 0 when differences grew */
	uint64_t steps;
};

/* Something that tx sent at TX_NS (its clock) came at RX_NS (ours), at the moment NOW_NS
 * (monotonic). True: a clock has stepped, by clock->step_ns. */
bool timing_clock_note(struct timing_clock *clock, uint64_t tx_ns, uint64_t rx_ns,
		       uint64_t now_ns);

/* Our clock minus tx's, plus what the fastest took. 0 when nothing is known. */
int64_t timing_clock_offset(const struct timing_clock *clock);

/* The delay of what tx sent at TX_NS and came at RX_NS, beyond that of the fastest; >= 0. */
uint64_t timing_clock_delay(const struct timing_clock *clock, uint64_t tx_ns,
			    uint64_t rx_ns);

/* The delays of one channel, of this span and the one before; in microseconds. */
struct timing_delays {
	struct histogram span[2];
	unsigned now; /* of span[] */
	uint64_t begin_ns;
	uint64_t last_rx_ns; /* when the last one came, by our wall clock; 0: none yet */
};

void timing_delays_note(struct timing_delays *d, uint64_t delay_ns, uint64_t rx_ns,
			uint64_t now_ns);

/* Microseconds, of at most the last two spans. */
uint64_t timing_delays_quantile(const struct timing_delays *d, unsigned per_mille);
uint64_t timing_delays_most(const struct timing_delays *d);

/* Spans end with time, also where nothing comes any more. */
void timing_delays_tick(struct timing_delays *d, uint64_t now_ns);

#endif
