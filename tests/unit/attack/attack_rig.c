// SPDX-License-Identifier: ISC
#include "attack_rig.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "ipc.h"
#include "log.h"

#define READY_NS (30 * CLOCK_NS_PER_SEC)
#define END_NS (30 * CLOCK_NS_PER_SEC)
/* Above every number that a role is given. */
#define PARKED 100

/* In the child: descriptors as role_spawn() would place them, all others closed. */
static void place(const struct attack_spec *spec, int control, int log)
{
	int parked[ROLE_FDS_MAX];
	unsigned next = ROLE_CONTROL_FD;

	for (size_t i = 0; i < spec->n_fds; i++)
		parked[i] = fcntl(spec->fds[i].fd, F_DUPFD, PARKED);
	control = fcntl(control, F_DUPFD, PARKED);
	log = fcntl(log, F_DUPFD, PARKED);
	if (dup2(log, STDERR_FILENO) < 0 || dup2(control, ROLE_CONTROL_FD) < 0)
		_exit(99);
	(void)syscall(SYS_close_range, ROLE_CONTROL_FD + 1, PARKED - 1, 0);
	for (size_t i = 0; i < spec->n_fds; i++) {
		if (dup2(parked[i], spec->fds[i].target) < 0)
			_exit(99);
		if (spec->fds[i].target >= PARKED)
			_exit(99);
	}
	next = PARKED;
	(void)syscall(SYS_close_range, next, ~0u, 0);
}

static _Noreturn void become(const struct attack_spec *spec, int control, int log)
{
	static char args[ATTACK_ARGS_MAX][512];
	static char *argv[ATTACK_ARGS_MAX + 1];
	struct role_ctx ctx = {.control = ROLE_CONTROL_FD, .argv = argv};
	struct km_err err = KM_ERR_INIT;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	place(spec, control, log);
	(void)snprintf(ctx.name, sizeof(ctx.name), "%s", spec->name);
	for (unsigned i = 0; i < spec->n_args; i++) {
		(void)snprintf(args[i], sizeof(args[i]), "%s", spec->args[i]);
		argv[ctx.argc++] = args[i];
	}
	log_set_sink(NULL, NULL);
	if (sandbox_drop_caps(spec->keep_caps, &ctx.sandbox, &err) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		_exit(98);
	_exit(spec->main(&ctx));
}

void attack_start(struct attack_role *role, const struct attack_spec *spec)
{
	struct km_err err = KM_ERR_INIT;
	int pair[2];

	*role = (struct attack_role){.child = ROLE_CHILD_INIT, .log = -1};
	role->log = memfd_create("log", MFD_CLOEXEC);
	cr_assert_geq(role->log, 0);
	cr_assert_eq(ipc_pair(pair, &err), 0, "%s", err.text);
	(void)snprintf(role->child.name, sizeof(role->child.name), "%s", spec->name);
	role->child.pid = fork();
	cr_assert_geq(role->child.pid, 0);
	if (role->child.pid == 0)
		become(spec, pair[1], role->log);
	(void)close(pair[1]);
	role->child.control = pair[0];
	if (role_await_ready(&role->child, READY_NS, &err) != 0 ||
	    role_go(&role->child, &err) != 0) {
		(void)attack_lines(role, NULL);
		cr_assert_fail("%s", err.text);
	}
}

bool attack_runs(struct attack_role *role, struct role_exit *exit)
{
	return role->child.pid != 0 && !role_reap(&role->child, exit);
}

struct role_exit attack_await_end(struct attack_role *role)
{
	const uint64_t until = clock_mono_ns() + END_NS;
	struct role_exit exit = {0};

	while (attack_runs(role, &exit)) {
		if (clock_mono_ns() > until) {
			role_kill(&role->child);
			cr_assert_fail("role %s does not end", role->child.name);
		}
		clock_sleep_until(clock_mono_ns() + CLOCK_NS_PER_MS);
	}
	return exit;
}

void attack_stop(struct attack_role *role)
{
	struct role_exit exit;

	role_ask_stop(&role->child);
	exit = attack_await_end(role);
	cr_expect(exit.expected, "%s: %s %d", role->child.name,
		  exit.signalled ? "signal" : "exit", exit.number);
}

/* NULL: all of it to the log of the test. */
unsigned attack_lines(const struct attack_role *role, const char *text)
{
	const off_t len = lseek(role->log, 0, SEEK_END);
	char *bytes = malloc((size_t)len + 1), *save = NULL;
	unsigned n = 0;

	cr_assert_not_null(bytes);
	cr_assert_eq(pread(role->log, bytes, (size_t)len, 0), len);
	bytes[len] = '\0';
	if (!text)
		(void)fprintf(stderr, "%s", bytes);
	for (char *line = strtok_r(bytes, "\n", &save); text && line;
	     line = strtok_r(NULL, "\n", &save))
		n += strstr(line, text) != NULL;
	free(bytes);
	return n;
}

uint64_t attack_memory(const struct attack_role *role)
{
	char path[40];
	unsigned long size = 0, resident = 0, shared = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)role->child.pid);
	file = fopen(path, "re");
	cr_assert_not_null(file);
	cr_assert_eq(fscanf(file, "%lu %lu %lu", &size, &resident, &shared), 3);
	(void)fclose(file);
	return (uint64_t)(resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

void attack_free(struct attack_role *role)
{
	role_kill(&role->child);
	km_close(&role->log);
}

uint64_t attack_seed(void)
{
	const char *given = getenv("KM_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : clock_real_ns();

	(void)fprintf(stderr, "KM_SEED=%" PRIu64 "\n", seed);
	return seed;
}

uint64_t attack_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void *toggle_run(void *ctx)
{
	struct attack_toggle *t = ctx;

	while (!atomic_load_explicit(&t->stop, memory_order_relaxed)) {
		for (unsigned twice = 0; twice < 2; twice++)
			for (size_t i = 0; i < t->bytes; i++)
				(void)atomic_fetch_xor_explicit(&t->at[i], t->mask,
								memory_order_relaxed);
		(void)atomic_fetch_add(&t->rounds, 1);
	}
	return NULL;
}

void attack_toggle_start(struct attack_toggle *t, void *at, size_t bytes, uint8_t mask)
{
	pthread_t thread;

	*t = (struct attack_toggle){.at = at, .bytes = bytes, .mask = mask};
	cr_assert_eq(pthread_create(&thread, NULL, toggle_run, t), 0);
	t->thread = (uint64_t)thread;
	while (atomic_load(&t->rounds) == 0) /* it is at work */
		clock_sleep_until(clock_mono_ns() + CLOCK_NS_PER_MS / 10);
}

void attack_toggle_stop(struct attack_toggle *t)
{
	atomic_store(&t->stop, true);
	cr_assert_eq(pthread_join((pthread_t)t->thread, NULL), 0);
}
