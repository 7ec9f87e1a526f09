// SPDX-License-Identifier: ISC
/*
 * cage.h: the walls that the kernel puts around one role, from a table that stands beside the
 * role: which system calls it may make, with which arguments (seccomp, by libseccomp; any
 * other call kills the process), and which files it may open (Landlock). What a process gives
 * up by itself (user, capabilities, ...) is sandbox.h.
 *
 * Order in a role: cage_close_files() before its first thread and before it opens what it
 * works on; cage_close_calls() when it is ready; cage_close_voice() when the supervisor has
 * said go. role.h calls all three. Nothing of it can be undone.
 *
 * Builds with sanitizers have no cage (their runtime opens files and starts threads at any
 * time): KM_CAGE_OFF, set by meson.build and by nothing else. The report then says so.
 */
#ifndef CAGE_H
#define CAGE_H

#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "km_err.h"

#define CAGE_ARGS_MAX 2
#define CAGE_OWN_MAX 40
#define CAGE_PATHS_MAX 168

/* Rename between directories came with it (Linux 5.19); without, no file could be published. */
#define CAGE_LANDLOCK_MIN 2

/* A call is allowed when (argument & mask) == value for each argument listed. */
struct cage_arg {
	uint8_t number;
	uint64_t mask, value;
};

/* Rows of the same call are alternatives. */
struct cage_call {
	int call;	 /* SCMP_SYS(name) */
	uint16_t refuse; /* errno instead of death, for what a library tries and can miss */
	uint8_t args;
	struct cage_arg arg[CAGE_ARGS_MAX];
};

/* The kernel reads descriptors, flags and most else as 32 bits: no other bit counts. */
#define CAGE_INT UINT64_C(0xffffffff)

#define CAGE_ANY(name_)                                                                    \
	{                                                                                  \
		.call = SCMP_SYS(name_)                                                    \
	}
#define CAGE_REFUSE(name_, errno_)                                                         \
	{                                                                                  \
		.call = SCMP_SYS(name_), .refuse = (errno_)                                \
	}
#define CAGE_IF(name_, number_, mask_, value_)                                             \
	{                                                                                  \
		.call = SCMP_SYS(name_), .args = 1,                                        \
		.arg = { {(number_), (mask_), (uint64_t)(value_)} }                        \
	}
#define CAGE_IF2(name_, number_, mask_, value_, number2_, mask2_, value2_)                 \
	{                                                                                  \
		.call = SCMP_SYS(name_), .args = 2,                                        \
		.arg = { {(number_), (mask_), (uint64_t)(value_)},                         \
			 {(number2_), (mask2_), (uint64_t)(value2_)} }                     \
	}
/* Only on that descriptor. */
#define CAGE_FD(name_, fd_) CAGE_IF(name_, 0, CAGE_INT, fd_)

/* On descriptors that a role got after its start: cage_lay_apart(). Six rows. */
#define CAGE_LATE(name_)                                                                   \
	CAGE_IF(name_, 0, 64, 64), CAGE_IF(name_, 0, 128, 128),                            \
		CAGE_IF(name_, 0, 256, 256), CAGE_IF(name_, 0, 512, 512),                  \
		CAGE_IF(name_, 0, 1024, 1024), CAGE_IF(name_, 0, 2048, 2048)
/* The same, and only when another argument is so too. */
#define CAGE_LATE_IF(name_, number_, mask_, value_)                                        \
	CAGE_IF2(name_, 0, 64, 64, number_, mask_, value_),                                \
		CAGE_IF2(name_, 0, 128, 128, number_, mask_, value_),                      \
		CAGE_IF2(name_, 0, 256, 256, number_, mask_, value_),                      \
		CAGE_IF2(name_, 0, 512, 512, number_, mask_, value_),                      \
		CAGE_IF2(name_, 0, 1024, 1024, number_, mask_, value_),                    \
		CAGE_IF2(name_, 0, 2048, 2048, number_, mask_, value_)
#define CAGE_LATE_FIRST 64
#define CAGE_LATE_LAST 4095

enum cage_right {
	CAGE_READ, /* one file, to be read */
	CAGE_LIST, /* directories beneath one, to be listed and walked */
	CAGE_TREE, /* everything beneath a directory, but devices, sockets and programs */
	CAGE_RUN,  /* a program, or all that is beneath a directory: to be read and run */
};

#define CAGE_PATH_LEN 600

struct cage_path {
	char path[CAGE_PATH_LEN];
	enum cage_right right;
};

/* One role's cage: a static table, and what only the running role knows. */
struct cage {
	const struct cage_call *calls; /* beside those that every process needs */
	size_t n_calls;
	struct cage_call own[CAGE_OWN_MAX]; /* descriptors with numbers of run time */
	size_t n_own;
	struct cage_path path[CAGE_PATHS_MAX];
	size_t n_paths;
	bool silent;	 /* writes no log: no write at all, on any descriptor */
	bool opens;	 /* gets new descriptors while it works */
	bool hands_over; /* sends descriptors to the supervisor after its go */
	/* A role that starts programs: what those may do beside what every process needs. The
	 * role may do it too, since its filter holds for them as well. NULL: it starts none. */
	const struct cage_call *program;
	size_t n_program;
	bool permissive; /* a wall that the kernel lacks is done without */
};

/* What the kernel offers. */
struct cage_kernel {
	int landlock; /* ABI, 0: none */
	bool calls;   /* seccomp filters that kill the process */
};

/* What was done, as the kernel confirmed it. */
struct cage_report {
	bool wanted;	 /* there was a cage to close */
	bool off;	 /* this build has none */
	bool permissive; /* as the plan says */
	bool calls_held, files_held;
	int landlock; /* ABI in use */
	size_t rows, paths;
};

void cage_ask_kernel(struct cage_kernel *kernel);

/* NULL when the kernel has every wall; else what it lacks and what to do, static text. */
const char *cage_lacking(const struct cage_kernel *kernel);

/* Adds a call on a descriptor whose number was not known before; beyond CAGE_OWN_MAX it is
 * left out, and the call then kills. FD -1 adds nothing. */
void cage_add_fd(struct cage *cage, int call, int fd);

/* Adds a path, as cage_add_fd(). */
void cage_add_path(struct cage *cage, enum cage_right right, const char *fmt, ...)
	KM_PRINTF(3, 4);

/*
 * For a role with CAGE_LATE rows, in its set-up: every number below CAGE_LATE_FIRST is taken from
 * here on, so that what it opens or is given later has one that such a row allows, and what it came
 * with has not. LATE: so many there may be; the limit of descriptors is raised to that.
 */
KM_MUST_CHECK int cage_lay_apart(size_t late, struct km_err *err);

/*
 * Files outside the plan's paths cannot be opened from here on, no TCP port be used, no signal
 * be sent to other processes (as far as the kernel's Landlock knows of these); limits of core
 * dumps and descriptors. -1 with EX_CONFIG when the kernel lacks it, unless permissive.
 */
KM_MUST_CHECK int cage_close_files(const struct cage *cage, struct cage_report *report,
				   struct km_err *err);

/* Any call outside the plan kills the process from here on, in all its threads; sending on the
 * control socket is still in it. -1 as above. */
KM_MUST_CHECK int cage_close_calls(const struct cage *cage, struct cage_report *report,
				   struct km_err *err);

/* And now sending on the control socket is not. Nothing to do when the plan hands over. */
KM_MUST_CHECK int cage_close_voice(const struct cage *cage,
				   const struct cage_report *report, struct km_err *err);

/*
 * In the process that is about to become a program of the role: only the calls of cage->program,
 * and those that every process needs, from here on. Nothing of the role's own is among them.
 */
KM_MUST_CHECK int cage_close_program(const struct cage *cage, struct km_err *err);

/*
 * For a supervisor, which must be able to start roles and what they need to set up: calls that
 * nobody here has a use for kill it and all its roles. BPF: a role loads a program for the NIC.
 */
KM_MUST_CHECK int cage_close_supervisor(bool bpf, bool permissive,
					struct cage_report *report, struct km_err *err);

/* What this build and this kernel have, for --version; returns buf. */
char *cage_describe_kernel(char *buf, size_t len);

/* "calls 31 rows, others kill; files 2 trees (Landlock 7)" into buf; returns buf. */
char *cage_describe(const struct cage_report *report, char *buf, size_t len);

/* True when every wall that was wanted stands, or this build has none. */
bool cage_complete(const struct cage_report *report);

#endif
