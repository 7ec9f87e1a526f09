// SPDX-License-Identifier: ISC
/*
 * clock.h: time in nanoseconds as uint64_t, and its text form.
 *
 * Which clock: MONOTONIC for intervals and deadlines, BOOTTIME to notice suspend and
 * snapshots (beside REALTIME), REALTIME only for stamps that people or the wire see.
 * Not a timer service. Any thread; no allocation.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_NS_PER_SEC UINT64_C(1000000000)
#define CLOCK_NS_PER_MS UINT64_C(1000000)
#define CLOCK_NS_PER_US UINT64_C(1000)

/* A deadline that never comes. */
#define CLOCK_NEVER UINT64_MAX

/* "2026-11-21T05:51:31.042Z" and the terminator. */
#define CLOCK_TEXT_MAX 32

uint64_t clock_mono_ns(void);
uint64_t clock_boot_ns(void);
uint64_t clock_real_ns(void);

/* Sleeps until the monotonic clock reads at least `deadline_ns`; signals do not shorten it. */
void clock_sleep_until(uint64_t deadline_ns);

/*
 * The same to the point, for deadlines a few microseconds away: a wait shorter than a sleep and
 * its wake-up (5 us late at the least timer slack, prctl(PR_SET_TIMERSLACK)) is spun, and that
 * is CLOCK_SPIN_NS at most. now_ns: what the clock has just read.
 */
#define CLOCK_SPIN_NS (10 * CLOCK_NS_PER_US)
void clock_wait_until(uint64_t now_ns, uint64_t deadline_ns);

/* now + delta without wrapping (CLOCK_NEVER at the top). */
uint64_t clock_add(uint64_t now_ns, uint64_t delta_ns);

/* An age of more than this beyond what is kept is not believed. */
#define CLOCK_BELIEVED_NS (UINT64_C(365) * 86400 * CLOCK_NS_PER_SEC)

/*
 * Whether what came at SINCE has been here for KEEP (all by the wall clock) and may go.
 * Whatever ages goes as soon as its time is up: what seems to have stayed for a year longer
 * says that the clock leapt, and for that nothing is thrown away.
 */
bool clock_aged(uint64_t now_ns, uint64_t since_ns, uint64_t keep_ns);

/* Milliseconds for poll(2) until `deadline_ns` (monotonic), rounded up; -1 for never. */
int clock_poll_ms(uint64_t deadline_ns);

/*
 * Formats nanoseconds since 1970 as RFC 3339 UTC with milliseconds (rounded down) into
 * text[CLOCK_TEXT_MAX] (64 bits of nanoseconds end in the year 2554). Returns text.
 */
char *clock_format(uint64_t real_ns, char text[CLOCK_TEXT_MAX]);

#endif
