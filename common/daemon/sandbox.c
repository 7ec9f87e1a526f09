// SPDX-License-Identifier: ISC
#include "sandbox.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const sandbox_cap_names[] = {
	"chown",
	"dac_override",
	"dac_read_search",
	"fowner",
	"fsetid",
	"kill",
	"setgid",
	"setuid",
	"setpcap",
	"linux_immutable",
	"net_bind_service",
	"net_broadcast",
	"net_admin",
	"net_raw",
	"ipc_lock",
	"ipc_owner",
	"sys_module",
	"sys_rawio",
	"sys_chroot",
	"sys_ptrace",
	"sys_pacct",
	"sys_admin",
	"sys_boot",
	"sys_nice",
	"sys_resource",
	"sys_time",
	"sys_tty_config",
	"mknod",
	"lease",
	"audit_write",
	"audit_control",
	"setfcap",
	"mac_override",
	"mac_admin",
	"syslog",
	"wake_alarm",
	"block_suspend",
	"audit_read",
	"perfmon",
	"bpf",
	"checkpoint_restore",
};

static int sandbox_caps_get(uint64_t *effective, uint64_t *permitted)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	memset(data, 0, sizeof(data));
	if (syscall(SYS_capget, &head, data) != 0)
		return -1;
	*effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	*permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	return 0;
}

static int sandbox_caps_set(uint64_t keep)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	memset(data, 0, sizeof(data));
	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(keep >> (32 * i));
		data[i].permitted = data[i].effective;
	}
	return (int)syscall(SYS_capset, &head, data);
}

/* Leaves only `keep` in the bounding set; true when that holds afterwards. */
static bool sandbox_cut_bounding(uint64_t keep, bool try)
{
	bool cut = true;

	for (int cap = 0; cap < 64; cap++) {
		int there = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (there < 0)
			break; /* beyond the kernel's last capability */
		if (there == 0 || (keep & SANDBOX_CAP(cap)))
			continue;
		if (!try || prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
			cut = false;
	}
	return cut;
}

static int sandbox_change_uid(const struct sandbox_plan *plan,
			      struct sandbox_report *report, uint64_t effective,
			      struct km_err *err)
{
	const uint64_t need = SANDBOX_CAP(CAP_SETUID) | SANDBOX_CAP(CAP_SETGID);

	if ((effective & need) != need) {
		report->uid_note = "not root";
		return 0;
	}
	if (plan->gid && setresgid(plan->gid, plan->gid, plan->gid) != 0) {
		if (errno == EINVAL) {
			report->uid_note = "gid not mapped in this user namespace";
			return 0;
		}
		return km_err_set_errno(err, EX_NOPERM, "setresgid %u", plan->gid);
	}
	if (setgroups(0, NULL) != 0)
		return km_err_set_errno(err, EX_NOPERM, "setgroups");
	if (plan->keep_caps && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
		return km_err_set_errno(err, EX_OSERR, "keep capabilities");
	if (plan->uid && setresuid(plan->uid, plan->uid, plan->uid) != 0)
		return km_err_set_errno(err, EX_NOPERM, "setresuid %u", plan->uid);
	(void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	report->uid_changed = true;
	return 0;
}

/* True in builds whose leak checker must trace the process, when asked for. */
static bool sandbox_keep_dumpable(void)
{
#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
	const char *keep = getenv("KM_KEEP_DUMPABLE");

	return keep && strcmp(keep, "1") == 0;
#else
	return false;
#endif
}

int sandbox_drop_caps(uint64_t keep, struct sandbox_report *report, struct km_err *err)
{
	uint64_t effective, permitted;

	if (sandbox_caps_get(&effective, &permitted) != 0)
		return km_err_set_errno(err, EX_OSERR, "capget");
	(void)sandbox_cut_bounding(report->bounding_wanted,
				   effective & SANDBOX_CAP(CAP_SETPCAP));
	/* kernels before 4.3 have no ambient set, so nothing to clear */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 &&
	    errno != EINVAL)
		return km_err_set_errno(err, EX_OSERR, "clear ambient capabilities");
	if (sandbox_caps_set(keep & permitted) != 0)
		return km_err_set_errno(err, EX_OSERR, "capset");
	report->caps_wanted = keep;
	sandbox_observe(report);
	return 0;
}

int sandbox_pass_caps(uint64_t keep)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (keep == 0 || geteuid() == 0)
		return 0;
	memset(data, 0, sizeof(data));
	if (syscall(SYS_capget, &head, data) != 0)
		return -1;
	/* only what is permitted and inheritable can become ambient */
	for (int i = 0; i < 2; i++)
		data[i].inheritable = data[i].permitted & (uint32_t)(keep >> (32 * i));
	if (syscall(SYS_capset, &head, data) != 0)
		return -1;
	for (unsigned long cap = 0; cap < 64; cap++)
		if ((data[cap / 32].inheritable >> (cap % 32) & 1) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) != 0)
			return -1;
	return 0;
}

int sandbox_apply(const struct sandbox_plan *plan, struct sandbox_report *report,
		  struct km_err *err)
{
	uint64_t effective, permitted;

	memset(report, 0, sizeof(*report));
	report->bounding_wanted = plan->bounding;
	if (sandbox_caps_get(&effective, &permitted) != 0)
		return km_err_set_errno(err, EX_OSERR, "capget");
	/* the bounding set needs CAP_SETPCAP, which leaves with the uid */
	(void)sandbox_cut_bounding(plan->bounding, effective & SANDBOX_CAP(CAP_SETPCAP));
	/* started as that user, there is nothing to change */
	report->uid_wanted = (plan->uid != 0 && plan->uid != getuid()) ||
			     (plan->gid != 0 && plan->gid != getgid());
	if (report->uid_wanted && sandbox_change_uid(plan, report, effective, err) != 0)
		return -1;
	if (sandbox_drop_caps(plan->keep_caps, report, err) != 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return km_err_set_errno(err, EX_OSERR, "no_new_privs");
	/* both of these are reset by a change of uid, hence last */
	if (!sandbox_keep_dumpable() && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return km_err_set_errno(err, EX_OSERR, "not dumpable");
	if (plan->death_signal && prctl(PR_SET_PDEATHSIG, plan->death_signal, 0, 0, 0) != 0)
		return km_err_set_errno(err, EX_OSERR, "death signal");
	sandbox_observe(report);
	return 0;
}

void sandbox_observe(struct sandbox_report *report)
{
	uint64_t effective = ~UINT64_C(0), permitted = ~UINT64_C(0);

	(void)sandbox_caps_get(&effective, &permitted);
	/* what is permitted can be made effective at will, so it counts */
	report->caps_effective = effective | permitted;
	report->uid = geteuid();
	report->gid = getegid();
	report->no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
	report->not_dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0;
	report->bounding_cut = sandbox_cut_bounding(report->bounding_wanted, false);
}

/* Appends text; used never passes len. */
static KM_PRINTF(4, 5) void sandbox_say(char *buf, size_t len, size_t *used,
					const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(buf + *used, len - *used, fmt, args);
	va_end(args);
	if (n > 0)
		*used += (size_t)n < len - *used ? (size_t)n : len - *used - 1;
}

char *sandbox_describe(const struct sandbox_report *report, char *buf, size_t len)
{
	const char *comma = " ";
	char cage[160];
	size_t used = 0;

	if (len == 0)
		return buf;
	buf[0] = '\0';
	sandbox_say(buf, len, &used, "uid %u gid %u", report->uid, report->gid);
	if (report->uid_wanted && !report->uid_changed)
		sandbox_say(buf, len, &used, " (uid unchanged: %s)",
			    report->uid_note ? report->uid_note : "refused");
	sandbox_say(buf, len, &used, "; caps");
	for (unsigned int cap = 0; cap < KM_COUNT(sandbox_cap_names); cap++) {
		if (!(report->caps_effective & SANDBOX_CAP(cap)))
			continue;
		sandbox_say(buf, len, &used, "%s%s", comma, sandbox_cap_names[cap]);
		comma = ",";
	}
	if (report->caps_effective == 0)
		sandbox_say(buf, len, &used, " none");
	sandbox_say(buf, len, &used, "; bounding set %s",
		    report->bounding_cut ? "cut" : "whole");
	sandbox_say(buf, len, &used, "; %s",
		    report->no_new_privs ? "no_new_privs" : "new privileges POSSIBLE");
	sandbox_say(buf, len, &used, "; %s",
		    report->not_dumpable ? "not dumpable" : "DUMPABLE");
	if (report->cage.wanted)
		sandbox_say(buf, len, &used, "; %s",
			    cage_describe(&report->cage, cage, sizeof(cage)));
	else if (report->cage.rows > 0)
		sandbox_say(buf, len, &used, "; calls %zu kill", report->cage.rows);
	return buf;
}

bool sandbox_complete(const struct sandbox_report *report)
{
	if (report->uid_wanted && !report->uid_changed)
		return false;
	if (!report->no_new_privs || !report->not_dumpable || !cage_complete(&report->cage))
		return false;
	/* without any capability and without new ones the bounding set bounds nothing */
	if (!report->bounding_cut && report->caps_effective != 0)
		return false;
	return (report->caps_effective & ~report->caps_wanted) == 0;
}
