// SPDX-License-Identifier: ISC
/*
 * What a role that was broken into could do to the memory that it shares, by the descriptors that
 * it holds: as root's number without root's capabilities, when no `user` is configured.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox.h"
#include "shm.h"

TestSuite(attack_memory, .timeout = 60);

/* Every way to get a descriptor that writes; the exit code is the number of the one that works. */
static _Noreturn void try_all(int ro)
{
	struct sandbox_report report = {0};
	struct km_err err = KM_ERR_INIT;
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", ro);
	if (sandbox_drop_caps(0, &report, &err) != 0)
		_exit(99);
	if (open(path, O_RDWR | O_CLOEXEC) >= 0 || errno != EACCES)
		_exit(1);
	if (open(path, O_WRONLY | O_CLOEXEC) >= 0 || errno != EACCES)
		_exit(2);
	if (fchmod(ro, 0666) == 0)
		_exit(3);
	if (fchmodat(AT_FDCWD, path, 0666, 0) == 0)
		_exit(4);
	if (fchown(ro, geteuid(), getegid()) == 0)
		_exit(5);
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0) != MAP_FAILED)
		_exit(6);
	if (pwrite(ro, "x", 1, 0) == 1)
		_exit(7);
	if (ftruncate(ro, 0) == 0)
		_exit(8);
	if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, ro, 0) == MAP_FAILED)
		_exit(9);
	_exit(0);
}

Test(attack_memory, read_only_stays_so)
{
	struct km_err err = KM_ERR_INIT;
	int fd, ro, probe, status = -1;
	pid_t pid;

	if (geteuid() != 0)
		cr_skip_test("only root gives memory away");
	fd = shm_create("attack", 4096, &err);
	cr_assert_geq(fd, 0, "%s", err.text);
	ro = shm_reopen_ro(fd, &err);
	cr_assert_geq(ro, 0, "%s", err.text);
	probe = memfd_create("probe", MFD_CLOEXEC);
	if (fchown(probe, SHM_NOBODY, SHM_NOBODY) != 0) {
		fprintf(stderr,
			"skipped: a user namespace that has no number for nobody\n");
		cr_skip_test("cannot be given away");
	}
	(void)close(fd);
	pid = fork();
	if (pid == 0)
		try_all(ro);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "way %d is open",
		  WEXITSTATUS(status));
}
