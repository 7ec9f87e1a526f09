// SPDX-License-Identifier: ISC
/*
 * km-without: a kernel that lacks a wall, for one daemon and all its roles.
 *
 *   km-without landlock|seccomp PROGRAM ARGUMENT...
 *
 * Landlock's calls answer ENOSYS; or seccomp() does not know how to kill a process. By a filter
 * of system calls of its own, so the kernel must have those.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int rc = -ENOMEM;

	if (argc < 3)
		return EX_USAGE;
	if (filter && strcmp(argv[1], "landlock") == 0)
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
				      SCMP_SYS(landlock_create_ruleset), 0);
	else if (filter && strcmp(argv[1], "seccomp") == 0)
		/* SECCOMP_GET_ACTION_AVAIL */
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EOPNOTSUPP), SCMP_SYS(seccomp),
				      1, SCMP_A0_32(SCMP_CMP_EQ, 2));
	if (rc == 0)
		rc = seccomp_load(filter);
	if (rc != 0) {
		(void)fprintf(stderr, "km-without: %s: %s\n", argv[1], strerror(-rc));
		return EX_OSERR;
	}
	(void)execv(argv[2], argv + 2);
	perror(argv[2]);
	return EX_OSERR;
}
