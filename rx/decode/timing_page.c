// SPDX-License-Identifier: ISC
#include "timing_page.h"

#include <stdio.h>

#include "clock.h"
#include "deliver.h"

int timing_page_claim(struct timing_page *page, struct stats_map *map,
		      const struct live *live, struct km_err *err)
{
	static const char *const rows[] = {TIMING_ROWS(STATS_NAME_ROW)};
	static const char *const clocks[] = {TIMING_CLOCKS(STATS_NAME_ROW)};
	const char *names[TIMING_PAGE_ROWS];
	uint32_t n = 0;

	for (unsigned i = 0; i < live->channels; i++) {
		for (unsigned row = 0; row < TIMING_ROW_COUNT; row++, n++) {
			(void)snprintf(page->name[n], STATS_NAME_MAX, "ch%u_%s",
				       live->channel[i].number, rows[row]);
			names[n] = page->name[n];
		}
	}
	for (unsigned row = 0; row < TIMING_CLOCK_COUNT; row++)
		names[n++] = clocks[row];
	if (stats_claim(map, &page->writer, RX_STATS_TIMING, "timing", names, n, err) != 0)
		return km_err_prefix(err, "counters page");
	for (uint32_t i = 0; i < n; i++)
		stats_set(&page->writer, i, 0);
	return 0;
}

static void show_clock(struct timing_page *page, const struct live *live, uint32_t at)
{
	const struct live_session *newest = NULL;
	int64_t offset_us;

	for (unsigned i = 0; i < LIVE_SESSIONS; i++)
		if (live->session[i].known &&
		    (!newest || live->session[i].epoch > newest->epoch))
			newest = &live->session[i];
	if (!newest)
		return;
	offset_us = timing_clock_offset(&newest->clock) / 1000;
	stats_set(&page->writer, at + TIMING_AHEAD,
		  offset_us > 0 ? (uint64_t)offset_us : 0);
	stats_set(&page->writer, at + TIMING_BEHIND,
		  offset_us < 0 ? (uint64_t)-offset_us : 0);
	stats_set(&page->writer, at + TIMING_STEPS, newest->clock.steps);
}

void timing_page_show(struct timing_page *page, struct live *live, uint64_t now_ns)
{
	uint32_t at = 0;

	if (now_ns - page->shown_ns < CLOCK_NS_PER_SEC)
		return;
	page->shown_ns = now_ns;
	for (unsigned i = 0; i < live->channels; i++, at += TIMING_ROW_COUNT) {
		struct timing_delays *d = &live->channel[i].delays;

		timing_delays_tick(d, now_ns);
		stats_set(&page->writer, at + TIMING_LAST, d->last_rx_ns);
		stats_set(&page->writer, at + TIMING_P50, timing_delays_quantile(d, 500));
		stats_set(&page->writer, at + TIMING_P99, timing_delays_quantile(d, 990));
		stats_set(&page->writer, at + TIMING_P999, timing_delays_quantile(d, 999));
		stats_set(&page->writer, at + TIMING_MOST, timing_delays_most(d));
	}
	show_clock(page, live, at);
}
