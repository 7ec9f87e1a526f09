// SPDX-License-Identifier: ISC
/* System calls: a table of rows becomes a filter in the kernel. */
#include <errno.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cage.h"
#include "cage_kernel.h"
#include "role.h"

/* Processes and threads of the user of a role that starts programs. */
#define CAGE_PROCESSES 4096

/* Stands for the process's own number. */
#define CAGE_SELF UINT64_MAX

/*
 * What libc needs behind everybody's back: memory (none of it executable, and no new mapping
 * of a descriptor), locks, clocks also where the vDSO is off, random numbers, and the way out
 * by exit and by abort(). Replies of the supervisor.
 */
static const struct cage_call cage_base[] = {
	CAGE_ANY(brk),
	CAGE_IF2(mmap, 2, PROT_EXEC, 0, 3, MAP_ANONYMOUS, MAP_ANONYMOUS),
	CAGE_ANY(munmap),
	CAGE_ANY(mremap),
	CAGE_IF(mprotect, 2, PROT_EXEC, 0),
	CAGE_ANY(madvise),
	CAGE_ANY(futex),
	CAGE_ANY(
		set_robust_list), /* a thread of the set-up that comes into being only now */
	CAGE_ANY(rseq),
	CAGE_ANY(sched_yield),
	CAGE_ANY(sched_getaffinity),
	CAGE_ANY(getcpu),
	CAGE_ANY(sysinfo),
	CAGE_ANY(clock_gettime),
	CAGE_ANY(clock_nanosleep),
	CAGE_ANY(nanosleep),
	CAGE_ANY(gettimeofday),
	CAGE_ANY(time),
	CAGE_ANY(restart_syscall),
	CAGE_ANY(getrandom),
	CAGE_ANY(rt_sigaction),
	CAGE_ANY(rt_sigprocmask),
	CAGE_ANY(rt_sigreturn),
	CAGE_ANY(getpid),
	CAGE_ANY(gettid),
	CAGE_IF(tgkill, 0, CAGE_INT, CAGE_SELF),
	CAGE_ANY(exit),
	CAGE_ANY(exit_group),
	CAGE_ANY(close),
	CAGE_ANY(poll),
	CAGE_ANY(ppoll),
	CAGE_FD(recvmsg, ROLE_CONTROL_FD),
};

/* Of a role that writes a log. */
static const struct cage_call cage_log[] = {
	CAGE_FD(write, STDERR_FILENO),
	CAGE_FD(writev, STDERR_FILENO), /* libc's last words */
};

/* Until the supervisor says go: to say what holds, and to take the voice away. */
static const struct cage_call cage_voice[] = {
	CAGE_FD(sendmsg, ROLE_CONTROL_FD),
	CAGE_ANY(seccomp),
};

/* Nothing in this daemon has a use for these, in no role and at no time. */
static const struct cage_call cage_never[] = {
	CAGE_ANY(ptrace),
	CAGE_ANY(process_vm_readv),
	CAGE_ANY(process_vm_writev),
	CAGE_ANY(process_madvise),
	CAGE_ANY(pidfd_getfd),
	CAGE_ANY(kcmp),
	CAGE_ANY(mount),
	CAGE_ANY(umount2),
	CAGE_ANY(move_mount),
	CAGE_ANY(open_tree),
	CAGE_ANY(fsopen),
	CAGE_ANY(fsmount),
	CAGE_ANY(fsconfig),
	CAGE_ANY(fspick),
	CAGE_ANY(mount_setattr),
	CAGE_ANY(pivot_root),
	CAGE_ANY(chroot),
	CAGE_ANY(unshare),
	CAGE_ANY(setns),
	CAGE_ANY(swapon),
	CAGE_ANY(swapoff),
	CAGE_ANY(reboot),
	CAGE_ANY(kexec_load),
	CAGE_ANY(kexec_file_load),
	CAGE_ANY(init_module),
	CAGE_ANY(finit_module),
	CAGE_ANY(delete_module),
	CAGE_ANY(add_key),
	CAGE_ANY(request_key),
	CAGE_ANY(keyctl),
	CAGE_ANY(perf_event_open),
	CAGE_ANY(userfaultfd),
	CAGE_ANY(io_uring_setup),
	CAGE_ANY(io_uring_enter),
	CAGE_ANY(io_uring_register),
	CAGE_ANY(name_to_handle_at),
	CAGE_ANY(open_by_handle_at),
	CAGE_ANY(acct),
	CAGE_ANY(quotactl),
	CAGE_ANY(settimeofday),
	CAGE_ANY(clock_settime),
	CAGE_ANY(clock_adjtime),
	CAGE_ANY(adjtimex),
	CAGE_ANY(sethostname),
	CAGE_ANY(setdomainname),
	CAGE_ANY(syslog),
	CAGE_ANY(vhangup),
	CAGE_ANY(memfd_secret),
};

static const struct cage_call cage_bpf[] = {CAGE_ANY(bpf)};

static int cage_add_rows(scmp_filter_ctx filter, uint32_t action,
			 const struct cage_call *row, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct scmp_arg_cmp arg[CAGE_ARGS_MAX];
		int rc;

		for (unsigned k = 0; k < row[i].args; k++) {
			const struct cage_arg *a = &row[i].arg[k];
			const uint64_t value =
				a->value == CAGE_SELF ? (uint64_t)getpid() : a->value;

			arg[k] = SCMP_CMP64(a->number, SCMP_CMP_MASKED_EQ, a->mask,
					    value & a->mask);
		}
		rc = seccomp_rule_add_array(
			filter, row[i].refuse ? SCMP_ACT_ERRNO(row[i].refuse) : action,
			row[i].call, row[i].args, arg);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* An empty filter that covers every thread of the process. NULL: out of memory. */
static scmp_filter_ctx cage_new_filter(uint32_t otherwise)
{
	scmp_filter_ctx filter = seccomp_init(otherwise);

	if (!filter)
		return NULL;
	/* no_new_privs is set; calls of a foreign architecture are an escape, not a mistake */
	if (seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0 ||
	    seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0) < 0 ||
	    seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) < 0 ||
	    seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0) {
		seccomp_release(filter);
		return NULL;
	}
	return filter;
}

/* Loads and frees. RC: what building it gave. */
static int cage_load_filter(scmp_filter_ctx filter, int rc, struct km_err *err)
{
	if (filter && rc == 0)
		rc = seccomp_load(filter);
	if (filter)
		seccomp_release(filter);
	if (filter && rc == 0)
		return 0;
	errno = filter ? -rc : ENOMEM;
	return km_err_set_errno(err, EX_OSERR, "filter of system calls");
}

static int cage_refuse(struct km_err *err)
{
	const struct cage_kernel none = {0};

	return km_err_set(err, EX_CONFIG, "%s", cage_lacking(&none));
}

int cage_close_calls(const struct cage *cage, struct cage_report *report,
		     struct km_err *err)
{
	/* every thread is there by now; root's number is not bound by it */
	const struct rlimit processes = {cage->program ? CAGE_PROCESSES : 0,
					 cage->program ? CAGE_PROCESSES : 0};
	scmp_filter_ctx filter;
	int rc = 0;

#ifdef KM_CAGE_OFF
	return 0;
#endif
	if (!cage_kernel_filters())
		return cage->permissive ? 0 : cage_refuse(err);
	filter = cage_new_filter(SCMP_ACT_KILL_PROCESS);
	report->rows = KM_COUNT(cage_base) + cage->n_calls + cage->n_own + cage->n_program +
		       (cage->silent ? 0 : KM_COUNT(cage_log));
	if (filter)
		rc = cage_add_rows(filter, SCMP_ACT_ALLOW, cage_base, KM_COUNT(cage_base));
	if (filter && rc == 0 && !cage->silent)
		rc = cage_add_rows(filter, SCMP_ACT_ALLOW, cage_log, KM_COUNT(cage_log));
	if (filter && rc == 0)
		rc = cage_add_rows(filter, SCMP_ACT_ALLOW, cage_voice,
				   KM_COUNT(cage_voice));
	if (filter && rc == 0)
		rc = cage_add_rows(filter, SCMP_ACT_ALLOW, cage->calls, cage->n_calls);
	if (filter && rc == 0)
		rc = cage_add_rows(filter, SCMP_ACT_ALLOW, cage->own, cage->n_own);
	if (filter && rc == 0 && cage->program)
		rc = cage_add_rows(filter, SCMP_ACT_ALLOW, cage->program, cage->n_program);
	if (setrlimit(RLIMIT_NPROC, &processes) != 0)
		rc = -errno;
	if (cage_load_filter(filter, rc, err) != 0)
		return -1;
	report->calls_held = true;
	return 0;
}

int cage_close_voice(const struct cage *cage, const struct cage_report *report,
		     struct km_err *err)
{
	scmp_filter_ctx filter;
	int rc = 0;

	/* a filter that is still to be put on a program would be taken away too, and a program
	 * may have a socket of that number */
	if (cage->hands_over || cage->program || !report->calls_held)
		return 0;
	filter = cage_new_filter(SCMP_ACT_ALLOW);
	if (filter)
		rc = cage_add_rows(filter, SCMP_ACT_KILL_PROCESS, cage_voice,
				   KM_COUNT(cage_voice));
	return cage_load_filter(filter, rc, err);
}

int cage_close_program(const struct cage *cage, struct km_err *err)
{
	scmp_filter_ctx filter;
	int rc = 0;

#ifdef KM_CAGE_OFF
	return 0;
#endif
	if (!cage_kernel_filters())
		return cage->permissive ? 0 : cage_refuse(err);
	filter = cage_new_filter(SCMP_ACT_KILL_PROCESS);
	if (filter)
		rc = cage_add_rows(filter, SCMP_ACT_ALLOW, cage_base, KM_COUNT(cage_base));
	if (filter && rc == 0)
		rc = cage_add_rows(filter, SCMP_ACT_ALLOW, cage->program, cage->n_program);
	return cage_load_filter(filter, rc, err);
}

int cage_close_supervisor(bool bpf, bool permissive, struct cage_report *report,
			  struct km_err *err)
{
	scmp_filter_ctx filter;
	int rc = 0;

	*report = (struct cage_report){.permissive = permissive};
#ifdef KM_CAGE_OFF
	return 0;
#endif
	if (!cage_kernel_filters())
		return permissive ? 0 : cage_refuse(err);
	filter = cage_new_filter(SCMP_ACT_ALLOW);
	if (filter)
		rc = cage_add_rows(filter, SCMP_ACT_KILL_PROCESS, cage_never,
				   KM_COUNT(cage_never));
	if (filter && rc == 0 && !bpf)
		rc = cage_add_rows(filter, SCMP_ACT_KILL_PROCESS, cage_bpf,
				   KM_COUNT(cage_bpf));
	if (cage_load_filter(filter, rc, err) != 0)
		return -1;
	report->rows = KM_COUNT(cage_never) + (bpf ? 0 : KM_COUNT(cage_bpf));
	return 0;
}
