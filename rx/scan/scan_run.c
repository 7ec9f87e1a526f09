// SPDX-License-Identifier: ISC
#include "scan_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

/* Exit code of what never became the program: an error, as every code but 0 and 1. */
#define EXIT_NOT_STARTED 126

/* A client of a scanner's daemon needs little; a scanner with its signatures much. */
#define SCAN_MEMORY (UINT64_C(4) << 30)
#define SCAN_FILES 64u
#define SCAN_READ 4096u

static void limit(int resource, uint64_t value)
{
	const struct rlimit both = {value, value};

	if (setrlimit((__rlimit_resource_t)resource, &both) != 0)
		_exit(EXIT_NOT_STARTED);
}

/* In the child, whose output is the pipe already. */
static _Noreturn void become_program(const struct scan_program *program)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", lang[] = "LANG=C.UTF-8";
	char *const environment[] = {path, lang, NULL};
	struct km_err err = KM_ERR_INIT;

	limit(RLIMIT_CPU, program->timeout_ns / CLOCK_NS_PER_SEC + 1);
#ifndef __SANITIZE_ADDRESS__ /* its shadow is larger than any limit */
	limit(RLIMIT_AS, SCAN_MEMORY);
#endif
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_NOFILE, SCAN_FILES);
	for (int sig = 1; sig < 32; sig++)
		(void)signal(sig, SIG_DFL);
	if (cage_close_program(program->cage, &err) != 0) {
		(void)dprintf(STDOUT_FILENO, "%s\n", err.text);
		_exit(EXIT_NOT_STARTED);
	}
	(void)execve(program->words->word[0], program->words->word, environment);
	(void)dprintf(STDOUT_FILENO, "%s cannot be run: %s\n", program->words->word[0],
		      strerrordesc_np(errno));
	_exit(EXIT_NOT_STARTED);
}

static _Noreturn void start_child(const struct scan_program *program, int object, int out,
				  pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != parent ||
	    dup2(object, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(out, STDERR_FILENO) < 0 ||
	    syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) != 0)
		_exit(EXIT_NOT_STARTED);
	become_program(program);
}

static int fail(struct scan_run *run, const char *what)
{
	(void)snprintf(run->answer.text, sizeof(run->answer.text), "%s: %s", what,
		       strerrordesc_np(errno));
	run->answer.verdict = SCAN_ERROR;
	run->answered = true;
	return -1;
}

int scan_run_start(struct scan_run *run, uint64_t ticket,
		   const struct scan_program *program, int object)
{
	const pid_t parent = getpid();
	int pair[2];

	*run = (struct scan_run){.pidfd = -1, .out = -1, .answer = {.ticket = ticket}};
	/* where our own standard streams should be: the program would look at something else */
	errno = EBADF;
	if (object <= STDERR_FILENO)
		return fail(run, "object");
	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) != 0)
		return fail(run, "pipe");
	run->begun_ns = clock_mono_ns();
	run->until_ns = clock_add(run->begun_ns, program->timeout_ns);
	run->pid = fork();
	if (run->pid == 0)
		start_child(program, object, pair[1], parent);
	km_close(&pair[1]);
	run->out = pair[0];
	if (run->pid > 0)
		run->pidfd = (int)syscall(SYS_pidfd_open, run->pid, 0);
	if (run->pid > 0 && run->pidfd >= 0)
		return 0;
	/* nobody could end it without one; with us it ends, and all is asked again */
	if (run->pid > 0) {
		log_event(EVENT_DAEMON_FAILED, "scan: pidfd_open: %s",
			  strerrordesc_np(errno));
		_exit(EX_OSERR);
	}
	run->pid = 0;
	km_close(&run->out);
	return fail(run, "fork");
}

void scan_run_read(struct scan_run *run)
{
	char buf[SCAN_READ];
	ssize_t n;

	/* more than a bufferful: it is asked again, after the others */
	if (run->pid == 0 || run->out < 0)
		return;
	n = read(run->out, buf, sizeof(buf));
	if (n > 0)
		scan_text_add(&run->text, buf, (size_t)n);
	else if (n == 0 || errno != EAGAIN)
		km_close(&run->out);
}

void scan_run_limit(struct scan_run *run, uint64_t now_ns)
{
	if (run->pid == 0 || run->timed_out || now_ns < run->until_ns)
		return;
	run->timed_out = true;
	(void)syscall(SYS_pidfd_send_signal, run->pidfd, SIGKILL, NULL, 0);
}

static void close_run(struct scan_run *run)
{
	run->pid = 0;
	km_close(&run->pidfd);
	km_close(&run->out);
}

void scan_run_reap(struct scan_run *run, uint64_t now_ns)
{
	int status;

	if (run->pid == 0 || waitpid(run->pid, &status, WNOHANG) != run->pid)
		return;
	scan_run_read(run);
	close_run(run);
	run->answer.ms = (uint32_t)((now_ns - run->begun_ns) / CLOCK_NS_PER_MS);
	scan_text_judge(&run->text, status, run->timed_out, &run->answer);
	run->answered = true;
}

void scan_run_drop(struct scan_run *run)
{
	run->answered = false;
	if (run->pid == 0)
		return;
	(void)syscall(SYS_pidfd_send_signal, run->pidfd, SIGKILL, NULL, 0);
	while (waitpid(run->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close_run(run);
}
