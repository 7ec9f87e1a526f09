// SPDX-License-Identifier: ISC
/* The supervisor's side: start, handshake, end. */
#include "role.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "role_msg.h"

/* What a role may inherit: how to log, and how sanitizers and coverage write reports. */
static const char *const role_environment[] = {
	"JOURNAL_STREAM", "ASAN_OPTIONS", "LSAN_OPTIONS",      "UBSAN_OPTIONS",
	"TSAN_OPTIONS",	  "GCOV_PREFIX",  "GCOV_PREFIX_STRIP", "KM_KEEP_DUMPABLE",
};

#define ROLE_ENV_TEXT_MAX 1024

/* Everything execve needs, made before fork. */
struct role_exec {
	char argv0[64];
	const char *argv[4 + ROLE_ARGS_MAX];
	char env_text[KM_COUNT(role_environment)][ROLE_ENV_TEXT_MAX];
	char *envp[KM_COUNT(role_environment) + 1];
	pid_t parent;
};

static int role_spec_check(const struct role_spec *spec, struct km_err *err)
{
	uint64_t used = 0;

	if (strlen(spec->name) >= ROLE_NAME_MAX || spec->n_fds > ROLE_FDS_MAX ||
	    spec->n_args > ROLE_ARGS_MAX || spec->n_limits > ROLE_LIMITS_MAX)
		return km_err_set(err, EX_SOFTWARE, "role %s: specification too large",
				  spec->name);
	for (size_t i = 0; i < spec->n_fds; i++) {
		int target = spec->fds[i].target;

		if (target < ROLE_FD_FIRST || target > ROLE_FD_LAST ||
		    spec->fds[i].fd < 0 || (used >> target & 1))
			return km_err_set(err, EX_SOFTWARE,
					  "role %s: descriptor %d cannot become %d",
					  spec->name, spec->fds[i].fd, target);
		used |= UINT64_C(1) << target;
	}
	return 0;
}

static void role_exec_make(const struct role_spec *spec, struct role_exec *exec)
{
	size_t n = 0, env = 0;

	memset(exec, 0, sizeof(*exec));
	(void)snprintf(exec->argv0, sizeof(exec->argv0), "%s: %s", spec->prog, spec->name);
	exec->argv[n++] = exec->argv0;
	exec->argv[n++] = ROLE_OPTION;
	exec->argv[n++] = spec->name;
	for (size_t i = 0; i < spec->n_args; i++)
		exec->argv[n++] = spec->args[i];
	for (size_t i = 0; i < KM_COUNT(role_environment); i++) {
		const char *value = getenv(role_environment[i]);
		int len;

		if (!value)
			continue;
		len = snprintf(exec->env_text[env], ROLE_ENV_TEXT_MAX, "%s=%s",
			       role_environment[i], value);
		if (len > 0 && len < ROLE_ENV_TEXT_MAX) {
			exec->envp[env] = exec->env_text[env];
			env++;
		}
	}
	exec->parent = getpid();
}

/*
 * A stop comes from the supervisor alone, as a message: signals that a terminal or systemd
 * sends to the whole group must not end a role in the middle of its work. Ignored signals
 * stay ignored across execve, all others return to their default.
 */
static void role_reset_signals(void)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
	sigset_t none;

	for (int sig = 1; sig < 32; sig++)
		(void)signal(sig, SIG_DFL);
	for (size_t i = 0; i < KM_COUNT(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void role_close_from(unsigned int first)
{
	struct rlimit limit;
	unsigned int last = 1U << 20;

	if (syscall(SYS_close_range, first, ~0U, 0) == 0)
		return;
	/* before Linux 5.9 */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < last)
		last = (unsigned int)limit.rlim_cur;
	for (unsigned int fd = first; fd < last; fd++)
		(void)close((int)fd);
}

/* Puts every descriptor in its place and closes all others. */
static int role_place_fds(const struct role_spec *spec, int control)
{
	const int above = ROLE_FD_LAST + 1;
	uint64_t used = UINT64_C(1) << ROLE_CONTROL_FD;
	int held[ROLE_FDS_MAX];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* first out of the way of every target, then home: no order of moves can collide */
	control = fcntl(control, F_DUPFD_CLOEXEC, above);
	null = null < 0 ? -1 : fcntl(null, F_DUPFD_CLOEXEC, above);
	if (control < 0 || null < 0)
		return -1;
	for (size_t i = 0; i < spec->n_fds; i++) {
		held[i] = fcntl(spec->fds[i].fd, F_DUPFD_CLOEXEC, above);
		if (held[i] < 0)
			return -1;
	}
	if (dup2(null, STDIN_FILENO) < 0 || dup2(control, ROLE_CONTROL_FD) < 0)
		return -1;
	for (size_t i = 0; i < spec->n_fds; i++) {
		if (dup2(held[i], spec->fds[i].target) < 0)
			return -1;
		used |= UINT64_C(1) << spec->fds[i].target;
	}
	for (int fd = ROLE_CONTROL_FD + 1; fd <= ROLE_FD_LAST; fd++) {
		if (!(used >> fd & 1))
			(void)close(fd);
	}
	role_close_from((unsigned int)above);
	return 0;
}

/* In the child: never returns. */
static _Noreturn void role_become(const struct role_spec *spec, struct role_exec *exec,
				  int control)
{
	union {
		const char **in;
		char *const *out;
	} argv = {.in = exec->argv}; /* execve's type lacks a const; it copies */

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != exec->parent)
		_exit(EX_TEMPFAIL); /* the supervisor went before the line above */
	role_reset_signals();
	if (role_place_fds(spec, control) != 0) {
		log_event(EVENT_DAEMON_FAILED, "role %s: descriptors: errno=%d", spec->name,
			  errno);
		_exit(EX_OSERR);
	}
	for (size_t i = 0; i < spec->n_limits; i++) {
		if (setrlimit((__rlimit_resource_t)spec->limits[i].resource,
			      &spec->limits[i].value) != 0) {
			log_event(EVENT_DAEMON_FAILED,
				  "role %s: resource limit %d: errno=%d", spec->name,
				  spec->limits[i].resource, errno);
			_exit(EX_OSERR);
		}
	}
	if (sandbox_pass_caps(spec->plan.keep_caps) != 0) {
		log_event(EVENT_DAEMON_FAILED, "role %s: capabilities: errno=%d",
			  spec->name, errno);
		_exit(EX_OSERR);
	}
	(void)execve("/proc/self/exe", argv.out, exec->envp);
	log_event(EVENT_DAEMON_FAILED, "role %s: execve /proc/self/exe: errno=%d",
		  spec->name, errno);
	_exit(EX_OSERR);
}

static enum km_rc role_send_hello(const struct role_spec *spec, int control)
{
	struct role_hello hello;

	memset(&hello, 0, sizeof(hello));
	(void)snprintf(hello.name, sizeof(hello.name), "%s", spec->name);
	hello.keep_caps = spec->plan.keep_caps;
	hello.uid = spec->plan.uid;
	hello.gid = spec->plan.gid;
	hello.death_signal = spec->plan.death_signal ? spec->plan.death_signal : SIGKILL;
	hello.log_level = log_get_level();
	hello.log_prefix = log_get_prefix();
	return ipc_send(control, ROLE_MSG_HELLO, &hello, sizeof(hello), NULL, 0, 0);
}

int role_spawn(const struct role_spec *spec, struct role_child *child, struct km_err *err)
{
	struct role_exec exec;
	int pair[2];
	pid_t pid;

	*child = (struct role_child)ROLE_CHILD_INIT;
	(void)snprintf(child->name, sizeof(child->name), "%s", spec->name);
	if (role_spec_check(spec, err) != 0)
		return -1;
	if (ipc_pair(pair, err) != 0)
		return km_err_prefix(err, "role %s", spec->name);
	role_exec_make(spec, &exec);
	if (role_send_hello(spec, pair[0]) != KM_OK) {
		(void)km_err_set_errno(err, EX_OSERR, "role %s: hello", spec->name);
		goto out_close;
	}
	pid = fork();
	if (pid == 0)
		role_become(spec, &exec, pair[1]);
	if (pid < 0) {
		(void)km_err_set_errno(err, EX_OSERR, "role %s: fork", spec->name);
		goto out_close;
	}
	child->pid = pid;
	child->control = pair[0];
	/* not reaped yet, so the number is still its; close-on-exec is built in */
	child->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	km_close(&pair[1]);
	log_event(EVENT_ROLE_START, "role %s started pid=%d", spec->name, pid);
	return 0;
out_close:
	km_close(&pair[0]);
	km_close(&pair[1]);
	return -1;
}

/* What is known of a role that its cage has killed. */
static void role_tell_violation(const struct role_child *child, int signal)
{
	if (signal != SIGSYS)
		return;
	log_event(EVENT_SANDBOX_VIOLATION,
		  "role %s made a system call that its cage does not allow, and was killed "
		  "by "
		  "it: a bug or a break-in; the kernel's log names the call (type=1326, "
		  "syscall=) pid=%d",
		  child->name, (int)child->pid);
}

/* The role closed its socket: says how it ended, giving it a second to do so. */
static int role_explain_end(struct role_child *child, struct km_err *err)
{
	for (int i = 0; i < 100; i++) {
		siginfo_t info = {0};

		if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) !=
		    0)
			break;
		if (info.si_pid != child->pid) {
			clock_sleep_until(clock_mono_ns() + 10 * CLOCK_NS_PER_MS);
			continue;
		}
		if (info.si_code != CLD_EXITED) {
			role_tell_violation(child, info.si_status);
			return km_err_set(
				err, EX_SOFTWARE,
				"role %s: killed by signal %d before it was ready",
				child->name, info.si_status);
		}
		/* a role that gave up says why in its exit code: pass that on */
		return km_err_set(err,
				  info.si_status >= EX__BASE && info.si_status <= EX__MAX
					  ? info.si_status
					  : EX_SOFTWARE,
				  "role %s: exit code %d before it was ready", child->name,
				  info.si_status);
	}
	return km_err_set(err, EX_SOFTWARE, "role %s: closed its control socket",
			  child->name);
}

int role_await_ready(struct role_child *child, uint64_t timeout_ns, struct km_err *err)
{
	static const struct ipc_type rows[] = {
		{.type = ROLE_MSG_READY,
		 .size = sizeof(struct role_ready_msg),
		 .name = "ready"},
	};
	static const struct ipc_table table = {rows, KM_COUNT(rows)};
	struct ipc_msg msg;
	enum km_rc rc;

	if (child->pid == 0)
		return km_err_set(err, EX_SOFTWARE, "role %s: not running", child->name);
	rc = ipc_recv(child->control, &table, &msg, clock_add(clock_mono_ns(), timeout_ns));
	if (rc == KM_ERR_CLOSED)
		return role_explain_end(child, err);
	if (rc != KM_OK)
		return km_err_set(err, EX_SOFTWARE, "role %s: not ready: %s", child->name,
				  km_rc_name(rc));
	memcpy(child->report, msg.body, sizeof(child->report));
	child->report[sizeof(child->report) - 1] = '\0';
	child->ready = true;
	log_event(EVENT_ROLE_READY, "role %s ready pid=%d holds: %s", child->name,
		  child->pid, child->report);
	return 0;
}

int role_go(struct role_child *child, struct km_err *err)
{
	enum km_rc rc = ipc_send(child->control, ROLE_MSG_GO, NULL, 0, NULL, 0, 0);

	if (rc != KM_OK)
		return km_err_set(err, EX_SOFTWARE, "role %s: go: %s", child->name,
				  km_rc_name(rc));
	return 0;
}

/* Forgets a process that is gone; the name stays for the next start. */
static void role_child_reset(struct role_child *child)
{
	km_close(&child->pidfd);
	km_close(&child->control);
	child->pid = 0;
	child->ready = false;
	child->stopping = false;
}

bool role_reap(struct role_child *child, struct role_exit *exit)
{
	int status;
	pid_t pid;

	if (child->pid == 0)
		return false;
	do {
		pid = waitpid(child->pid, &status, WNOHANG);
	} while (pid < 0 && errno == EINTR);
	if (pid != child->pid)
		return false;
	exit->pid = pid;
	exit->signalled = WIFSIGNALED(status);
	exit->number = exit->signalled ? WTERMSIG(status) : WEXITSTATUS(status);
	exit->expected = child->stopping && !exit->signalled && exit->number == 0;
	if (exit->expected)
		log_event(EVENT_ROLE_STOPPED, "role %s ended pid=%d", child->name, pid);
	else
		log_event(EVENT_ROLE_DIED, "role %s died pid=%d %s=%d", child->name, pid,
			  exit->signalled ? "signal" : "exit", exit->number);
	if (exit->signalled)
		role_tell_violation(child, exit->number);
	role_child_reset(child);
	return true;
}

void role_ask_stop(struct role_child *child)
{
	if (child->pid == 0 || child->stopping)
		return;
	child->stopping = true;
	/* full or closed: it is stuck or going, and the caller's time limit decides */
	if (ipc_send(child->control, ROLE_MSG_STOP, NULL, 0, NULL, 0, 0) != KM_OK)
		return;
}

void role_ask_renew(struct role_child *child)
{
	if (child->pid == 0 || child->stopping)
		return;
	/* full: it has not read the one before, which says the same */
	if (ipc_send(child->control, ROLE_MSG_RENEW, NULL, 0, NULL, 0, 0) != KM_OK)
		return;
}

void role_kill(struct role_child *child)
{
	if (child->pid == 0)
		return;
	(void)kill(child->pid, SIGKILL); /* not reaped, so the number cannot be another's */
	while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
		;
	role_child_reset(child);
}

void role_strike(const struct role_child *child)
{
	if (child->pid > 0)
		(void)kill(child->pid, SIGKILL);
}

int role_find_user(const char *user, uid_t *uid, gid_t *gid, struct km_err *err)
{
	char text[4096];
	struct passwd pw, *found = NULL;
	int rc = getpwnam_r(user, &pw, text, sizeof(text), &found);

	if (!found) {
		errno = rc;
		if (rc)
			return km_err_set_errno(err, EX_NOUSER, "user %s", user);
		return km_err_set(err, EX_NOUSER, "user %s: does not exist", user);
	}
	*uid = pw.pw_uid;
	*gid = pw.pw_gid;
	return 0;
}
