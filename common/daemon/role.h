// SPDX-License-Identifier: ISC
/*
 * role.h: a daemon is one binary, started again (fork + execve) for each of its roles.
 *
 * Supervisor: role_spawn() -> role_await_ready() -> role_go(), for each role; then the
 * loop of supervise.h. Role: role_enter() (is it really our supervisor? give up rights) ->
 * set-up, in it role_cage() (files) -> role_ready() (system calls; say what holds, wait for
 * "go") -> work; between jobs role_stop_requested(). Each exec gives a fresh address-space layout; every descriptor not
 * listed in the spec is closed; the environment is reduced to a short list.
 *
 * Descriptor 3 of a role is always its control socket (ipc.h); types below IPC_TYPE_OWN are
 * role.c's, the rest may be the daemon's own. Not a service manager.
 */
#ifndef ROLE_H
#define ROLE_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "ipc.h"
#include "km_err.h"
#include "sandbox.h"

#define ROLE_CONTROL_FD 3 /* control socket in the role */
#define ROLE_FD_FIRST 4	  /* first target number for passed descriptors */
#define ROLE_FD_LAST 63	  /* last one */
#define ROLE_FDS_MAX 48	  /* passed descriptors of one role */
#define ROLE_NAME_MAX 24  /* with terminator; fits stats.h */
#define ROLE_ARGS_MAX 8	  /* extra arguments */
#define ROLE_LIMITS_MAX 8

/* First argument that marks a re-execution: argv = {"PROG: NAME", "--role", "NAME", ...}. */
#define ROLE_OPTION "--role"

struct role_fd {
	int fd;	    /* the supervisor's; stays open there */
	int target; /* ROLE_FD_FIRST..ROLE_FD_LAST, each once */
};

struct role_limit {
	int resource; /* RLIMIT_... */
	struct rlimit value;
};

struct role_spec {
	const char *prog;	  /* "katamichi-tx" */
	const char *name;	  /* "sender" */
	struct sandbox_plan plan; /* death_signal 0 becomes SIGKILL */
	const struct role_fd *fds;
	size_t n_fds;
	const struct role_limit *limits;
	size_t n_limits;
	const char *const *args; /* extra argv after the name */
	size_t n_args;
};

/* The supervisor's handle of one running role. */
struct role_child {
	char name[ROLE_NAME_MAX];
	pid_t pid; /* 0 = not running */
	int pidfd; /* -1 = not running, or a kernel without pidfds (supervise.h then polls) */
	int control; /* our end of the control socket, -1 = none */
	bool ready;
	bool stopping;		       /* we asked it to end: its death is expected */
	char report[SANDBOX_TEXT_MAX]; /* what it said when ready */
};

#define ROLE_CHILD_INIT                                                                    \
	{                                                                                  \
		.pidfd = -1, .control = -1                                                 \
	}

/*
 * Starts the role; on 0 *child is filled. Standard input is /dev/null, standard output and
 * error are ours, log level and head those of log.h. INT, TERM, HUP and PIPE are ignored in
 * the role: only the supervisor stops it. Call from the supervisor's only thread: the death
 * signal follows the thread that forked.
 */
KM_MUST_CHECK int role_spawn(const struct role_spec *spec, struct role_child *child,
			     struct km_err *err);

/*
 * Waits until the role says ready (report copied into the child, event role.ready logged) or
 * dies, or timeout_ns passes: then -1 with the reason; the caller ends it by role_kill().
 */
KM_MUST_CHECK int role_await_ready(struct role_child *child, uint64_t timeout_ns,
				   struct km_err *err);

/* Second half of the handshake: the role may work now. */
KM_MUST_CHECK int role_go(struct role_child *child, struct km_err *err);

/* How a role ended. */
struct role_exit {
	pid_t pid;
	bool signalled;
	int number;    /* signal or exit code */
	bool expected; /* we had asked it to stop, and it ended with code 0 */
};

/*
 * Looks whether the role has ended, without waiting. True: *exit is filled, the child is
 * reset (descriptors closed), and role.died or role.stopped is logged.
 */
bool role_reap(struct role_child *child, struct role_exit *exit);

/* Asks the role to end (control message; it finishes what it must). Never blocks. */
void role_ask_stop(struct role_child *child);

/* Asks the role to renew what it got from others: role_listen() in it. Never blocks. */
void role_ask_renew(struct role_child *child);

/*
 * SIGKILL and wait; the child is reset. Nothing to do when it is not running. A supervisor
 * whose roles have other uids must keep CAP_KILL for this.
 */
void role_kill(struct role_child *child);

/* SIGKILL, and no wait: its end is seen as any other death. */
void role_strike(const struct role_child *child);

/* uid and gid of a user name; -1 with EX_NOUSER when there is none. */
KM_MUST_CHECK int role_find_user(const char *user, uid_t *uid, gid_t *gid,
				 struct km_err *err);

/* ---- in the role ---- */

struct role_ctx {
	char name[ROLE_NAME_MAX];
	int control; /* ROLE_CONTROL_FD */
	struct sandbox_report sandbox;
	const struct cage *cage; /* of role_cage() */
	_Atomic uint64_t *beat;	 /* of role_beat_in(); NULL = none */
	int argc;		 /* arguments after the name */
	char **argv;
};

/* True when argv says that this process is to be a role: call role_enter() then. */
bool role_wanted(int argc, char **argv);

/*
 * First thing in a role: checks that descriptor 3 is a control socket made by our parent,
 * takes name, log settings and plan from it, gives up rights. -1 with EX_USAGE when it was
 * not started by a supervisor. After this log lines carry the role's name.
 */
KM_MUST_CHECK int role_enter(int argc, char **argv, struct role_ctx *ctx,
			     struct km_err *err);

/*
 * The role's cage, which must live as long as the process: its file rules hold from here on,
 * its list of system calls from role_ready() on. Once, before the first thread.
 */
KM_MUST_CHECK int role_cage(struct role_ctx *ctx, const struct cage *cage,
			    struct km_err *err);

/*
 * Closes the cage, without which no role works. Says ready, with the sandbox report and `extra` (may be NULL) as text, and waits for "go".
 * -1 when the supervisor has gone or says stop (err->code 0 then: leave with exit code 0).
 */
KM_MUST_CHECK int role_ready(struct role_ctx *ctx, const char *extra, struct km_err *err);

/*
 * From here on role_stop_requested() counts in that cell of the counters page that the loop goes
 * round (stats_beat_cell()). A role whose count stands still is taken for hung (fleet.h).
 */
void role_beat_in(struct role_ctx *ctx, _Atomic uint64_t *cell);

/*
 * True once the supervisor asked us to stop or has gone. Does not block: one recvmsg, so
 * call it once per batch or timer tick, not per frame. A role that has own message types on
 * its control socket puts ROLE_IPC_STOP_ROW into its table instead and asks
 * role_note_control() about each message.
 */
bool role_stop_requested(struct role_ctx *ctx);

/* The same for a role that knows what to renew; costs the same. */
enum role_word { ROLE_WORD_NONE, ROLE_WORD_STOP, ROLE_WORD_RENEW };
enum role_word role_listen(struct role_ctx *ctx);

/* True when msg (type < IPC_TYPE_OWN) asks to stop. */
bool role_note_control(const struct ipc_msg *msg);

/* Rows of role.c's messages that reach a working role, to be put in an own table. */
#define ROLE_MSG_STOP 4
#define ROLE_IPC_STOP_ROW                                                                  \
	{                                                                                  \
		.type = ROLE_MSG_STOP, .size = 0, .n_fds = 0, .name = "stop"               \
	}

#endif
