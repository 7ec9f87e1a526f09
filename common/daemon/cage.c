// SPDX-License-Identifier: ISC
/* Plans and reports; the walls are cage_calls.c and cage_files.c. */
#include "cage.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cage_kernel.h"
#include "landlock_abi.h"

bool cage_kernel_filters(void)
{
	const uint32_t action = SCMP_ACT_KILL_PROCESS;
	/* SECCOMP_GET_ACTION_AVAIL, Linux 4.14 */
	const unsigned int ask = 2;

	return syscall(SYS_seccomp, ask, 0, &action) == 0;
}

void cage_ask_kernel(struct cage_kernel *kernel)
{
	const long abi = syscall(LANDLOCK_SYS_CREATE, NULL, 0, LANDLOCK_VERSION_FLAG);

	kernel->landlock = abi > 0 ? (int)abi : 0;
	kernel->calls = cage_kernel_filters();
}

const char *cage_lacking(const struct cage_kernel *kernel)
{
	if (!kernel->calls)
		return "this kernel has no filter of system calls (seccomp, "
		       "CONFIG_SECCOMP_FILTER, Linux 4.14), so roles would run uncaged: "
		       "run "
		       "a kernel that has it, or set `sandbox = permissive`";
	if (kernel->landlock < CAGE_LANDLOCK_MIN)
		return "this kernel has no Landlock (Linux 5.19, and landlock in lsm= of "
		       "its "
		       "command line), so roles could open every file of their user: run a "
		       "kernel that has it, or set `sandbox = permissive`";
	return NULL;
}

char *cage_describe_kernel(char *buf, size_t len)
{
	struct cage_kernel kernel;

#ifdef KM_CAGE_OFF
	(void)snprintf(buf, len, "roles have no cage in this build (sanitizers)");
	return buf;
#endif
	cage_ask_kernel(&kernel);
	(void)snprintf(buf, len, "roles in cages; this kernel filters %s, Landlock ABI %d",
		       kernel.calls ? "system calls" : "NO system calls", kernel.landlock);
	return buf;
}

void cage_add_fd(struct cage *cage, int call, int fd)
{
	if (fd < 0 || cage->n_own >= CAGE_OWN_MAX)
		return;
	cage->own[cage->n_own++] = (struct cage_call){
		.call = call, .args = 1, .arg = {{0, CAGE_INT, (uint64_t)fd}}};
}

void cage_add_path(struct cage *cage, enum cage_right right, const char *fmt, ...)
{
	struct cage_path *path = &cage->path[cage->n_paths];
	va_list args;
	int n;

	if (cage->n_paths >= CAGE_PATHS_MAX)
		return;
	va_start(args, fmt);
	n = vsnprintf(path->path, sizeof(path->path), fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(path->path))
		return;
	path->right = right;
	cage->n_paths++;
}

char *cage_describe(const struct cage_report *r, char *buf, size_t len)
{
	char calls[48] = "calls NOT FILTERED", files[64] = "files NOT FILTERED";

	if (r->off) {
		(void)snprintf(buf, len, "NO CAGE in this build (sanitizers)");
		return buf;
	}
	if (r->calls_held)
		(void)snprintf(calls, sizeof(calls), "calls %zu rows, others kill",
			       r->rows);
	if (r->files_held && r->paths > 0)
		(void)snprintf(files, sizeof(files), "files %zu paths (Landlock %d)",
			       r->paths, r->landlock);
	else if (r->files_held)
		(void)snprintf(files, sizeof(files), "files none (Landlock %d)",
			       r->landlock);
	(void)snprintf(buf, len, "%s; %s%s", calls, files,
		       r->permissive ? "; sandbox = permissive" : "");
	return buf;
}

bool cage_complete(const struct cage_report *r)
{
	return !r->wanted || r->off || (r->calls_held && r->files_held && !r->permissive);
}
