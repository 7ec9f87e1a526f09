// SPDX-License-Identifier: ISC
/*
 * timing_page: what timing.h knows of each live channel and of the sender's clock, as rows of the
 * counters page ("ch7_delay_p99_us"). Gauges: a decode that is started again begins anew. One
 * thread of rx decode.
 */
#ifndef TIMING_PAGE_H
#define TIMING_PAGE_H

#include <stdint.h>

#include "live.h"
#include "stats.h"

/* Per channel. Delays are those of the last one to two minutes, beyond that of the fastest. */
#define TIMING_ROWS(X)                                                                     \
	X(TIMING_LAST, "last_ns") /* wall clock when the last message came; 0: none */     \
	X(TIMING_P50, "delay_p50_us")                                                      \
	X(TIMING_P99, "delay_p99_us")                                                      \
	X(TIMING_P999, "delay_p999_us")                                                    \
	X(TIMING_MOST, "delay_max_us")
enum timing_row { TIMING_ROWS(STATS_ENUM_ROW) TIMING_ROW_COUNT };

/* Of the newest session; of ahead and behind one is 0. */
#define TIMING_CLOCKS(X)                                                                   \
	X(TIMING_AHEAD, "clock_ahead_us")   /* our clock minus tx's and the wire */        \
	X(TIMING_BEHIND, "clock_behind_us") /* the other way round */                      \
	X(TIMING_STEPS, "clock_steps")
enum timing_clock_row { TIMING_CLOCKS(STATS_ENUM_ROW) TIMING_CLOCK_COUNT };

#define TIMING_PAGE_ROWS (LIVE_CHANNELS * TIMING_ROW_COUNT + TIMING_CLOCK_COUNT)

struct timing_page {
	struct stats_writer writer;
	char name[TIMING_PAGE_ROWS][STATS_NAME_MAX];
	uint64_t shown_ns;
};

KM_MUST_CHECK int timing_page_claim(struct timing_page *page, struct stats_map *map,
				    const struct live *live, struct km_err *err);

/* At most once a second; NOW_NS is monotonic. */
void timing_page_show(struct timing_page *page, struct live *live, uint64_t now_ns);

#endif
