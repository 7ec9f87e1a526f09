// SPDX-License-Identifier: ISC
/*
 * fleet.h: all roles of one daemon as its supervisor runs them: start in order, start again
 * what died together with what cannot live without it, stop in order.
 *
 * Built on role.h (one role) and supervise.h (when and how often). What a role is, which
 * descriptors it gets and who depends on whom is the daemon's: a table of struct fleet_role
 * and three functions. Never gives up on a role that has been at work, whatever its exit code:
 * it may have been broken into. Only a set-up, before a role is ready, says by EX_USAGE, EX_NOPERM
 * or EX_CONFIG that trying again cannot help, and ends the daemon with that code.
 *
 * A role that hangs is killed, and then started again like any that died: every role counts
 * rounds of its loop (role_beat_in()), and one whose count has not moved for FLEET_HUNG_NS, or for
 * half the service manager's watchdog if that is set, hangs. The watchdog hears of us twice in its
 * time as long as this loop goes round and no role outlives being killed; then it hears no more,
 * and ends the daemon.
 *
 * One per process, in its only thread. Logs role.restart, role.alarm, role.hung, notify.failed,
 * daemon.*.
 */
#ifndef FLEET_H
#define FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notify.h"
#include "role.h"
#include "stats.h"
#include "supervise.h"

#define FLEET_ROLES_MAX 16

/* A role has this long to become ready: publish may have to walk its state after a crash. */
#define FLEET_READY_NS UINT64_C(120000000000)
/* A role that is restarted for another's sake may finish what it does, this long. */
#define FLEET_PEER_STOP_NS UINT64_C(2000000000)
/* A loop that stands still so long does not wait for a disk any more: that is for threads. */
#define FLEET_HUNG_NS UINT64_C(60000000000)

struct fleet;

struct fleet_role {
	const char *name;
	uint32_t
		with; /* roles (bits by index) that end and start again when this one died */
	/* Calls role_spawn(). Leaving child->pid at 0 means: not needed now. */
	int (*spawn)(void *ctx, struct role_child *child, struct km_err *err);
	uint32_t block; /* its block of the counters page, where it counts its beats */
};

struct fleet_plan {
	const struct fleet_role
		*roles;		   /* in the order of their start: each is at work before
					 * the next one need be ready */
	size_t n;		   /* <= FLEET_ROLES_MAX */
	const uint8_t *stop_order; /* n indices */
	uint64_t stop_ns;	   /* limit for each role when the daemon stops */
	bool once; /* any end but code 0 ends the daemon; code 0 just leaves the role out */
	uint64_t tick_ns;
	/* Before the roles of mask start (all of them ended): rings, sockets. */
	int (*prepare)(void *ctx, uint32_t mask, struct km_err *err);
	/* Every tick_ns, and before roles start again. Not 0: stop in order (and leave with code 0). */
	int (*tick)(void *ctx, struct fleet *fleet);
	/* SIGHUP; it says itself what came of it. NULL: SIGHUP changes nothing. */
	void (*reload)(void *ctx, struct fleet *fleet);
	/* A descriptor at which roles ask for something, -1 now and then; and what looks at it when
	 * it is readable. NULL: none. */
	const int *ask;
	void (*answer)(void *ctx, struct fleet *fleet);
	void *ctx;
	const struct stats_map *beats; /* NULL: no role is taken for hung */
	struct notify *notify;	       /* NULL: there is no service manager to tell */
};

/* A role whose loop does not go round. */
struct fleet_pulse {
	uint64_t beats; /* when it was last seen to move */
	uint64_t still; /* ticks since then: what stops us too, a suspended host, is one */
};

struct fleet {
	const struct fleet_plan *plan;
	struct role_child child[FLEET_ROLES_MAX];
	struct supervise_history history[FLEET_ROLES_MAX];
	uint64_t due_ns[FLEET_ROLES_MAX]; /* when a role that is down starts again */
	uint32_t down;			  /* ended, to be started again */
	uint32_t held;			  /* not started again as long as the bit is set */
	struct fleet_pulse pulse[FLEET_ROLES_MAX];
	uint64_t restarts; /* roles started again, for the counters page */
	int code;	   /* exit code when `ending` */
	bool ending;
};

/*
 * Runs until a signal (SIGTERM, SIGINT) asks to stop, tick says so or a role's set-up makes it
 * pointless. Returns the daemon's exit code. Everything is stopped when it returns.
 */
KM_MUST_CHECK int fleet_run(struct fleet *fleet, const struct fleet_plan *plan);

/*
 * For the supervisor itself, once all it needs is open: from here on it can start roles and pass
 * on CAP_NET_RAW and the capabilities BESIDE (SANDBOX_CAP() ored), and nothing else; system calls
 * that no role needs even to set itself up kill it and them. Logs what it holds, which is in REPORT
 * then.
 */
KM_MUST_CHECK int fleet_give_up_rights(uint64_t beside, bool permissive,
				       struct sandbox_report *report, struct km_err *err);

/* The same again with less BESIDE, of what REPORT says is held. */
KM_MUST_CHECK int fleet_give_up_more(uint64_t beside, struct sandbox_report *report,
				     struct km_err *err);

/*
 * Another process for role i, from reload: it is started beside the one at work, and only when it
 * is ready does that one end and this one go. Nobody else is restarted: what the two share with
 * others must allow a change of hands. -1: the new one failed, and the old one works on; err->code
 * 0: it has said why itself.
 */
KM_MUST_CHECK int fleet_replace(struct fleet *fleet, size_t i, struct km_err *err);

/* Ends the roles of mask and starts them again (from tick, reload). `why` goes to the log. */
void fleet_restart(struct fleet *fleet, uint32_t mask, const char *why);

#endif
