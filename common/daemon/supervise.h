// SPDX-License-Identifier: ISC
/*
 * supervise.h: the supervisor's loop: who died, when to start again, how to stop in order.
 *
 * Policy: a role that dies is started again after a delay that doubles from 100 ms to 10 s;
 * after a quiet minute the delay starts small again. Three deaths within a minute raise
 * role.alarm (once per bout); restarting goes on. Which roles must restart together is the
 * daemon's decision, not this file's. Holds no rights of its own.
 */
#ifndef SUPERVISE_H
#define SUPERVISE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "role.h"

#define SUPERVISE_ALARM_DEATHS 3
#define SUPERVISE_WINDOW_NS UINT64_C(60000000000)
#define SUPERVISE_DELAY_MIN_NS UINT64_C(100000000)
#define SUPERVISE_DELAY_MAX_NS UINT64_C(10000000000)

/* Poll interval where the kernel has no pidfds. */
#define SUPERVISE_POLL_NS UINT64_C(100000000)

/* Deaths of one role. Zero = none yet. */
struct supervise_history {
	uint64_t death_ns[SUPERVISE_ALARM_DEATHS]; /* latest ones, ring */
	uint64_t deaths;			   /* ever */
	uint64_t delay_ns;			   /* delay of the next restart */
	bool alarmed;
};

/*
 * Notes a death at now_ns (monotonic) and says after which delay to start again. *alarm is
 * true when this death makes the alarm (the caller logs role.alarm). Pure.
 */
uint64_t supervise_note_death(struct supervise_history *history, uint64_t now_ns,
			      bool *alarm);

/*
 * Waits until a child ends, a control socket of a child or one of extra[0..n_extra) has
 * something, or the deadline passes. Results: extra[].revents; *ended and *readable are bit
 * masks by child index (n <= 32). 0, or -1 when poll failed. Signals end the wait early.
 */
KM_MUST_CHECK int supervise_wait(struct role_child *const *children, size_t n,
				 struct pollfd *extra, size_t n_extra, uint64_t deadline_ns,
				 uint32_t *ended, uint32_t *readable, struct km_err *err);

/*
 * Stops children[0], then [1], ... : asks, waits at most limit_ns each, then SIGKILL
 * (role.killed). Returns how many had to be killed or had died by themselves.
 */
size_t supervise_stop(struct role_child *const *children, size_t n, uint64_t limit_ns);

#endif
