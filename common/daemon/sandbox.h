// SPDX-License-Identifier: ISC
/*
 * sandbox.h: what a role gives up before it works, and the report of what holds.
 *
 * Supplementary groups, gid, uid, capabilities (effective, permitted, inheritable, ambient and
 * bounding set), no_new_privs, dumpable, death signal. The filters of system calls and of files
 * are cage.h; what holds of them is in the same report.
 * Raw system calls; no libcap. Single-threaded set-up only.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <linux/capability.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cage.h"
#include "km_err.h"

/* Bit of a capability in a keep mask: SANDBOX_CAP(CAP_NET_RAW). */
#define SANDBOX_CAP(cap) (UINT64_C(1) << (cap))

/* "uid 998 gid 998; no_new_privs; caps none; ..." */
#define SANDBOX_TEXT_MAX 640

struct sandbox_plan {
	uid_t uid;	    /* 0 = stay */
	gid_t gid;	    /* 0 = stay */
	uint64_t keep_caps; /* SANDBOX_CAP() bits that stay permitted and effective */
	uint64_t bounding;  /* what execve may give again: a supervisor's; 0 in a role */
	int death_signal;   /* sent to us when the parent dies; 0 = none */
};

struct sandbox_report {
	bool uid_wanted;  /* the plan asked for another uid or gid */
	bool uid_changed; /* and it was done */
	bool no_new_privs;
	bool not_dumpable;
	bool bounding_cut; /* bounding set is within the plan's */
	uid_t uid;
	gid_t gid;
	uint64_t caps_effective; /* read back after all steps */
	uint64_t caps_wanted;	 /* keep_caps */
	uint64_t bounding_wanted;
	const char *uid_note; /* static text: why the uid was not changed, or NULL */
	struct cage_report cage;
};

/*
 * Carries out the plan in the calling process. Without CAP_SETUID and CAP_SETGID, or where
 * the gid is not mapped in this user namespace, a uid change is skipped and reported, not an
 * error; a step that is permitted and still fails is an error (-1).
 *
 * Builds with AddressSanitizer, and unoptimised ones, stay dumpable when KM_KEEP_DUMPABLE=1
 * is in the environment (the leak checker must trace its own process); others never do.
 * The report is read back from the kernel, never assumed.
 */
KM_MUST_CHECK int sandbox_apply(const struct sandbox_plan *plan,
				struct sandbox_report *report, struct km_err *err);

/* Drops what an earlier plan kept for set-up (e.g. CAP_NET_RAW after the socket is open). */
KM_MUST_CHECK int sandbox_drop_caps(uint64_t keep, struct sandbox_report *report,
				    struct km_err *err);

/*
 * Before execve, in a process that is not root: what of `keep` we hold goes along, as ambient
 * capabilities. Root's processes get theirs by their number. Async-signal-safe; -1 with errno.
 */
KM_MUST_CHECK int sandbox_pass_caps(uint64_t keep);

/* Reads the present state into *report (plan-dependent fields stay). */
void sandbox_observe(struct sandbox_report *report);

/* One line of what holds and what does not, into buf; returns buf. */
char *sandbox_describe(const struct sandbox_report *report, char *buf, size_t len);

/* True when everything the plan wanted holds. */
bool sandbox_complete(const struct sandbox_report *report);

#endif
