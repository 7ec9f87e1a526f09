// SPDX-License-Identifier: ISC
#include "fleet.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"

/* How long a stop may go unseen while a role starts. */
#define FLEET_SLICE_MS 100

#define FLEET_AT_WORK "all roles are at work"

/* Of a supervisor: to start roles and to end them. */
#define FLEET_CAPS                                                                         \
	(SANDBOX_CAP(CAP_NET_RAW) | SANDBOX_CAP(CAP_SETUID) | SANDBOX_CAP(CAP_SETGID) |    \
	 SANDBOX_CAP(CAP_SETPCAP) | SANDBOX_CAP(CAP_KILL))

static volatile sig_atomic_t fleet_stop_signal;
static volatile sig_atomic_t fleet_hup_signal;

static void fleet_on_signal(int sig)
{
	if (sig == SIGHUP)
		fleet_hup_signal = 1;
	else
		fleet_stop_signal = sig;
}

static void fleet_catch_signals(void)
{
	static const int caught[] = {SIGTERM, SIGINT, SIGHUP};
	struct sigaction action = {.sa_handler = fleet_on_signal};

	fleet_stop_signal = 0;
	fleet_hup_signal = 0;
	(void)sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < KM_COUNT(caught); i++)
		(void)sigaction(caught[i], &action, NULL);
	/* a reader of our log that has gone must not take the daemon with it */
	(void)signal(SIGPIPE, SIG_IGN);
}

/* Of a set-up: trying again would only fail again, the human has to do something first. */
static bool fleet_is_final(int code)
{
	return code == EX_USAGE || code == EX_NOPERM || code == EX_CONFIG;
}

static void fleet_end(struct fleet *f, int code)
{
	if (f->ending)
		return;
	f->ending = true;
	f->code = code;
}

/* Ticks without a beat after which a role hangs. */
static uint64_t fleet_patience(const struct fleet *f)
{
	const struct notify *n = f->plan->notify;
	uint64_t limit_ns = n && n->watchdog_ns ? n->watchdog_ns / 2 : FLEET_HUNG_NS;

	/* less than two ticks would take a slow start for a halt */
	return limit_ns / f->plan->tick_ns > 2 ? limit_ns / f->plan->tick_ns : 2;
}

/* The watchdog's sign of life, if it is time and there is life: see fleet.h. */
static void fleet_alive(struct fleet *f)
{
	if (!f->plan->notify)
		return;
	for (size_t i = 0; i < f->plan->n; i++)
		if (f->pulse[i].still >= 2 * fleet_patience(f))
			return;
	notify_alive(f->plan->notify, clock_mono_ns());
}

/* Kills what hangs; its end is then a death like any other. */
static void fleet_check_pulses(struct fleet *f)
{
	for (size_t i = 0; f->plan->beats && i < f->plan->n; i++) {
		const struct role_child *child = &f->child[i];
		struct fleet_pulse *pulse = &f->pulse[i];
		uint64_t beats = 0;

		if (!child->ready || child->stopping ||
		    !stats_beats(f->plan->beats, f->plan->roles[i].block,
				 (uint32_t)child->pid, &beats) ||
		    beats != pulse->beats) {
			*pulse = (struct fleet_pulse){.beats = beats};
			continue;
		}
		if (++pulse->still != fleet_patience(f))
			continue;
		log_event(EVENT_ROLE_HUNG,
			  "role %s does not go on: it is killed and started again pid=%d "
			  "ticks=%" PRIu64,
			  child->name, (int)child->pid, pulse->still);
		role_strike(child);
	}
}

/* For `systemctl status`: what is at work and what is not. */
static void fleet_tell_state(struct fleet *f)
{
	char text[NOTIFY_STATUS_MAX];
	size_t used = 0;

	if (!f->plan->notify)
		return;
	(void)snprintf(text, sizeof(text), "%s", FLEET_AT_WORK);
	for (size_t i = 0; i < f->plan->n; i++) {
		int n;

		if (!(f->down >> i & 1) || used >= sizeof(text))
			continue;
		n = snprintf(text + used, sizeof(text) - used, "%s%s%s",
			     used ? ", " : "down: ", f->plan->roles[i].name,
			     f->held >> i & 1 ? " (no interface)" : "");
		used += n > 0 ? (size_t)n : 0;
	}
	notify_status(f->plan->notify, text);
}

/* Asks the roles of mask to end, in stop order; kills what overstays limit_ns. */
static size_t fleet_stop_mask(struct fleet *f, uint32_t mask, uint64_t limit_ns)
{
	size_t unclean = 0;

	for (size_t i = 0; i < f->plan->n; i++) {
		uint8_t role = f->plan->stop_order[i];
		struct role_child *one[] = {&f->child[role]};

		if (!(mask >> role & 1))
			continue;
		unclean += supervise_stop(one, 1, limit_ns);
		fleet_alive(f);
	}
	return unclean;
}

/* role_await_ready() in slices, so that a stop need not wait for a role's long set-up. */
static int fleet_await_ready(struct fleet *f, struct role_child *child, struct km_err *err)
{
	const uint64_t deadline_ns = clock_add(clock_mono_ns(), FLEET_READY_NS);
	struct pollfd fd = {.fd = child->control, .events = POLLIN};

	while (clock_mono_ns() < deadline_ns) {
		if (fleet_stop_signal)
			return km_err_set(err, 0, "role %s: stopped while it starts",
					  child->name);
		if (poll(&fd, 1, FLEET_SLICE_MS) > 0)
			return role_await_ready(child, CLOCK_NS_PER_SEC, err);
		fleet_alive(f);
	}
	return km_err_set(err, EX_SOFTWARE, "role %s: not ready in time", child->name);
}

/* Starts the roles of mask, all of which are down. On -1 none of them runs. */
static int fleet_bring_up(struct fleet *f, uint32_t mask, struct km_err *err)
{
	const struct fleet_plan *plan = f->plan;

	if (plan->prepare && plan->prepare(plan->ctx, mask, err) != 0)
		return -1;
	for (size_t i = 0; i < plan->n; i++)
		if ((mask >> i & 1) &&
		    plan->roles[i].spawn(plan->ctx, &f->child[i], err) != 0)
			goto out_kill;
	/* in order: a later role's set-up may need an earlier one at work (source, signer) */
	for (size_t i = 0; i < plan->n; i++) {
		/* what its predecessor was killed for is none of its */
		if (mask >> i & 1)
			f->pulse[i] = (struct fleet_pulse){0};
		if ((mask >> i & 1) && f->child[i].pid != 0 &&
		    (fleet_await_ready(f, &f->child[i], err) != 0 ||
		     role_go(&f->child[i], err) != 0))
			goto out_kill;
	}
	f->down &= ~mask;
	return 0;
out_kill:
	for (size_t i = 0; i < plan->n; i++)
		if (mask >> i & 1)
			role_kill(&f->child[i]);
	return -1;
}

static void fleet_schedule(struct fleet *f, uint32_t mask, uint64_t due_ns)
{
	f->down |= mask;
	for (size_t i = 0; i < f->plan->n; i++)
		if ((mask >> i & 1) && f->due_ns[i] < due_ns)
			f->due_ns[i] = due_ns;
}

/*
 * Ends what cannot live without role i, and plans when all of it starts again. BROKEN: a
 * neighbour broke the protocol with it, so nothing that they share is believed any more.
 */
static void fleet_note_death(struct fleet *f, size_t i, bool by_signal, bool broken)
{
	uint32_t mask = f->plan->roles[i].with | UINT32_C(1) << i;
	uint64_t now_ns = clock_mono_ns();
	bool alarm;
	uint64_t delay_ns = supervise_note_death(&f->history[i], now_ns, &alarm);

	if (alarm) {
		log_event(EVENT_ROLE_ALARM, "role %s has died %d times within a minute",
			  f->plan->roles[i].name, SUPERVISE_ALARM_DEATHS);
		/* it gives up by itself, again and again: what it shares may be damaged */
		broken |= !by_signal;
	}
	if (broken)
		mask = (UINT32_C(1) << f->plan->n) - 1;
	(void)fleet_stop_mask(f, mask, FLEET_PEER_STOP_NS);
	fleet_schedule(f, mask, clock_add(clock_mono_ns(), delay_ns));
}

static void fleet_handle_end(struct fleet *f, size_t i)
{
	struct role_exit exit;

	/* a role that has done its part may go: code 0 is then no death */
	if (f->plan->once)
		f->child[i].stopping = true;
	if (!role_reap(&f->child[i], &exit)) {
		f->child[i].stopping = false;
		return;
	}
	if (f->plan->once) {
		if (exit.signalled || exit.number != 0)
			fleet_end(f, exit.signalled ? EX_SOFTWARE : exit.number);
		return;
	}
	/* whatever its code says: who broke into it must not end the daemon by one word */
	fleet_note_death(f, i, exit.signalled,
			 !exit.signalled && exit.number == EX_PROTOCOL);
}

/* A role at work says nothing on its control socket: whatever comes is a violation. */
static void fleet_handle_message(struct fleet *f, size_t i)
{
	static const struct ipc_table nothing = {NULL, 0};
	struct ipc_msg msg;

	if (f->child[i].pid == 0 ||
	    ipc_recv(f->child[i].control, &nothing, &msg, 0) != KM_ERR_MALFORMED)
		return;
	role_kill(&f->child[i]);
	fleet_note_death(f, i, false, true);
}

/* Roles whose time to start again has come and that nothing holds back. */
static uint32_t fleet_due(const struct fleet *f)
{
	uint64_t now_ns = clock_mono_ns();
	uint32_t mask = 0;

	for (size_t i = 0; i < f->plan->n; i++)
		if ((f->down & ~f->held) >> i & 1 && f->due_ns[i] <= now_ns)
			mask |= UINT32_C(1) << i;
	return mask;
}

static void fleet_start_due(struct fleet *f)
{
	struct km_err err = KM_ERR_INIT;
	uint32_t mask = fleet_due(f);

	if (mask == 0)
		return;
	/* what a role died of may be visible by now: an interface that has gone holds it */
	if (f->plan->tick(f->plan->ctx, f) != 0) {
		fleet_end(f, 0);
		return;
	}
	mask = fleet_due(f);
	if (mask == 0)
		return;
	for (size_t i = 0; i < f->plan->n; i++) {
		if (!(mask >> i & 1))
			continue;
		f->due_ns[i] = 0;
		f->restarts++;
		log_event(EVENT_ROLE_RESTART, "role %s is started again deaths=%llu",
			  f->plan->roles[i].name, (unsigned long long)f->history[i].deaths);
	}
	if (fleet_bring_up(f, mask, &err) == 0 || fleet_stop_signal)
		return;
	log_event_at(LOG_ERR, EVENT_ROLE_RESTART, "restart failed: %s", err.text);
	if (fleet_is_final(err.code))
		fleet_end(f, err.code);
	else
		for (size_t i = 0; i < f->plan->n; i++)
			if (mask >> i & 1)
				fleet_note_death(f, i, true, false);
}

void fleet_restart(struct fleet *f, uint32_t mask, const char *why)
{
	for (size_t i = 0; i < f->plan->n; i++)
		if (mask >> i & 1)
			mask |= f->plan->roles[i].with;
	log_event(EVENT_ROLE_RESTART, "%s", why);
	(void)fleet_stop_mask(f, mask, FLEET_PEER_STOP_NS);
	fleet_schedule(f, mask, clock_mono_ns());
}

int fleet_replace(struct fleet *f, size_t i, struct km_err *err)
{
	struct role_child *const old[] = {&f->child[i]};
	struct role_child fresh;

	if (f->child[i].pid == 0)
		return km_err_set(err, EX_SOFTWARE, "role %s is not at work: try again",
				  f->plan->roles[i].name);
	if (f->plan->roles[i].spawn(f->plan->ctx, &fresh, err) != 0)
		return -1;
	if (fleet_await_ready(f, &fresh, err) != 0) {
		role_kill(&fresh);
		if (err->code != EX_SOFTWARE)
			err->code = 0; /* it gave up by itself, or we are to stop */
		return -1;
	}
	(void)supervise_stop(old, 1, FLEET_PEER_STOP_NS);
	f->child[i] = fresh;
	f->pulse[i] = (struct fleet_pulse){0};
	if (role_go(&f->child[i], err) == 0)
		return 0;
	role_kill(&f->child[i]);
	fleet_note_death(f, i, true, false);
	return -1;
}

static uint64_t fleet_deadline(const struct fleet *f, uint64_t tick_ns)
{
	uint64_t deadline_ns = tick_ns;

	if (f->plan->notify && notify_due_ns(f->plan->notify) < deadline_ns)
		deadline_ns = notify_due_ns(f->plan->notify);
	for (size_t i = 0; i < f->plan->n; i++)
		if ((f->down & ~f->held) >> i & 1 && f->due_ns[i] < deadline_ns)
			deadline_ns = f->due_ns[i];
	return deadline_ns;
}

static void fleet_check_signals(struct fleet *f)
{
	if (fleet_hup_signal) {
		fleet_hup_signal = 0;
		if (f->plan->reload)
			f->plan->reload(f->plan->ctx, f);
		else
			log_event(EVENT_RELOAD_REFUSED,
				  "SIGHUP changes nothing here: end it and start again");
	}
	if (fleet_stop_signal) {
		log_event(EVENT_DAEMON_STOP, "stopping signal=%d", (int)fleet_stop_signal);
		fleet_end(f, 0);
	}
}

static void fleet_step(struct fleet *f, uint64_t *next_tick_ns)
{
	struct role_child *list[FLEET_ROLES_MAX];
	struct km_err err = KM_ERR_INIT;
	struct pollfd ask = {.fd = f->plan->ask ? *f->plan->ask : -1, .events = POLLIN};
	uint32_t ended, readable;

	for (size_t i = 0; i < f->plan->n; i++)
		list[i] = &f->child[i];
	if (supervise_wait(list, f->plan->n, &ask, 1, fleet_deadline(f, *next_tick_ns),
			   &ended, &readable, &err) != 0) {
		log_event(EVENT_DAEMON_FAILED, "%s", err.text);
		fleet_end(f, err.code);
		return;
	}
	for (size_t i = 0; i < f->plan->n; i++) {
		if (ended >> i & 1)
			fleet_handle_end(f, i);
		else if (readable >> i & 1)
			fleet_handle_message(f, i);
	}
	if (ask.revents)
		f->plan->answer(f->plan->ctx, f);
	fleet_check_signals(f);
	if (!f->ending && clock_mono_ns() >= *next_tick_ns) {
		*next_tick_ns = clock_add(clock_mono_ns(), f->plan->tick_ns);
		if (f->plan->tick(f->plan->ctx, f) != 0)
			fleet_end(f, 0);
		fleet_check_pulses(f);
	}
	if (!f->ending)
		fleet_start_due(f);
	fleet_tell_state(f);
	fleet_alive(f);
}

/* A manager that does not hear this ends us in its time: then the log should say why. */
static void fleet_tell(struct fleet *f, bool ready)
{
	if (!f->plan->notify)
		return;
	if (ready ? notify_ready(f->plan->notify, FLEET_AT_WORK)
		  : notify_stopping(f->plan->notify))
		return;
	log_event(EVENT_NOTIFY_FAILED,
		  "the service manager does not take %s: is NOTIFY_SOCKET its socket? "
		  "errno=%d",
		  ready ? "READY=1" : "STOPPING=1", errno);
}

int fleet_run(struct fleet *f, const struct fleet_plan *plan)
{
	const uint32_t all = (UINT32_C(1) << plan->n) - 1;
	uint64_t next_tick_ns = clock_mono_ns();
	struct km_err err = KM_ERR_INIT;

	memset(f, 0, sizeof(*f));
	f->plan = plan;
	for (size_t i = 0; i < plan->n; i++)
		f->child[i] = (struct role_child)ROLE_CHILD_INIT;
	fleet_catch_signals();
	if (fleet_bring_up(f, all, &err) != 0) {
		if (fleet_stop_signal) {
			log_event(EVENT_DAEMON_STOP, "stopped before all roles were ready");
			return 0;
		}
		log_event(EVENT_DAEMON_FAILED, "start: %s", err.text);
		return err.code ? err.code : EX_SOFTWARE;
	}
	log_event(EVENT_DAEMON_READY, "all roles are ready");
	fleet_tell(f, true);
	while (!f->ending)
		fleet_step(f, &next_tick_ns);
	fleet_tell(f, false);
	if (fleet_stop_mask(f, all, plan->stop_ns) != 0 && f->code == 0)
		f->code = EX_SOFTWARE;
	log_event(EVENT_DAEMON_STOP, "stopped code=%d", f->code);
	return f->code;
}

/* For people, in the log line. */
static const char *fleet_lacking(void)
{
	struct cage_kernel kernel;

	cage_ask_kernel(&kernel);
	if (!kernel.calls)
		return kernel.landlock ? "the filter of system calls"
				       : "the filter of system calls, Landlock";
	return kernel.landlock < CAGE_LANDLOCK_MIN ? "Landlock" : "none";
}

static void say_rights(const struct sandbox_report *report)
{
	char text[SANDBOX_TEXT_MAX];

	log_event(EVENT_ROLE_READY, "supervisor holds: %s",
		  sandbox_describe(report, text, sizeof(text)));
}

int fleet_give_up_rights(uint64_t beside, bool permissive, struct sandbox_report *report,
			 struct km_err *err)
{
	const struct sandbox_plan plan = {
		.keep_caps = FLEET_CAPS | beside,
		.bounding = FLEET_CAPS | beside,
	};

	if (sandbox_apply(&plan, report, err) != 0 ||
	    cage_close_supervisor(beside & SANDBOX_CAP(CAP_BPF), permissive, &report->cage,
				  err) != 0)
		return -1;
	say_rights(report);
	if (permissive)
		log_event(EVENT_SANDBOX_DEGRADED,
			  "sandbox = permissive: walls that this kernel lacks are done "
			  "without; it lacks: %s",
			  fleet_lacking());
	return 0;
}

int fleet_give_up_more(uint64_t beside, struct sandbox_report *report, struct km_err *err)
{
	report->bounding_wanted = FLEET_CAPS | beside;
	if (sandbox_drop_caps(FLEET_CAPS | beside, report, err) != 0)
		return -1;
	say_rights(report);
	return 0;
}
