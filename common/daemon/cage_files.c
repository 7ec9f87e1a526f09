// SPDX-License-Identifier: ISC
/* Landlock: which files a role may open, by a thin layer over its three system calls. */
#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cage.h"
#include "landlock_abi.h"

/* Descriptors of a role that opens none: above the last one it can be given (role.h). */
#define CAGE_NOFILE 72

static const uint64_t cage_rights[] = {
	[CAGE_READ] = LANDLOCK_READ_FILE,
	[CAGE_LIST] = LANDLOCK_READ_DIR,
	[CAGE_TREE] = LANDLOCK_WRITE_FILE | LANDLOCK_READ_FILE | LANDLOCK_READ_DIR |
		      LANDLOCK_REMOVE_DIR | LANDLOCK_REMOVE_FILE | LANDLOCK_MAKE_DIR |
		      LANDLOCK_MAKE_REG | LANDLOCK_REFER | LANDLOCK_TRUNCATE,
	[CAGE_RUN] = LANDLOCK_READ_FILE | LANDLOCK_READ_DIR | LANDLOCK_EXECUTE,
};

/* Everything this ABI can forbid. */
static size_t cage_handled(struct landlock_handled *handled, int abi)
{
	*handled = (struct landlock_handled){.files = LANDLOCK_RIGHTS_ABI_2};
	if (abi >= 3)
		handled->files |= LANDLOCK_TRUNCATE;
	if (abi >= 4)
		handled->ports = LANDLOCK_PORTS_ALL;
	if (abi >= 5)
		handled->files |= LANDLOCK_IOCTL_DEV;
	if (abi >= 6)
		handled->scoped = LANDLOCK_SCOPED_ALL;
	return abi >= 6	  ? sizeof(*handled)
	       : abi >= 4 ? offsetof(struct landlock_handled, scoped)
			  : offsetof(struct landlock_handled, ports);
}

static int cage_add_rule(int ruleset, const struct cage_path *path, uint64_t handled,
			 struct km_err *err)
{
	_cleanup_close_ int fd = open(path->path, O_PATH | O_CLOEXEC);
	struct landlock_path rule = {.parent = fd};
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return km_err_set_errno(err, EX_NOINPUT, "file rules: %s", path->path);
	rule.rights = handled & cage_rights[path->right];
	if (!S_ISDIR(st.st_mode)) /* or the kernel refuses the rule */
		rule.rights &= ~(uint64_t)LANDLOCK_READ_DIR;
	if (syscall(LANDLOCK_SYS_ADD, ruleset, LANDLOCK_PATH_BENEATH, &rule, 0) != 0)
		return km_err_set_errno(err, EX_OSERR, "file rules: %s", path->path);
	return 0;
}

static int cage_restrict(const struct cage *cage, int abi, struct km_err *err)
{
	struct landlock_handled handled;
	const size_t size = cage_handled(&handled, abi);
	_cleanup_close_ int ruleset = (int)syscall(LANDLOCK_SYS_CREATE, &handled, size, 0);

	if (ruleset < 0)
		return km_err_set_errno(err, EX_OSERR, "file rules");
	for (size_t i = 0; i < cage->n_paths; i++)
		if (cage_add_rule(ruleset, &cage->path[i], handled.files, err) != 0)
			return -1;
	if (syscall(LANDLOCK_SYS_RESTRICT, ruleset, 0) != 0)
		return km_err_set_errno(err, EX_OSERR,
					"file rules: landlock_restrict_self");
	return 0;
}

/* No core dump holds what was in memory; no more descriptors than it came with. */
static int cage_limit(const struct cage *cage, struct km_err *err)
{
	const struct rlimit none = {0, 0}, few = {CAGE_NOFILE, CAGE_NOFILE};

	if (setrlimit(RLIMIT_CORE, &none) != 0)
		return km_err_set_errno(err, EX_OSERR, "limit of core dumps");
	if (!cage->opens && setrlimit(RLIMIT_NOFILE, &few) != 0)
		return km_err_set_errno(err, EX_OSERR, "limit of descriptors");
	return 0;
}

int cage_lay_apart(size_t late, struct km_err *err)
{
	struct rlimit limit;
	int fd;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return km_err_set_errno(err, EX_OSERR, "limit of descriptors");
	limit.rlim_cur = CAGE_LATE_FIRST + late;
	if (limit.rlim_cur > limit.rlim_max || limit.rlim_cur > CAGE_LATE_LAST + 1)
		return km_err_set(err, EX_CONFIG,
				  "%zu descriptors are needed and the limit is %llu: raise "
				  "LimitNOFILE=, or lower connections",
				  CAGE_LATE_FIRST + late,
				  (unsigned long long)limit.rlim_max);
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		return km_err_set_errno(err, EX_OSERR, "limit of descriptors");
	do {
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return km_err_set_errno(err, EX_OSERR, "descriptors of the start");
	} while (fd < CAGE_LATE_FIRST);
	(void)close(fd);
	return 0;
}

int cage_close_files(const struct cage *cage, struct cage_report *report,
		     struct km_err *err)
{
	struct cage_kernel kernel;

	*report = (struct cage_report){.wanted = true, .permissive = cage->permissive};
#ifdef KM_CAGE_OFF
	report->off = true;
	return 0;
#endif
	cage_ask_kernel(&kernel);
	if (cage_limit(cage, err) != 0)
		return -1;
	if (kernel.landlock < CAGE_LANDLOCK_MIN) {
		if (cage->permissive)
			return 0;
		return km_err_set(err, EX_CONFIG, "%s", cage_lacking(&kernel));
	}
	if (cage_restrict(cage, kernel.landlock, err) != 0)
		return -1;
	report->files_held = true;
	report->landlock = kernel.landlock;
	report->paths = cage->n_paths;
	return 0;
}
