// SPDX-License-Identifier: ISC
#include "scan_cage.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deliver.h"
#include "rx_scan.h"

/* As libc's fork() asks for it: a process and nothing else. */
#define CLONE_AS_FORK (CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD)
/* A thread, in no namespace of its own. */
#define CLONE_LIMITS                                                                       \
	(CLONE_THREAD | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |      \
	 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

/* Takes objects from publish, starts a program on each, reads what it says, ends it. */
static const struct cage_call scan_calls[] = {
	CAGE_FD(recvmsg, RX_FD_SCAN),
	CAGE_FD(sendmsg, RX_FD_SCAN),
	CAGE_ANY(pipe2),
	CAGE_IF(clone, 0, CAGE_INT, CLONE_AS_FORK),
	CAGE_ANY(pidfd_open),
	CAGE_ANY(pidfd_send_signal),
	CAGE_ANY(wait4),
	CAGE_ANY(read),
	CAGE_ANY(tgkill), /* of a program on itself: abort(); its own list has its number */
	/* of the new process until it is the program */
	CAGE_IF(prctl, 0, CAGE_INT, PR_SET_PDEATHSIG),
	CAGE_ANY(getppid),
	CAGE_ANY(dup2),
	CAGE_ANY(dup3),
	CAGE_ANY(close_range),
	CAGE_ANY(prlimit64),
	CAGE_ANY(setrlimit),
	CAGE_ANY(seccomp),
};

/* What libc, the loader, shells and clients of a daemon do. Files are Landlock's business. */
static const struct cage_call scanner_calls[] = {
	CAGE_ANY(execve),
	CAGE_ANY(mmap),
	CAGE_ANY(mprotect),
	CAGE_ANY(arch_prctl),
	CAGE_ANY(set_tid_address),
	CAGE_ANY(sigaltstack),
	CAGE_IF(clone, 0, CLONE_LIMITS, CLONE_THREAD),
	CAGE_REFUSE(clone3, ENOSYS), /* its flags are in memory, where no filter can look */
	CAGE_IF2(prlimit64, 0, CAGE_INT, 0, 2, UINT64_MAX, 0), /* to ask */
	CAGE_ANY(getrlimit),
	CAGE_IF(prctl, 0, CAGE_INT, PR_SET_NAME),
	CAGE_ANY(getppid),
	CAGE_ANY(getuid),
	CAGE_ANY(geteuid),
	CAGE_ANY(getgid),
	CAGE_ANY(getegid),
	CAGE_ANY(getgroups),
	CAGE_ANY(getpgrp),
	CAGE_ANY(getpgid),
	CAGE_ANY(uname),
	CAGE_ANY(umask),
	CAGE_ANY(times),
	CAGE_ANY(getrusage),
	CAGE_ANY(getcwd),
	CAGE_ANY(chdir),
	CAGE_ANY(fchdir),
	CAGE_ANY(openat),
	CAGE_ANY(openat2),
	CAGE_ANY(access),
	CAGE_ANY(faccessat),
	CAGE_ANY(faccessat2),
	CAGE_ANY(stat),
	CAGE_ANY(lstat),
	CAGE_ANY(fstat),
	CAGE_ANY(newfstatat),
	CAGE_ANY(statx),
	CAGE_ANY(statfs),
	CAGE_ANY(fstatfs),
	CAGE_ANY(readlink),
	CAGE_ANY(readlinkat),
	CAGE_ANY(getdents64),
	CAGE_ANY(fadvise64),
	CAGE_ANY(lseek),
	CAGE_ANY(read),
	CAGE_ANY(readv),
	CAGE_ANY(pread64),
	CAGE_ANY(write),
	CAGE_ANY(writev),
	CAGE_ANY(fcntl),
	CAGE_IF(ioctl, 1, CAGE_INT, TCGETS),
	CAGE_IF(ioctl, 1, CAGE_INT, TIOCGWINSZ),
	CAGE_IF(ioctl, 1, CAGE_INT, FIONREAD),
	CAGE_IF(ioctl, 1, CAGE_INT, FIONBIO),
	CAGE_IF(ioctl, 1, CAGE_INT, FIOCLEX),
	CAGE_ANY(dup),
	CAGE_ANY(dup2),
	CAGE_ANY(dup3),
	CAGE_ANY(pipe),
	CAGE_ANY(pipe2),
	CAGE_ANY(select),
	CAGE_ANY(pselect6),
	CAGE_ANY(epoll_create1),
	CAGE_ANY(epoll_ctl),
	CAGE_ANY(epoll_wait),
	CAGE_ANY(epoll_pwait),
	CAGE_ANY(alarm),
	CAGE_ANY(setitimer),
	CAGE_IF(socket, 0, CAGE_INT, AF_UNIX),
	CAGE_ANY(connect),
	CAGE_ANY(sendto),
	CAGE_ANY(recvfrom),
	CAGE_ANY(sendmsg),
	CAGE_ANY(recvmsg),
	CAGE_ANY(shutdown),
	CAGE_ANY(getsockopt),
	CAGE_ANY(setsockopt),
	CAGE_ANY(getsockname),
	CAGE_ANY(getpeername),
};

/* Where libraries, the loader and the modules of interpreters are. */
static const char *const libraries[] = {"/lib",	    "/lib32",	  "/lib64",
					"/usr/lib", "/usr/lib32", "/usr/lib64"};

/* Of the system's own, what libraries look at; readable to everybody everywhere. */
static const char *const settings[] = {
	"/etc/ld.so.cache", "/etc/localtime",	    "/etc/nsswitch.conf",
	"/etc/clamav",	    "/etc/ssl/openssl.cnf",
};

static void add_program(struct cage *cage, const char *command)
{
	struct rx_scan_words words;
	char interpreter[RX_SCAN_LEN];

	if (rx_scan_split(&words, command) != 0)
		return;
	cage_add_path(cage, CAGE_RUN, "%s", words.word[0]);
	rx_scan_interpreter(words.word[0], interpreter, sizeof(interpreter));
	if (interpreter[0] == '/')
		cage_add_path(cage, CAGE_RUN, "%s", interpreter);
}

void scan_cage(struct cage *cage, const struct rx_config *config)
{
	*cage = (struct cage){
		.calls = scan_calls,
		.n_calls = KM_COUNT(scan_calls),
		.program = scanner_calls,
		.n_program = KM_COUNT(scanner_calls),
		.opens = true,
		.permissive = config->permissive,
	};
	for (size_t i = 0; i < KM_COUNT(libraries); i++)
		if (access(libraries[i], F_OK) == 0)
			cage_add_path(cage, CAGE_RUN, "%s", libraries[i]);
	for (size_t i = 0; i < KM_COUNT(settings); i++)
		if (access(settings[i], F_OK) == 0)
			cage_add_path(cage, CAGE_READ, "%s", settings[i]);
	for (unsigned i = 0; i < config->scan_paths; i++)
		cage_add_path(cage, CAGE_RUN, "%s", config->scan_path[i]);
	for (unsigned i = 0; i < config->channels; i++)
		if (config->channel[i].scan[0] != '\0')
			add_program(cage, config->channel[i].scan);
}
