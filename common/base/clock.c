// SPDX-License-Identifier: ISC
#include "clock.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t clock_read_ns(clockid_t id)
{
	struct timespec ts;

	/* cannot fail for these clocks; a wrong time must never be returned quietly */
	if (clock_gettime(id, &ts) != 0 || ts.tv_sec < 0)
		abort();
	return (uint64_t)ts.tv_sec * CLOCK_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_boot_ns(void)
{
	return clock_read_ns(CLOCK_BOOTTIME);
}

uint64_t clock_real_ns(void)
{
	return clock_read_ns(CLOCK_REALTIME);
}

void clock_sleep_until(uint64_t deadline_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(deadline_ns / CLOCK_NS_PER_SEC),
		.tv_nsec = (long)(deadline_ns % CLOCK_NS_PER_SEC),
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

void clock_wait_until(uint64_t now_ns, uint64_t deadline_ns)
{
	if (deadline_ns > now_ns && deadline_ns - now_ns > CLOCK_SPIN_NS) {
		clock_sleep_until(deadline_ns);
		return;
	}
	while (now_ns < deadline_ns)
		now_ns = clock_mono_ns();
}

uint64_t clock_add(uint64_t now_ns, uint64_t delta_ns)
{
	return delta_ns > CLOCK_NEVER - now_ns ? CLOCK_NEVER : now_ns + delta_ns;
}

bool clock_aged(uint64_t now_ns, uint64_t since_ns, uint64_t keep_ns)
{
	const uint64_t age_ns = now_ns - since_ns;

	return now_ns >= since_ns && age_ns >= keep_ns &&
	       age_ns - keep_ns <= CLOCK_BELIEVED_NS;
}

int clock_poll_ms(uint64_t deadline_ns)
{
	uint64_t now_ns, left_ms;

	if (deadline_ns == CLOCK_NEVER)
		return -1;
	now_ns = clock_mono_ns();
	if (deadline_ns <= now_ns)
		return 0;
	left_ms = (deadline_ns - now_ns - 1) / CLOCK_NS_PER_MS + 1;
	return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

char *clock_format(uint64_t real_ns, char text[CLOCK_TEXT_MAX])
{
	time_t seconds = (time_t)(real_ns / CLOCK_NS_PER_SEC);
	unsigned int ms = (unsigned int)(real_ns % CLOCK_NS_PER_SEC / CLOCK_NS_PER_MS);
	struct tm tm;
	size_t n;

	if (!gmtime_r(&seconds, &tm))
		abort();
	n = strftime(text, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text + n, CLOCK_TEXT_MAX - n, ".%03uZ", ms);
	return text;
}
