// SPDX-License-Identifier: ISC
/*
 * km-killat: SIGKILL a process at one point of its work, not at one moment of the clock.
 *
 *   km-killat PID CALL entry|exit [count=N] [on=TEXT] [in=TEXT] [steps=N] [code=N] [ms=N]
 *
 * Every thread of PID is traced until one of them makes the N-th system call CALL. `entry`
 * kills before the kernel has done it, `exit` after it was done with success. on=TEXT counts
 * only calls whose first argument is a descriptor of a path that TEXT occurs in.
 *
 * With in=TEXT (at exit) the thread goes on by single instructions, and dies at the `steps`-th
 * one in the mapping (program or library) whose path has TEXT in it: in the middle of what it
 * computes there. Where it comes to its next system call before that, the next CALL is tried.
 * No clock is in this, so a busy machine changes nothing.
 *
 * With code=N (at entry) the process is not killed but ends itself: the call becomes an
 * exit_group(N), which is what a process that was broken into can always do.
 *
 * Prints one line of what was hit. Exit codes: 0 killed as aimed; 3 not within `ms`
 * milliseconds (default 3,000): let go unharmed; 4 the process ended by itself; 64 usage;
 * 69 another error; 77 tracing is not permitted here.
 *
 * A test tool: needs CAP_SYS_PTRACE (roles are not dumpable), Linux >= 5.3.
 */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 64
#define EXIT_NOT_REACHED 3
#define EXIT_GONE 4
#define EXIT_NOT_PERMITTED 77
/* What a killed process may take to be gone. */
#define REAP_NS (10 * UINT64_C(1000000000))
#define OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE)

static const struct {
	const char *name;
	uint64_t number;
} calls[] = {
	{"fdatasync", SYS_fdatasync}, {"fsync", SYS_fsync},
	{"linkat", SYS_linkat},	      {"ppoll", SYS_ppoll},
	{"pread64", SYS_pread64},     {"pwrite64", SYS_pwrite64},
	{"recvmsg", SYS_recvmsg},     {"renameat2", SYS_renameat2},
	{"sendmmsg", SYS_sendmmsg},   {"sendmsg", SYS_sendmsg},
	{"unlinkat", SYS_unlinkat},   {"write", SYS_write},
#ifdef SYS_renameat
	{"renameat", SYS_renameat},
#endif
#ifdef SYS_poll
	{"poll", SYS_poll},
#endif
};

struct aim {
	pid_t pid;
	const char *name;
	uint64_t number;
	bool at_exit;
	uint64_t count;
	const char *on, *in;
	int code; /* -1: it is killed */
	uint64_t steps;
	uint64_t limit_ns;
};

/* One traced thread; the call it is in, from its entry. */
struct thread {
	pid_t tid;
	bool entered;
	uint64_t number, first;
};

struct hunt {
	struct aim aim;
	struct thread thread[THREADS_MAX];
	unsigned threads;
	struct thread *stepped; /* computes after the call */
	uint64_t steps;		/* of it in the mapping */
	uint64_t from, to;	/* text of aim.in, when found */
	bool hit, gone;
	uint64_t seen; /* calls of all kinds */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "km-killat: %s: %s\n", what, strerror(errno));
	if (errno == ESRCH)
		_exit(EXIT_GONE);
	_exit(errno == EPERM || errno == EACCES ? EXIT_NOT_PERMITTED : EX_UNAVAILABLE);
}

/* ---- threads ---- */

static struct thread *thread_of(struct hunt *h, pid_t tid)
{
	for (unsigned i = 0; i < h->threads; i++)
		if (h->thread[i].tid == tid)
			return &h->thread[i];
	if (h->threads == THREADS_MAX) {
		errno = ENOSPC;
		die("threads");
	}
	h->thread[h->threads] = (struct thread){.tid = tid};
	return &h->thread[h->threads++];
}

static bool known(const struct hunt *h, pid_t tid)
{
	for (unsigned i = 0; i < h->threads; i++)
		if (h->thread[i].tid == tid)
			return true;
	return false;
}

/* Seizes what is not yet; false: nothing was new. */
static bool seize_some(struct hunt *h)
{
	char path[64];
	const struct dirent *entry;
	bool found = false;
	DIR *list;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", h->aim.pid);
	list = opendir(path);
	if (!list) {
		errno = errno == ENOENT ? ESRCH : errno;
		die(path);
	}
	while ((entry = readdir(list))) {
		const pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (tid == 0 || known(h, tid))
			continue;
		if (ptrace(PTRACE_SEIZE, tid, NULL, OPTIONS) != 0) {
			if (errno == ESRCH)
				continue; /* a thread that has just ended */
			die("PTRACE_SEIZE");
		}
		(void)thread_of(h, tid);
		/* it stops once, and from there on at every call */
		(void)ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
		found = true;
	}
	closedir(list);
	return found;
}

static void go_on(const struct hunt *h, pid_t tid, int signal)
{
	const bool step = h->stepped && h->stepped->tid == tid;

	/* ESRCH: it was killed meanwhile, which its wait status will tell */
	(void)ptrace(step ? PTRACE_SINGLESTEP : PTRACE_SYSCALL, tid, NULL,
		     (void *)(intptr_t)signal);
}

/* ---- what the aim asks for ---- */

static bool path_has(const struct hunt *h, uint64_t fd)
{
	char name[64], path[PATH_MAX];
	ssize_t n;

	if (!h->aim.on)
		return true;
	(void)snprintf(name, sizeof(name), "/proc/%d/fd/%d", h->aim.pid, (int)fd);
	n = readlink(name, path, sizeof(path) - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	return strstr(path, h->aim.on) != NULL;
}

/* The text mapping of the library, once the process has it. */
static bool find_mapping(struct hunt *h)
{
	char name[64], line[PATH_MAX + 128];
	FILE *maps;

	if (h->to)
		return true;
	(void)snprintf(name, sizeof(name), "/proc/%d/maps", h->aim.pid);
	maps = fopen(name, "re");
	while (maps && fgets(line, sizeof(line), maps)) {
		uint64_t from, to;
		char mode[8];

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &from, &to, mode) == 3 &&
		    strcmp(mode, "r-xp") == 0 && strstr(line, h->aim.in)) {
			h->from = from;
			h->to = to;
			break;
		}
	}
	if (maps)
		(void)fclose(maps);
	return h->to != 0;
}

/* The thread stands at the entry of a call: it makes another one. */
static void make_exit(pid_t tid, int code)
{
	struct user_regs_struct regs;
	struct iovec set = {.iov_base = &regs, .iov_len = sizeof(regs)};

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &set) != 0)
		die("PTRACE_GETREGSET");
#if defined(__x86_64__)
	regs.orig_rax = SYS_exit_group;
	regs.rdi = (unsigned int)code;
#elif defined(__aarch64__)
	int number = SYS_exit_group;
	struct iovec call = {.iov_base = &number, .iov_len = sizeof(number)};

	regs.regs[0] = (unsigned int)code;
	if (ptrace(PTRACE_SETREGSET, tid, (void *)NT_ARM_SYSTEM_CALL, &call) != 0)
		die("PTRACE_SETREGSET");
#endif
	if (ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &set) != 0 ||
	    ptrace(PTRACE_CONT, tid, NULL, NULL) != 0)
		die("PTRACE_SETREGSET");
}

static void hit(struct hunt *h, pid_t tid)
{
	if (h->aim.code >= 0)
		make_exit(tid, h->aim.code);
	else if (kill(h->aim.pid, SIGKILL) != 0)
		die("kill");
	h->hit = true;
	printf("killed at %s of %s thread=%d steps=%" PRIu64 "\n",
	       h->aim.at_exit ? "exit" : "entry", h->aim.name, tid, h->steps);
}

/* A thread at the entry or the exit of a call. */
static void at_call(struct hunt *h, struct thread *t)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof(info), &info) <= 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		t->entered = true;
		h->seen++;
		t->number = info.entry.nr;
		t->first = info.entry.args[0];
		if (!h->aim.at_exit && t->number == h->aim.number &&
		    path_has(h, t->first) && --h->aim.count == 0)
			hit(h, t->tid);
		return;
	}
	if (info.op != PTRACE_SYSCALL_INFO_EXIT || !t->entered)
		return;
	t->entered = false;
	if (!h->aim.at_exit || info.exit.is_error || t->number != h->aim.number ||
	    !path_has(h, t->first) || (h->aim.count > 1 && h->aim.count--))
		return;
	if (!h->aim.in) {
		hit(h, t->tid);
	} else if (!h->stepped && find_mapping(h)) {
		h->stepped = t;
		h->steps = 0;
	}
}

/* The next instruction enters the kernel. */
static bool at_system_call(pid_t tid, uint64_t ip)
{
	const unsigned long word =
		(unsigned long)ptrace(PTRACE_PEEKTEXT, tid, (void *)(uintptr_t)ip, NULL);

#if defined(__x86_64__)
	return (word & 0xFFFF) == 0x050F;
#elif defined(__aarch64__)
	return (word & 0xFFFFFFFF) == 0xD4000001;
#else
#error "how does this machine enter its kernel?"
#endif
}

/* The stepped thread has done one instruction. */
static void at_step(struct hunt *h)
{
	const pid_t tid = h->stepped->tid;
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) <= 0 ||
	    at_system_call(tid, info.instruction_pointer)) {
		h->stepped = NULL;
		return;
	}
	if (info.instruction_pointer >= h->from && info.instruction_pointer < h->to &&
	    ++h->steps >= h->aim.steps)
		hit(h, tid);
}

static void at_stop(struct hunt *h, pid_t tid, int status)
{
	struct thread *t = thread_of(h, tid);
	int signal = 0;

	if (WIFEXITED(status) || WIFSIGNALED(status)) {
		t->entered = false;
		if (h->stepped == t)
			h->stepped = NULL;
		h->gone |= tid == h->aim.pid;
		return;
	}
	if (!WIFSTOPPED(status))
		return;
	if (WSTOPSIG(status) == (SIGTRAP | 0x80))
		at_call(h, t);
	else if (h->stepped == t && status >> 8 == SIGTRAP)
		at_step(h);
	else if (status >> 16 == 0)
		signal = WSTOPSIG(status); /* its own: delivered */
	if (!h->hit)
		go_on(h, tid, signal);
}

/* ---- the hunt ---- */

static void sleep_for_child(uint64_t until_ns)
{
	const uint64_t now = now_ns();
	const uint64_t left = until_ns > now ? until_ns - now : 0;
	const struct timespec ts = {.tv_sec = (time_t)(left / UINT64_C(1000000000)),
				    .tv_nsec = (long)(left % UINT64_C(1000000000))};
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigtimedwait(&set, NULL, &ts);
}

static void hunt(struct hunt *h)
{
	const uint64_t end_ns = now_ns() + h->aim.limit_ns;

	while (!h->hit && !h->gone && now_ns() < end_ns) {
		int status;
		const pid_t tid = waitpid(-1, &status, WNOHANG | __WALL);

		if (tid > 0)
			at_stop(h, tid, status);
		else if (tid < 0 && errno == ECHILD)
			h->gone = true;
		else
			sleep_for_child(end_ns);
	}
}

/* Until the dead are gone: their parent hears of it only when we have. */
static void reap(const struct hunt *h)
{
	const uint64_t end_ns = now_ns() + REAP_NS;

	while (now_ns() < end_ns) {
		int status;
		const pid_t tid = waitpid(-1, &status, WNOHANG | __WALL);

		if (tid < 0)
			return;
		if (tid == 0)
			sleep_for_child(now_ns() + 10000000);
		else if (WIFSTOPPED(status))
			go_on(h, tid, 0);
	}
}

static bool take_option(struct aim *aim, const char *text)
{
	const char *value = strchr(text, '=');
	const size_t len = value ? (size_t)(value - text) : 0;
	const uint64_t number = value ? strtoull(value + 1, NULL, 10) : 0;

	if (len == 5 && strncmp(text, "count", 5) == 0 && number > 0)
		aim->count = number;
	else if (len == 2 && strncmp(text, "on", 2) == 0)
		aim->on = value + 1;
	else if (len == 2 && strncmp(text, "in", 2) == 0)
		aim->in = value + 1;
	else if (len == 5 && strncmp(text, "steps", 5) == 0 && number > 0)
		aim->steps = number;
	else if (len == 4 && strncmp(text, "code", 4) == 0 && number < 256)
		aim->code = (int)number;
	else if (len == 2 && strncmp(text, "ms", 2) == 0 && number > 0)
		aim->limit_ns = number * 1000000;
	else
		return false;
	return true;
}

static bool take_arguments(struct aim *aim, int argc, char **argv)
{
	*aim = (struct aim){
		.count = 1, .limit_ns = UINT64_C(3000000000), .steps = 1, .code = -1};
	if (argc < 4 || (aim->pid = (pid_t)strtol(argv[1], NULL, 10)) <= 1)
		return false;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(argv[2], calls[i].name) == 0) {
			aim->name = calls[i].name;
			aim->number = calls[i].number;
		}
	}
	aim->at_exit = strcmp(argv[3], "exit") == 0;
	if (!aim->name || (!aim->at_exit && strcmp(argv[3], "entry") != 0))
		return false;
	for (int i = 4; i < argc; i++)
		if (!take_option(aim, argv[i]))
			return false;
	return aim->at_exit ? aim->code < 0 : !aim->in;
}

int main(int argc, char **argv)
{
	static struct hunt h;
	sigset_t set;

	if (!take_arguments(&h.aim, argc, argv)) {
		fputs("usage: km-killat PID CALL entry|exit [count=N] [on=TEXT] [in=TEXT] "
		      "[steps=N] [code=N] [ms=N]\n",
		      stderr);
		return EX_USAGE;
	}
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	while (seize_some(&h))
		;
	hunt(&h);
	if (h.hit) {
		reap(&h);
		return 0;
	}
	/* Our end lets every thread go on as if nothing had been. */
	fprintf(stderr,
		"km-killat: %s %s: %" PRIu64 " calls of any kind seen, %" PRIu64
		" of these still to come\n",
		h.aim.name, h.gone ? "not before the process ended" : "not reached in time",
		h.seen, h.aim.count);
	return h.gone ? EXIT_GONE : EXIT_NOT_REACHED;
}
