// SPDX-License-Identifier: ISC
/*
 * Roles, sandbox and supervisor with real processes. A plain program and not a Criterion one:
 * it must own main(), because each role is this binary once more.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "role.h"
#include "supervise.h"

#define CHECK(cond)                                                                        \
	do {                                                                               \
		if (!(cond)) {                                                             \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond); \
			exit(1);                                                           \
		}                                                                          \
	} while (0)

#define SECOND CLOCK_NS_PER_SEC
#define UID_TEST 54321

static unsigned int events_seen[EVENT_COUNT];
static char last_line[LOG_LINE_MAX + 1];

static void catch_line(void *ctx, int level, enum event event, const char *line, size_t len)
{
	events_seen[event]++;
	memcpy(last_line, line, len);
	last_line[len] = '\0';
	if (write(STDERR_FILENO, line, len) < 0)
		exit(1);
}

/* ---- the roles ---- */

/* Bit mask of open descriptors below 64, the directory's own excluded. */
static uint64_t open_mask(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	uint64_t mask = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && fd != dirfd(dir) && fd < 64)
			mask |= UINT64_C(1) << fd;
	}
	closedir(dir);
	return mask;
}

/* Says on descriptor 5 what it sees of itself. */
static void probe_report(const struct role_ctx *ctx)
{
	char text[512];
	int n = snprintf(
		text, sizeof(text), "mask=%llx env=%s secret=%s arg=%s nofile=%d uid=%u",
		(unsigned long long)open_mask(), getenv("ASAN_OPTIONS") ? "yes" : "no",
		getenv("KM_TEST_SECRET") ? "leaked" : "gone",
		ctx->argc == 1 ? ctx->argv[0] : "?", (int)sysconf(_SC_OPEN_MAX), geteuid());

	if (write(5, text, (size_t)n) != n)
		exit(EX_IOERR);
}

static int role_main(int argc, char **argv)
{
	static const struct cage cage; /* what every role may do, and no file */
	struct km_err err = KM_ERR_INIT;
	struct role_ctx ctx;

	if (role_enter(argc, argv, &ctx, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		return err.code;
	}
	if (strcmp(ctx.name, "refuses") == 0)
		return EX_CONFIG;
	if (strcmp(ctx.name, "probe") == 0)
		probe_report(&ctx);
	if (strcmp(ctx.name, "liar") == 0)
		return ipc_send(ctx.control, 2, "short", 5, NULL, 0, 0) == KM_OK ? 0 : 1;
	if (strcmp(ctx.name, "mute") == 0)
		clock_sleep_until(CLOCK_NEVER / 4);
	if (strcmp(ctx.name, "bare") != 0 && role_cage(&ctx, &cage, &err) != 0)
		return err.code;
	if (role_ready(&ctx, "extra text", &err) != 0)
		return err.code;
	if (strcmp(ctx.name, "escapes") == 0)
		return getppid() == 0;
	if (strcmp(ctx.name, "crash") == 0)
		raise(SIGUSR2); /* not one that a sanitizer reports */
	if (strcmp(ctx.name, "leaves") == 0)
		return 0;
	while (strcmp(ctx.name, "stubborn") == 0 || !role_stop_requested(&ctx))
		clock_sleep_until(clock_mono_ns() + CLOCK_NS_PER_MS);
	return 0;
}

/* ---- the tests ---- */

static struct role_child started(const char *name)
{
	struct role_spec spec = {.prog = "test", .name = name};
	struct km_err err = KM_ERR_INIT;
	struct role_child child;

	CHECK(role_spawn(&spec, &child, &err) == 0);
	return child;
}

static struct role_child working(const char *name)
{
	struct role_child child = started(name);
	struct km_err err = KM_ERR_INIT;

	if (role_await_ready(&child, 20 * SECOND, &err) != 0)
		fprintf(stderr, "%s\n", err.text);
	CHECK(child.ready);
	CHECK(role_go(&child, &err) == 0);
	return child;
}

static void await_end(struct role_child *child, struct role_exit *end)
{
	struct role_child *const one[1] = {child};
	uint64_t deadline = clock_mono_ns() + 20 * SECOND;
	uint32_t ended, readable;
	struct km_err err;

	while (!role_reap(child, end)) {
		CHECK(clock_mono_ns() < deadline);
		CHECK(supervise_wait(one, 1, NULL, 0, deadline, &ended, &readable, &err) ==
		      0);
	}
	CHECK(child->pid == 0 && child->pidfd == -1 && child->control == -1);
}

/* Only what the spec lists is open, in place even when numbers collide; nothing else leaks. */
static void test_descriptors_and_environment(void)
{
	struct role_limit limit = {RLIMIT_NOFILE, {100, 100}};
	const char *args[] = {"hello"};
	struct km_err err = KM_ERR_INIT;
	struct role_child child;
	struct role_exit end;
	char text[512] = "", want[256];
	int out[2], spare = open("/dev/zero", O_RDONLY);

	CHECK(pipe2(out, O_CLOEXEC) == 0 && spare >= 0);
	/* the numbers a role gets are taken here by other things: 5 and 6 must be swapped */
	CHECK(dup2(spare, 60) == 60);
	{
		struct role_fd fds[] = {{spare, 6}, {out[1], 5}, {spare, 63}};
		struct role_spec spec = {.prog = "test",
					 .name = "probe",
					 .fds = fds,
					 .n_fds = 3,
					 .limits = &limit,
					 .n_limits = 1,
					 .args = args,
					 .n_args = 1};

		setenv("KM_TEST_SECRET", "x", 1);
		setenv("ASAN_OPTIONS", getenv("ASAN_OPTIONS") ? getenv("ASAN_OPTIONS") : "",
		       1);
		CHECK(role_spawn(&spec, &child, &err) == 0);
		fds[0].target = 5;
		spec.name = "probe";
		{
			struct role_child refused;

			CHECK(role_spawn(&spec, &refused, &err) == -1); /* target twice */
			fds[0].target = 3;
			CHECK(role_spawn(&spec, &refused, &err) == -1); /* control's own */
		}
	}
	CHECK(role_await_ready(&child, 20 * SECOND, &err) == 0);
	CHECK(read(out[0], text, sizeof(text) - 1) > 0);
	snprintf(want, sizeof(want),
		 "mask=%llx env=yes secret=gone arg=hello nofile=100 uid=%u",
		 0xfULL | 1ULL << 5 | 1ULL << 6 | 1ULL << 63, geteuid());
	fprintf(stderr, "%s\n%s\n", text, want);
	CHECK(strcmp(text, want) == 0);
	CHECK(strstr(child.report, "no_new_privs") && strstr(child.report, "caps none"));
	CHECK(strstr(child.report, "extra text"));
	/* stop before go: leaves with 0 */
	role_ask_stop(&child);
	await_end(&child, &end);
	CHECK(end.expected && end.number == 0);
	close(out[0]);
	close(out[1]);
	close(60);
	close(spare);
}

static void test_uid_is_changed(void)
{
	struct role_spec spec = {.prog = "test",
				 .name = "work",
				 .plan = {.uid = UID_TEST,
					  .gid = UID_TEST,
					  .keep_caps = SANDBOX_CAP(CAP_NET_RAW)}};
	struct km_err err = KM_ERR_INIT;
	struct role_child child;

	CHECK(role_spawn(&spec, &child, &err) == 0);
	CHECK(role_await_ready(&child, 20 * SECOND, &err) == 0);
	if (geteuid() == 0 && !strstr(child.report, "unchanged")) {
		CHECK(strstr(child.report,
			     "uid 54321 gid 54321; caps net_raw; bounding set cut"));
	} else {
		CHECK(strstr(child.report, "(uid unchanged: "));
		fprintf(stderr, "uid change not tested: %s\n", child.report);
	}
	role_kill(&child);
	CHECK(child.pid == 0);
}

static void test_ends_before_ready(void)
{
	struct km_err err = KM_ERR_INIT;
	struct role_child child = started("refuses");
	struct role_exit end;

	CHECK(role_await_ready(&child, 20 * SECOND, &err) == -1);
	CHECK(err.code == EX_CONFIG &&
	      strstr(err.text, "exit code 78 before it was ready"));
	await_end(&child, &end);
	CHECK(!end.expected && !end.signalled && end.number == EX_CONFIG);
	child = started("liar");
	CHECK(role_await_ready(&child, 20 * SECOND, &err) == -1);
	CHECK(strstr(err.text, "malformed"));
	role_kill(&child);
	child = started("mute");
	CHECK(role_await_ready(&child, 50 * CLOCK_NS_PER_MS, &err) == -1);
	CHECK(strstr(err.text, "timeout"));
	role_kill(&child);
}

static void test_deaths_are_logged(void)
{
	struct role_child child = working("crash");
	unsigned int before = events_seen[EVENT_ROLE_DIED];
	struct role_exit end;

	await_end(&child, &end);
	CHECK(!end.expected && end.signalled && end.number == SIGUSR2);
	CHECK(events_seen[EVENT_ROLE_DIED] == before + 1);
	CHECK(strstr(last_line, " signal=12\n"));
	child = working("leaves");
	await_end(&child, &end);
	CHECK(!end.expected && end.number == 0 && strstr(last_line, " exit=0\n"));
	child = working("work");
	CHECK(kill(child.pid, SIGTERM) == 0 && kill(child.pid, SIGINT) == 0);
	clock_sleep_until(clock_mono_ns() + 50 * CLOCK_NS_PER_MS);
	CHECK(!role_reap(&child, &end)); /* only the supervisor stops a role */
	CHECK(kill(child.pid, SIGKILL) == 0);
	await_end(&child, &end);
	CHECK(end.signalled && end.number == SIGKILL && strstr(last_line, " signal=9\n"));
}

/* Without a cage no role works; one that does what is not in its list is killed, and that is
 * said. */
static void test_cage(void)
{
	struct role_child child = started("bare");
	struct km_err err = KM_ERR_INIT;
	struct role_exit end;
	char report[SANDBOX_TEXT_MAX];

	CHECK(role_await_ready(&child, 20 * SECOND, &err) == -1);
	CHECK(err.code == EX_SOFTWARE);
	await_end(&child, &end);
	CHECK(!end.signalled && end.number == EX_SOFTWARE);
	CHECK(events_seen[EVENT_SANDBOX_VIOLATION] == 0);
	child = working("escapes");
	(void)snprintf(report, sizeof(report), "%s", child.report);
	await_end(&child, &end);
	if (strstr(report, "NO CAGE in this build")) {
		fprintf(stderr, "cage not tested: %s\n", report);
		CHECK(!end.signalled);
		return;
	}
	CHECK(strstr(report, "others kill; files none (Landlock "));
	CHECK(end.signalled && end.number == SIGSYS);
	CHECK(events_seen[EVENT_SANDBOX_VIOLATION] == 1);
	CHECK(strstr(last_line, " sandbox.violation role escapes made a system call"));
}

static void test_stop_in_order(void)
{
	struct role_child a = working("work"), b = working("stubborn"), c = working("work");
	struct role_child none = ROLE_CHILD_INIT;
	struct role_child *const all[] = {&a, &none, &b, &c};
	unsigned int stopped = events_seen[EVENT_ROLE_STOPPED];

	CHECK(supervise_stop(all, 4, 300 * CLOCK_NS_PER_MS) == 1);
	CHECK(a.pid == 0 && b.pid == 0 && c.pid == 0);
	CHECK(events_seen[EVENT_ROLE_STOPPED] == stopped + 2);
	CHECK(events_seen[EVENT_ROLE_KILLED] == 1);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

/* Roles end when their supervisor does, however it does. */
static void test_roles_die_with_the_supervisor(void)
{
	int fds[2];
	pid_t supervisor;
	char byte;

	CHECK(pipe2(fds, O_CLOEXEC) == 0);
	supervisor = fork();
	CHECK(supervisor >= 0);
	if (supervisor == 0) {
		struct role_fd pass = {fds[1], 9};
		struct role_spec spec = {
			.prog = "test", .name = "stubborn", .fds = &pass, .n_fds = 1};
		struct km_err err = KM_ERR_INIT;
		struct role_child child;

		if (role_spawn(&spec, &child, &err) != 0 ||
		    role_await_ready(&child, 20 * SECOND, &err) != 0 ||
		    role_go(&child, &err) != 0)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	close(fds[1]);
	/* end of file once the last holder, the role, is gone */
	CHECK(read(fds[0], &byte, 1) == 0);
	CHECK(waitpid(supervisor, NULL, 0) == supervisor);
	close(fds[0]);
}

/* `--role` typed by a person, or with a socket that is not ours, is refused. */
static void test_not_started_by_a_supervisor(void)
{
	for (int with_socket = 0; with_socket < 2; with_socket++) {
		int status, pair[2];
		pid_t pid;

		CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0) {
			int own[2];

			/* a socket that this child made itself names the wrong process */
			if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, own) != 0)
				_exit(1);
			if (with_socket)
				dup2(own[0], ROLE_CONTROL_FD);
			else
				close(ROLE_CONTROL_FD);
			execl("/proc/self/exe", "x", "--role", "work", (char *)NULL);
			_exit(1);
		}
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EX_USAGE);
		close(pair[0]);
		close(pair[1]);
	}
}

static void test_backoff_and_alarm(void)
{
	struct supervise_history h = {0};
	uint64_t now = 5 * SECOND;
	bool alarm;

	CHECK(supervise_note_death(&h, now, &alarm) == SUPERVISE_DELAY_MIN_NS && !alarm);
	CHECK(supervise_note_death(&h, now + SECOND, &alarm) == 2 * SUPERVISE_DELAY_MIN_NS);
	CHECK(!alarm);
	CHECK(supervise_note_death(&h, now + 2 * SECOND, &alarm) ==
	      4 * SUPERVISE_DELAY_MIN_NS);
	CHECK(alarm);
	for (int i = 0; i < 20; i++) {
		CHECK(supervise_note_death(&h, now + 3 * SECOND, &alarm) <=
		      SUPERVISE_DELAY_MAX_NS);
		CHECK(!alarm); /* once per bout */
	}
	CHECK(h.delay_ns == SUPERVISE_DELAY_MAX_NS);
	now += 100 * SECOND;
	CHECK(supervise_note_death(&h, now, &alarm) == SUPERVISE_DELAY_MIN_NS && !alarm);
	CHECK(supervise_note_death(&h, now + 40 * SECOND, &alarm) > 0 && !alarm);
	CHECK(supervise_note_death(&h, now + 80 * SECOND, &alarm) > 0 && !alarm);
	CHECK(supervise_note_death(&h, now + 90 * SECOND, &alarm) > 0 && alarm);
}

static void test_sandbox_words(void)
{
	struct sandbox_report r = {.uid = 5,
				   .gid = 6,
				   .no_new_privs = true,
				   .not_dumpable = true,
				   .bounding_cut = true};
	char text[SANDBOX_TEXT_MAX], small[10];
	uid_t uid;
	gid_t gid;
	struct km_err err;

	CHECK(strcmp(sandbox_describe(&r, text, sizeof(text)),
		     "uid 5 gid 6; caps none; bounding set cut; no_new_privs; not "
		     "dumpable") == 0);
	CHECK(sandbox_complete(&r));
	CHECK(strlen(sandbox_describe(&r, small, sizeof(small))) == 9);
	r.caps_effective = SANDBOX_CAP(CAP_NET_RAW) | SANDBOX_CAP(CAP_SYS_ADMIN);
	CHECK(strstr(sandbox_describe(&r, text, sizeof(text)), "caps net_raw,sys_admin;"));
	CHECK(!sandbox_complete(&r));
	r.caps_effective = 0;
	r.cage = (struct cage_report){.wanted = true, .calls_held = true, .rows = 31};
	CHECK(strstr(sandbox_describe(&r, text, sizeof(text)),
		     "; calls 31 rows, others kill; files NOT FILTERED"));
	CHECK(!sandbox_complete(&r));
	r.cage.files_held = true;
	r.cage.landlock = 6;
	CHECK(strstr(sandbox_describe(&r, text, sizeof(text)),
		     "; files none (Landlock 6)"));
	CHECK(sandbox_complete(&r));
	r.cage.permissive = true;
	CHECK(strstr(sandbox_describe(&r, text, sizeof(text)), "; sandbox = permissive"));
	CHECK(!sandbox_complete(&r));
	r.caps_effective = ~UINT64_C(0);
	CHECK(strlen(sandbox_describe(&r, text, sizeof(text))) < SANDBOX_TEXT_MAX);
	CHECK(role_find_user("root", &uid, &gid, &err) == 0 && uid == 0);
	CHECK(role_find_user("no-such-user-here", &uid, &gid, &err) == -1);
	CHECK(err.code == EX_NOUSER);
}

int main(int argc, char **argv)
{
	if (role_wanted(argc, argv))
		return role_main(argc, argv);
	log_init("test");
	log_set_sink(catch_line, NULL);
	test_sandbox_words();
	test_backoff_and_alarm();
	test_descriptors_and_environment();
	test_uid_is_changed();
	test_ends_before_ready();
	test_deaths_are_logged();
	test_cage();
	test_stop_in_order();
	test_roles_die_with_the_supervisor();
	test_not_started_by_a_supervisor();
	printf("all role tests passed\n");
	return 0;
}
