// SPDX-License-Identifier: ISC
#include "supervise.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "clock.h"
#include "log.h"

#define SUPERVISE_CHILDREN_MAX 32
#define SUPERVISE_EXTRA_MAX 16

uint64_t supervise_note_death(struct supervise_history *history, uint64_t now_ns,
			      bool *alarm)
{
	const uint64_t last =
		history->deaths
			? history->death_ns[(history->deaths - 1) % SUPERVISE_ALARM_DEATHS]
			: 0;
	uint64_t oldest;

	*alarm = false;
	if (history->deaths == 0 || now_ns - last >= SUPERVISE_WINDOW_NS) {
		history->delay_ns = SUPERVISE_DELAY_MIN_NS;
		history->alarmed = false;
	} else {
		history->delay_ns *= 2;
		if (history->delay_ns > SUPERVISE_DELAY_MAX_NS)
			history->delay_ns = SUPERVISE_DELAY_MAX_NS;
	}
	history->death_ns[history->deaths % SUPERVISE_ALARM_DEATHS] = now_ns;
	history->deaths++;
	if (history->deaths >= SUPERVISE_ALARM_DEATHS && !history->alarmed) {
		oldest = history->death_ns[history->deaths % SUPERVISE_ALARM_DEATHS];
		if (now_ns - oldest < SUPERVISE_WINDOW_NS) {
			history->alarmed = true;
			*alarm = true;
		}
	}
	return history->delay_ns;
}

/* For kernels without pidfds: whether the child waits to be reaped. */
static bool supervise_has_ended(const struct role_child *child)
{
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0)
		return false;
	return info.si_pid == child->pid;
}

int supervise_wait(struct role_child *const *children, size_t n, struct pollfd *extra,
		   size_t n_extra, uint64_t deadline_ns, uint32_t *ended,
		   uint32_t *readable, struct km_err *err)
{
	struct pollfd fds[2 * SUPERVISE_CHILDREN_MAX + SUPERVISE_EXTRA_MAX];
	int ready;

	*ended = *readable = 0;
	if (n > SUPERVISE_CHILDREN_MAX || n_extra > SUPERVISE_EXTRA_MAX)
		return km_err_set(err, EX_SOFTWARE, "supervisor: %zu roles, %zu others", n,
				  n_extra);
	for (size_t i = 0; i < n; i++) {
		/* poll ignores descriptors below 0 */
		fds[2 * i] = (struct pollfd){.fd = children[i]->pidfd, .events = POLLIN};
		fds[2 * i + 1] =
			(struct pollfd){.fd = children[i]->control, .events = POLLIN};
		if (children[i]->pid > 0 && children[i]->pidfd < 0) {
			uint64_t soon_ns = clock_mono_ns() + SUPERVISE_POLL_NS;

			deadline_ns = deadline_ns < soon_ns ? deadline_ns : soon_ns;
		}
	}
	for (size_t i = 0; i < n_extra; i++) {
		extra[i].revents = 0;
		fds[2 * n + i] = extra[i];
	}
	ready = poll(fds, 2 * n + n_extra, clock_poll_ms(deadline_ns));
	if (ready < 0 && errno != EINTR)
		return km_err_set_errno(err, EX_OSERR, "supervisor: poll");
	for (size_t i = 0; i < n; i++) {
		if ((ready > 0 && fds[2 * i].revents) ||
		    (children[i]->pid > 0 && children[i]->pidfd < 0 &&
		     supervise_has_ended(children[i])))
			*ended |= UINT32_C(1) << i;
		if (ready > 0 && fds[2 * i + 1].revents)
			*readable |= UINT32_C(1) << i;
	}
	for (size_t i = 0; ready > 0 && i < n_extra; i++)
		extra[i].revents = fds[2 * n + i].revents;
	return 0;
}

/* Waits until the child has ended or the deadline passed. */
static bool supervise_await_end(struct role_child *child, uint64_t deadline_ns,
				struct role_exit *exit)
{
	/* without its control socket: messages of a role that ends are nobody's */
	struct role_child only = *child;
	struct role_child *const one[1] = {&only};
	uint32_t ended, readable;

	only.control = -1;
	for (;;) {
		if (role_reap(child, exit))
			return true;
		if (clock_mono_ns() >= deadline_ns)
			return false;
		if (supervise_wait(one, 1, NULL, 0, deadline_ns, &ended, &readable, NULL) !=
		    0)
			return false;
	}
}

size_t supervise_stop(struct role_child *const *children, size_t n, uint64_t limit_ns)
{
	size_t unclean = 0;

	for (size_t i = 0; i < n; i++) {
		struct role_child *child = children[i];
		struct role_exit exit;

		if (child->pid == 0)
			continue;
		role_ask_stop(child);
		if (supervise_await_end(child, clock_add(clock_mono_ns(), limit_ns),
					&exit)) {
			unclean += !exit.expected;
			continue;
		}
		log_event(EVENT_ROLE_KILLED, "role %s did not stop in time pid=%d",
			  child->name, child->pid);
		role_kill(child);
		unclean++;
	}
	return unclean;
}
