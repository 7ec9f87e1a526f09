// SPDX-License-Identifier: ISC
#include "attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TRY(name_, call_)                                                                  \
	static int try_##name_(const struct target *t)                                     \
	{                                                                                  \
		(void)t;                                                                   \
		return (call_) < 0 ? errno : 0;                                            \
	}

static char byte[64];
static struct iovec vec = {byte, sizeof(byte)};
static struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};
static struct mmsghdr messages;
static char *const nothing[] = {NULL};
static char path[256];

/* "/proc/PID/WHAT" or "/proc/self/WHAT" with a number: snprintf() may allocate. */
static const char *number_path(const char *head, int number, const char *tail)
{
	char digits[12];
	size_t n = 0, at = strlen(head);

	memcpy(path, head, at);
	do {
		digits[n++] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	while (n > 0)
		path[at++] = digits[--n];
	memcpy(path + at, tail, strlen(tail) + 1);
	return path;
}

/* In the directory that is the role's no more than anybody's. */
static const char *place_path(const struct target *t, const char *name)
{
	const size_t n = strlen(t->place);

	memcpy(path, t->place, n);
	memcpy(path + n, name, strlen(name) + 1);
	return path;
}

/* What is the role's own, if it has anything, goes where it has no business. */
static long rename_out(const struct target *t)
{
	static char from[sizeof(path)];

	if (t->spool_dir >= 0)
		return syscall(SYS_renameat, t->spool_dir, "mine", AT_FDCWD,
			       place_path(t, "/out"));
	memcpy(from, place_path(t, "/file"), sizeof(from));
	return syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, place_path(t, "/out"));
}

static const char *neighbour(const struct target *t)
{
	return t->neighbour ? t->neighbour : place_path(t, "/file");
}

/* A file of ours, such as an older one of the neighbour's, in place of what it keeps. */
static long replace_neighbour(const struct target *t)
{
	static char from[sizeof(path)];

	if (t->spool_dir >= 0)
		return syscall(SYS_renameat, t->spool_dir, "mine", AT_FDCWD, neighbour(t));
	memcpy(from, place_path(t, "/file"), sizeof(from));
	return syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, neighbour(t));
}

/* ---- files ---- */

TRY(open_read, syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY))
TRY(open_make,
    syscall(SYS_openat, AT_FDCWD, place_path(t, "/out"), O_WRONLY | O_CREAT, 0600))
TRY(open_list, syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY | O_DIRECTORY))
TRY(open_self_memory, syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR))
TRY(open_program, syscall(SYS_openat, AT_FDCWD, "/proc/self/exe", O_RDONLY))
TRY(open_other_memory,
    syscall(SYS_openat, AT_FDCWD, number_path("/proc/", t->parent, "/mem"), O_RDWR))
TRY(open_other_descriptor,
    syscall(SYS_openat, AT_FDCWD, number_path("/proc/", t->parent, "/fd/0"), O_RDWR))
TRY(open_again_writable,
    syscall(SYS_openat, AT_FDCWD, number_path("/proc/self/fd/", t->read_only, ""), O_RDWR))

static int try_openat2(const struct target *t)
{
	const uint64_t how[3] = {O_RDONLY, 0, 0};

	(void)t;
	return syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how, sizeof(how)) < 0 ? errno
										   : 0;
}

TRY(open_neighbour, syscall(SYS_openat, AT_FDCWD, neighbour(t), O_RDWR))
TRY(replace_neighbour, replace_neighbour(t))
TRY(remove_neighbour, syscall(SYS_unlinkat, AT_FDCWD, neighbour(t), 0))
TRY(rename_out, rename_out(t))
TRY(make_directory, syscall(SYS_mkdirat, AT_FDCWD, place_path(t, "/out"), 0700))
TRY(remove_file, syscall(SYS_unlinkat, AT_FDCWD, place_path(t, "/file"), 0))

#ifdef SYS_open
TRY(old_open, syscall(SYS_open, "/etc/passwd", O_RDONLY))
#endif
TRY(link_symbolic, syscall(SYS_symlinkat, "/etc/passwd", AT_FDCWD, place_path(t, "/out")))
TRY(make_device, syscall(SYS_mknodat, AT_FDCWD, place_path(t, "/out"), S_IFIFO | 0600, 0))
TRY(truncate, syscall(SYS_truncate, "/etc/passwd", 0))
TRY(chown, syscall(SYS_fchownat, AT_FDCWD, "/etc/passwd", 0, 0, 0))
TRY(set_attribute, syscall(SYS_setxattr, "/etc/passwd", "user.x", "y", 1, 0))
TRY(handle, syscall(SYS_open_by_handle_at, AT_FDCWD, byte, O_RDONLY))
TRY(handle_name, syscall(SYS_name_to_handle_at, AT_FDCWD, "/", byte, byte, 0))
TRY(watch_mounts, syscall(SYS_fanotify_init, 0, 0))

/* ---- network ---- */

TRY(socket_inet, syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0))
TRY(socket_inet6, syscall(SYS_socket, AF_INET6, SOCK_STREAM, 0))
TRY(socket_unix, syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0))
TRY(socket_packet, syscall(SYS_socket, AF_PACKET, SOCK_RAW, 0))
TRY(socket_netlink, syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0))
TRY(socket_vsock, syscall(SYS_socket, AF_VSOCK, SOCK_STREAM, 0))
TRY(socket_alg, syscall(SYS_socket, AF_ALG, SOCK_SEQPACKET, 0))
TRY(socket_xdp, syscall(SYS_socket, 44, SOCK_RAW, 0))
TRY(socket_pair, syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, byte))
TRY(connect, syscall(SYS_connect, 3, byte, sizeof(struct sockaddr_in)))
TRY(bind, syscall(SYS_bind, 3, byte, sizeof(struct sockaddr_in)))
TRY(listen, syscall(SYS_listen, 3, 1))
TRY(accept, syscall(SYS_accept4, 3, NULL, NULL, 0))
TRY(shutdown, syscall(SYS_shutdown, 3, SHUT_RD))
TRY(speak, syscall(SYS_sendmsg, 3, &message, 0)) /* to the supervisor, after its go */
TRY(speak_to, syscall(SYS_sendto, 3, byte, 1, 0, NULL, 0))

/* ---- the link ---- */

TRY(link_write, syscall(SYS_write, t->link, byte, sizeof(byte)))
TRY(link_writev, syscall(SYS_writev, t->link, &vec, 1))
TRY(link_pwritev, syscall(SYS_pwritev, t->link, &vec, 1, 0, 0))
TRY(link_sendto, syscall(SYS_sendto, t->link, byte, sizeof(byte), 0, NULL, 0))
TRY(link_sendmsg, syscall(SYS_sendmsg, t->link, &message, 0))
TRY(link_sendmmsg, syscall(SYS_sendmmsg, t->link, &messages, 1, 0))
TRY(link_read, syscall(SYS_read, t->link, byte, sizeof(byte)))
TRY(link_recvfrom, syscall(SYS_recvfrom, t->link, byte, 1, MSG_DONTWAIT, NULL, NULL))
TRY(link_recvmsg, syscall(SYS_recvmsg, t->link, &message, MSG_DONTWAIT))
TRY(link_recvmmsg, syscall(SYS_recvmmsg, t->link, &messages, 1, MSG_DONTWAIT, NULL))
TRY(link_option, syscall(SYS_setsockopt, t->link, SOL_SOCKET, SO_DETACH_FILTER, byte, 4))
TRY(link_rebind, syscall(SYS_bind, t->link, byte, sizeof(struct sockaddr_ll)))
TRY(link_flags, syscall(SYS_ioctl, t->link, SIOCSIFFLAGS, byte))
TRY(link_map, syscall(SYS_mmap, NULL, 4096, PROT_READ, MAP_SHARED, t->link, 0))
TRY(link_copy, syscall(SYS_dup2, t->link, 2))
TRY(link_copy_high, syscall(SYS_dup3, t->link, 2, 0))

/* ---- the log, and data from one descriptor to another ---- */

TRY(write_log, syscall(SYS_write, 2, byte, 0))
TRY(splice, syscall(SYS_splice, 3, NULL, 2, NULL, 1, 0))
TRY(tee, syscall(SYS_tee, 3, 2, 1, 0))
TRY(vmsplice, syscall(SYS_vmsplice, 3, &vec, 1, 0))
TRY(sendfile, syscall(SYS_sendfile, 2, 3, NULL, 1))
TRY(copy_range, syscall(SYS_copy_file_range, 3, NULL, 2, NULL, 1, 0))
TRY(ring_setup, syscall(SYS_io_uring_setup, 1, byte))
TRY(ring_enter, syscall(SYS_io_uring_enter, 3, 1, 0, 0, NULL, 0))
TRY(aio_setup, syscall(SYS_io_setup, 1, byte))

/* ---- other processes ---- */

TRY(trace, syscall(SYS_ptrace, PTRACE_SEIZE, t->parent, 0, 0))
TRY(trace_me, syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0))
TRY(read_other, syscall(SYS_process_vm_readv, t->parent, &vec, 1, &vec, 1, 0))
TRY(write_other, syscall(SYS_process_vm_writev, t->parent, &vec, 1, &vec, 1, 0))
TRY(kill_other, syscall(SYS_kill, t->parent, 0))
TRY(kill_all, syscall(SYS_kill, -1, 0))
TRY(kill_thread, syscall(SYS_tgkill, t->parent, t->parent, 0))
TRY(kill_task, syscall(SYS_tkill, t->parent, 0))
TRY(queue_signal, syscall(SYS_rt_sigqueueinfo, t->parent, 0, byte))
TRY(process_descriptor, syscall(SYS_pidfd_open, t->parent, 0))
TRY(steal_descriptor, syscall(SYS_pidfd_getfd, 3, 0, 0))
TRY(signal_descriptor, syscall(SYS_pidfd_send_signal, 3, 0, NULL, 0))
TRY(compare_other, syscall(SYS_kcmp, t->parent, getpid(), 0, 0, 0))
TRY(limit_other, syscall(SYS_prlimit64, t->parent, RLIMIT_NOFILE, NULL, byte))
TRY(limit_self, syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, byte, NULL))
TRY(schedule, syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, byte))
TRY(nice, syscall(SYS_setpriority, PRIO_PROCESS, 0, 5))

/* ---- new programs, new processes, new code ---- */

TRY(execve, syscall(SYS_execve, "/bin/true", nothing, nothing))
TRY(run_other, syscall(SYS_execve, "/bin/true", nothing, nothing))
TRY(execveat, syscall(SYS_execveat, t->memory, "", nothing, nothing, AT_EMPTY_PATH))
TRY(memfd, syscall(SYS_memfd_create, "x", 0))
TRY(memfd_secret, syscall(447, 0))
#ifdef SYS_fork
TRY(fork, syscall(SYS_fork))

#endif
TRY(clone, syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0))
TRY(clone3, syscall(SYS_clone3, byte, sizeof(byte)))
TRY(map_program, syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
TRY(map_memory, syscall(SYS_mmap, NULL, 4096, PROT_READ, MAP_SHARED, t->read_only, 0))
TRY(protect,
    syscall(SYS_mprotect, (uintptr_t)byte & ~(uintptr_t)4095, 4096, PROT_READ | PROT_EXEC))
TRY(protect_key,
    syscall(SYS_pkey_mprotect, (uintptr_t)byte & ~(uintptr_t)4095, 4096, PROT_READ, -1))
TRY(shared_memory, syscall(SYS_shmget, 4711, 4096, 0600 | 01000))
TRY(queue, syscall(SYS_msgget, 4711, 0600 | 01000))
TRY(semaphores, syscall(SYS_semget, 4711, 1, 0600 | 01000))
TRY(posix_queue, syscall(SYS_mq_open, "x", O_CREAT | O_RDWR, 0600, NULL))
TRY(event_poll, syscall(SYS_epoll_create1, 0))
TRY(pipe, syscall(SYS_pipe2, byte, 0))

/* ---- the kernel ---- */

TRY(mount, syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL))
TRY(unmount, syscall(SYS_umount2, "/proc", 2))
TRY(new_mount, syscall(SYS_fsopen, "tmpfs", 0))
TRY(move_mount, syscall(SYS_move_mount, 3, "", AT_FDCWD, "/", 0))
TRY(open_tree, syscall(SYS_open_tree, AT_FDCWD, "/", 0))
TRY(pivot_root, syscall(SYS_pivot_root, "/", "/"))
TRY(chroot, syscall(SYS_chroot, "/"))
TRY(chdir, syscall(SYS_chdir, "/"))
TRY(unshare, syscall(SYS_unshare, CLONE_NEWUSER))
TRY(setns, syscall(SYS_setns, 3, 0))
TRY(bpf, syscall(SYS_bpf, BPF_MAP_CREATE, byte, sizeof(byte)))
TRY(perf, syscall(SYS_perf_event_open, byte, 0, -1, -1, 0))
TRY(keyring, syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1))
TRY(add_key, syscall(SYS_add_key, "user", "x", "y", 1, KEY_SPEC_PROCESS_KEYRING))
TRY(request_key, syscall(SYS_request_key, "user", "x", NULL, 0))
TRY(faults, syscall(SYS_userfaultfd, 1))
TRY(module, syscall(SYS_finit_module, 3, "", 0))
TRY(kexec, syscall(SYS_kexec_load, 0, 0, NULL, 0))
TRY(reboot, syscall(SYS_reboot, 0, 0, 0, NULL))
TRY(swap, syscall(SYS_swapon, "/etc/passwd", 0))
TRY(set_clock, syscall(SYS_clock_settime, CLOCK_REALTIME, byte))
TRY(set_name, syscall(SYS_sethostname, "x", 1))
TRY(account, syscall(SYS_acct, "/etc/passwd"))
TRY(kernel_log, syscall(SYS_syslog, 3, byte, 1))
TRY(personality, syscall(SYS_personality, 0x0400000))

/* ---- taking back what was given up ---- */

TRY(setuid, syscall(SYS_setuid, 0))
TRY(setresuid, syscall(SYS_setresuid, 0, 0, 0))
TRY(setgid, syscall(SYS_setgid, 0))
TRY(setgroups, syscall(SYS_setgroups, 1, byte))
TRY(capset, syscall(SYS_capset, byte, byte + 16))
TRY(dumpable, syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0))
TRY(tracer, syscall(SYS_prctl, PR_SET_PTRACER, -1, 0, 0, 0))
TRY(outlive, syscall(SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0))
TRY(ambient, syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0))
TRY(filter, syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL))

#ifdef __x86_64__
TRY(foreign_numbers, syscall(0x40000000 | SYS_getpid))

/* getpid() of the 32-bit table: another architecture in the eyes of the filter */
static int try_foreign_calls(const struct target *t)
{
	long result;

	(void)t;
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(20L)
			 : "memory", "r8", "r9", "r10", "r11");
	return result < 0 ? (int)-result : 0;
}
#endif

#define CALL(name_)                                                                        \
	{                                                                                  \
#name_, ATTEMPT_CALL, try_##name_                                          \
	}
#define FILE_(name_)                                                                       \
	{                                                                                  \
#name_, ATTEMPT_FILE, try_##name_                                          \
	}
#define LINK(name_)                                                                        \
	{                                                                                  \
#name_, ATTEMPT_LINK, try_##name_                                          \
	}

const struct attempt attempts[] = {
	FILE_(open_read),
	FILE_(open_make),
	FILE_(open_list),
	FILE_(open_self_memory),
	FILE_(open_program),
	FILE_(open_other_memory),
	FILE_(open_other_descriptor),
	FILE_(open_again_writable),
	FILE_(openat2),
	FILE_(open_neighbour),
	FILE_(replace_neighbour),
	FILE_(remove_neighbour),
	FILE_(rename_out),
	FILE_(make_directory),
	FILE_(remove_file),
#ifdef SYS_open
	CALL(old_open),
#endif
	CALL(link_symbolic),
	CALL(make_device),
	CALL(truncate),
	CALL(chown),
	CALL(set_attribute),
	CALL(handle),
	CALL(handle_name),
	CALL(watch_mounts),
	CALL(socket_inet),
	CALL(socket_inet6),
	CALL(socket_unix),
	CALL(socket_packet),
	CALL(socket_netlink),
	CALL(socket_vsock),
	CALL(socket_alg),
	CALL(socket_xdp),
	CALL(socket_pair),
	CALL(connect),
	CALL(bind),
	CALL(listen),
	CALL(accept),
	CALL(shutdown),
	CALL(speak),
	CALL(speak_to),
	LINK(link_write),
	LINK(link_writev),
	LINK(link_pwritev),
	LINK(link_sendto),
	LINK(link_sendmsg),
	LINK(link_sendmmsg),
	LINK(link_read),
	LINK(link_recvfrom),
	LINK(link_recvmsg),
	LINK(link_recvmmsg),
	LINK(link_option),
	LINK(link_rebind),
	LINK(link_flags),
	LINK(link_map),
	LINK(link_copy),
	LINK(link_copy_high),
	CALL(write_log),
	CALL(splice),
	CALL(tee),
	CALL(vmsplice),
	CALL(sendfile),
	CALL(copy_range),
	CALL(ring_setup),
	CALL(ring_enter),
	CALL(aio_setup),
	CALL(trace),
	CALL(trace_me),
	CALL(read_other),
	CALL(write_other),
	CALL(kill_other),
	CALL(kill_all),
	CALL(kill_thread),
	CALL(kill_task),
	CALL(queue_signal),
	CALL(process_descriptor),
	CALL(steal_descriptor),
	CALL(signal_descriptor),
	CALL(compare_other),
	CALL(limit_other),
	CALL(limit_self),
	CALL(schedule),
	CALL(nice),
	CALL(execve),
	FILE_(run_other), /* where a role may start one program, it is no other */
	CALL(execveat),
	CALL(memfd),
	CALL(memfd_secret),
#ifdef SYS_fork
	CALL(fork),

#endif
	CALL(clone),
	CALL(clone3),
	CALL(map_program),
	CALL(map_memory),
	CALL(protect),
	CALL(protect_key),
	CALL(shared_memory),
	CALL(queue),
	CALL(semaphores),
	CALL(posix_queue),
	CALL(event_poll),
	CALL(pipe),
	CALL(mount),
	CALL(unmount),
	CALL(new_mount),
	CALL(move_mount),
	CALL(open_tree),
	CALL(pivot_root),
	CALL(chroot),
	CALL(chdir),
	CALL(unshare),
	CALL(setns),
	CALL(bpf),
	CALL(perf),
	CALL(keyring),
	CALL(add_key),
	CALL(request_key),
	CALL(faults),
	CALL(module),
	CALL(kexec),
	CALL(reboot),
	CALL(swap),
	CALL(set_clock),
	CALL(set_name),
	CALL(account),
	CALL(kernel_log),
	CALL(personality),
	CALL(setuid),
	CALL(setresuid),
	CALL(setgid),
	CALL(setgroups),
	CALL(capset),
	CALL(dumpable),
	CALL(tracer),
	CALL(outlive),
	CALL(ambient),
	CALL(filter),
#ifdef __x86_64__
	CALL(foreign_numbers),
	CALL(foreign_calls),
#endif
};

const size_t attempt_count = sizeof(attempts) / sizeof(attempts[0]);
