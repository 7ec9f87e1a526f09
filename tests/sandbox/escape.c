// SPDX-License-Identifier: ISC
/*
 * The escape probe. Puts itself into the place of each role, gives up rights and closes the
 * role's own cage by the functions that the role uses, and then tries to get out: one process
 * for each attempt, which must be killed by the cage or, where the role may open files, be
 * refused. Each wall is also probed alone. Then walls are taken away, role by role, and the
 * probe must see it: a probe that always says "safe" would not.
 *
 * Exit: 0 nothing got out and every mutation was seen; 77 not root; else failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "role.h"
#include "sandbox.h"
#include "stand_in.h"

/* Exit codes of an attempt that was not killed, above those of errno and of libraries. */
enum { WORKED = 200, SET_UP_FAILED = 201 };

struct walls {
	bool calls, files;
	int call; /* allowed although the table does not have it; -1: none */
};

#define ALL_WALLS                                                                          \
	{                                                                                  \
		.calls = true, .files = true, .call = -1                                   \
	}

static char directory[] = "/tmp/km-escape-XXXXXX";
static char place[64];

static void close_cage(struct cage *cage, const struct walls *walls)
{
	const struct sandbox_plan plan = {.uid = STAND_IN_USER, .gid = STAND_IN_USER};
	struct sandbox_report report;
	struct km_err err = KM_ERR_INIT;

	if (walls->call >= 0)
		cage->own[cage->n_own++] = (struct cage_call){.call = walls->call};
	if (sandbox_apply(&plan, &report, &err) != 0 || !sandbox_complete(&report) ||
	    (walls->files && cage_close_files(cage, &report.cage, &err) != 0) ||
	    (walls->calls && (cage_close_calls(cage, &report.cage, &err) != 0 ||
			      cage_close_voice(cage, &report.cage, &err) != 0))) {
		(void)fprintf(stderr, "escape: %s\n", err.text);
		_exit(SET_UP_FAILED);
	}
}

/* In a process of its own. Never returns. */
static _Noreturn void attempt_in_place(const struct stand_in *role,
				       const struct walls *walls,
				       const struct attempt *attempt, int memory)
{
	struct target target = {.parent = getppid(),
				.link = -1,
				.read_only = -1,
				.spool_dir = -1,
				.memory = memory,
				.place = place};
	static struct cage cage;
	int rc;

	stand_in_pair(ROLE_CONTROL_FD);
	role->take_place(directory, &target, &cage);
	close_cage(&cage, walls);
	rc = attempt->run(&target);
	_exit(rc == 0 ? WORKED : rc);
}

/* As every attempt is to find it: a file, and nothing else. */
static void tidy_place(void)
{
	char file[80], out[80];
	int fd;

	(void)snprintf(file, sizeof(file), "%s/file", place);
	(void)snprintf(out, sizeof(out), "%s/out", place);
	(void)unlink(out);
	(void)rmdir(out);
	/* where fs.protected_regular is set, what is another's there could not be opened again */
	(void)unlink(file);
	fd = open(file, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (fd < 0 || fchown(fd, STAND_IN_USER, STAND_IN_USER) != 0 || close(fd) != 0)
		stand_in_fail(file);
}

static int run_attempt(const struct stand_in *role, const struct walls *walls,
		       const struct attempt *attempt, int memory)
{
	pid_t pid;
	int status;

	tidy_place();
	pid = fork();
	if (pid < 0)
		stand_in_fail("fork");
	if (pid == 0)
		attempt_in_place(role, walls, attempt, memory);
	if (waitpid(pid, &status, 0) != pid)
		stand_in_fail("waitpid");
	/* killed by anything but its cage is no proof of a cage */
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static bool is_allowed(const struct stand_in *role, const struct attempt *attempt)
{
	for (size_t i = 0; i < STAND_IN_ALLOWED && role->allowed[i]; i++)
		if (strcmp(role->allowed[i], attempt->name) == 0)
			return true;
	return false;
}

/* A kernel without 32-bit programs ends them otherwise, cage or not. */
static bool is_foreign(const struct attempt *attempt)
{
	struct target target = {.link = -1};
	pid_t pid;
	int status;

	if (strcmp(attempt->name, "foreign_calls") != 0)
		return false;
	pid = fork();
	if (pid == 0)
		_exit(attempt->run(&target));
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status);
}

static bool is_refusal(int rc)
{
	/* EXDEV: Landlock's answer to a rename that would widen what may be done */
	return rc == EACCES || rc == EPERM || rc == EXDEV;
}

struct facts {
	bool opens, has_link;
	bool refuses; /* answers some calls with an error instead of death */
};

/* It may open files; others that get descriptors are given them. */
static bool may_open(const struct cage *cage)
{
	for (size_t i = 0; i < cage->n_calls; i++)
		if (cage->calls[i].call == SCMP_SYS(openat))
			return true;
	for (size_t i = 0; cage->program && i < cage->n_program; i++)
		if (cage->program[i].call == SCMP_SYS(openat))
			return true;
	return false;
}

/* Asked in a process of its own: it leaves descriptors and directories behind. */
static struct facts ask_facts(const struct stand_in *role)
{
	struct facts *facts = mmap(NULL, sizeof(*facts), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct facts copy;
	pid_t pid;
	int status;

	if (facts == MAP_FAILED)
		stand_in_fail("memory");
	pid = fork();
	if (pid == 0) {
		struct target target = {.link = -1, .spool_dir = -1};
		static struct cage cage;

		role->take_place(directory, &target, &cage);
		facts->opens = cage.opens && may_open(&cage);
		facts->has_link = target.link >= 0;
		for (size_t i = 0; i < cage.n_calls; i++)
			facts->refuses |= cage.calls[i].refuse != 0;
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		stand_in_fail("a role's place");
	copy = *facts;
	(void)munmap(facts, sizeof(*facts));
	return copy;
}

/* Every attempt in the role's place. How many got further than they should; all are told, or
 * with FIRST the first is enough. */
static unsigned probe(const struct stand_in *role, const struct walls *walls, int memory,
		      bool first, unsigned *tried)
{
	const struct facts facts = ask_facts(role);
	unsigned out = 0;

	for (size_t i = 0; i < attempt_count && !(first && out > 0); i++) {
		const struct attempt *a = &attempts[i];
		bool held;
		int rc;

		if ((a->kind == ATTEMPT_LINK && !facts.has_link) || is_allowed(role, a) ||
		    (!walls->calls && a->kind != ATTEMPT_FILE) || is_foreign(a))
			continue;
		rc = run_attempt(role, walls, a, memory);
		held = rc == -SIGSYS;
		if (a->kind == ATTEMPT_FILE &&
		    (facts.opens || facts.refuses || !walls->calls))
			held = held || is_refusal(rc);
		if (rc == SET_UP_FAILED)
			exit(99);
		(*tried)++;
		out += !held;
		if (!held)
			(void)printf("  %s: %s: %s\n", role->name, a->name,
				     rc == WORKED ? "WORKED"
				     : rc < 0	  ? strsignal(-rc)
						  : strerror(rc));
	}
	return out;
}

/* A wall less, or a call more: more must get out than nothing. */
static bool sees_mutation(const struct stand_in *role, const struct walls *walls,
			  int memory, const char *what)
{
	unsigned tried = 0, out;

	(void)printf("mutation: %s: %s:\n", role->name, what);
	out = probe(role, walls, memory, true, &tried);
	(void)printf("mutation: %s: %s: %s\n", role->name, what,
		     out > 0 ? "seen" : "NOT SEEN");
	return out > 0;
}

static bool probe_role(const struct stand_in *role, int memory)
{
	static const struct walls all = ALL_WALLS;
	static const struct walls only_files = {.files = true, .call = -1};
	static const struct walls no_wall = {.call = -1};
	static const struct walls only_calls = {.calls = true, .call = -1};
	static const struct {
		struct walls walls;
		struct attempt seen_by;
	} one_more[] = {
		{{true, true, SCMP_SYS(socket)}, {.name = "socket_inet"}},
		{{true, true, SCMP_SYS(execve)}, {.name = "execve"}},
		{{true, true, SCMP_SYS(sendto)}, {.name = "speak_to"}},
	};
	unsigned tried = 0, out = probe(role, &all, memory, false, &tried);
	bool good = out == 0;

	(void)printf("%s: %u attempts, %u got out\n", role->name, tried, out);
	tried = 0;
	out = probe(role, &only_files, memory, false, &tried);
	(void)printf("%s: file rules alone: %u attempts, %u got out\n", role->name, tried,
		     out);
	good &= out == 0;
	good &= sees_mutation(role, &no_wall, memory, "no wall");
	if (ask_facts(role).opens)
		good &= sees_mutation(role, &only_calls, memory, "no file rules");
	for (size_t i = 0; i < KM_COUNT(one_more); i++) {
		_cleanup_free_ char *name = seccomp_syscall_resolve_num_arch(
			SCMP_ARCH_NATIVE, one_more[i].walls.call);
		char what[64];

		if (is_allowed(role, &one_more[i].seen_by))
			continue; /* it is no more than the role has */
		(void)snprintf(what, sizeof(what), "one call more: %s", name ? name : "?");
		good &= sees_mutation(role, &one_more[i].walls, memory, what);
	}
	return good;
}

/* Whether the attempt kills a process with the supervisor's limits. */
static bool supervisor_dies(const struct attempt *attempt)
{
	const struct target target = {.parent = getpid(), .link = -1};
	const struct sandbox_plan plan = {.uid = STAND_IN_USER};
	struct sandbox_report report;
	struct km_err err = KM_ERR_INIT;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (sandbox_apply(&plan, &report, &err) != 0 ||
		    cage_close_supervisor(false, false, &report.cage, &err) != 0)
			_exit(SET_UP_FAILED);
		_exit(attempt->run(&target) == 0 ? WORKED : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		stand_in_fail("fork");
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

/* A supervisor needs nearly everything to start roles; of what is attempted, not this. */
static bool probe_supervisor(void)
{
	static const char *const never[] = {"trace",
					    "trace_me",
					    "read_other",
					    "write_other",
					    "steal_descriptor",
					    "mount",
					    "unmount",
					    "new_mount",
					    "move_mount",
					    "open_tree",
					    "chroot",
					    "pivot_root",
					    "unshare",
					    "setns",
					    "bpf",
					    "perf",
					    "keyring",
					    "add_key",
					    "request_key",
					    "faults",
					    "module",
					    "kexec",
					    "reboot",
					    "swap",
					    "set_clock",
					    "set_name",
					    "account",
					    "kernel_log",
					    "ring_setup",
					    "ring_enter",
					    "handle",
					    "handle_name",
					    "compare_other"};
	unsigned out = 0, tried = 0;

	for (size_t i = 0; i < attempt_count; i++) {
		bool listed = false;

		for (size_t k = 0; k < KM_COUNT(never); k++)
			listed |= strcmp(never[k], attempts[i].name) == 0;
		if (!listed)
			continue;
		tried++;
		if (supervisor_dies(&attempts[i]))
			continue;
		out++;
		(void)printf("  supervisor: %s: not killed\n", attempts[i].name);
	}
	(void)printf("supervisor: %u attempts, %u got out\n", tried, out);
	return out == 0 && tried == KM_COUNT(never);
}

/* A network of our own: nothing that an escape sends gets anywhere. */
static void make_network(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd;

	if (unshare(CLONE_NEWNET) != 0)
		stand_in_fail("network namespace");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0)
		stand_in_fail("loopback");
	(void)close(fd);
}

static void make_place(void)
{
	if (!mkdtemp(directory) || chmod(directory, 0755) != 0)
		stand_in_fail(directory);
	(void)snprintf(place, sizeof(place), "%s/place", directory);
	if (mkdir(place, 0777) != 0 || chmod(place, 01777) != 0)
		stand_in_fail(place);
}

int main(void)
{
	const char remove[] = "rm -rf ";
	char command[sizeof(remove) + sizeof(directory)];
	struct cage_kernel kernel;
	bool good = true;
	int memory;

	cage_ask_kernel(&kernel);
	if (geteuid() != 0 || cage_lacking(&kernel)) {
		(void)printf("SKIP: %s\n",
			     geteuid() != 0 ? "needs root" : cage_lacking(&kernel));
		return 77;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	make_network();
	make_place();
	memory = memfd_create("program", 0);
	good &= probe_supervisor();
	for (size_t i = 0; i < stand_ins_tx_count; i++)
		good &= probe_role(&stand_ins_tx[i], memory);
	for (size_t i = 0; i < stand_ins_rx_count; i++)
		good &= probe_role(&stand_ins_rx[i], memory);
	(void)snprintf(command, sizeof(command), "%s%s", remove, directory);
	if (system(command) != 0)
		stand_in_fail(command);
	(void)printf("%s\n", good ? "every role stays where it is" : "NOT CAGED");
	return good ? 0 : 1;
}
