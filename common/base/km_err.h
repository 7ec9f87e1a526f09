// SPDX-License-Identifier: ISC
/*
 * km_err.h: the two tiers of errors, and scope cleanup.
 *
 * Pure and hot modules return `enum km_rc`: 0 or a negative reason, no text. Set-up and
 * I/O modules return 0 / -1 (or a pointer / NULL) and fill a `struct km_err` that lives on
 * the caller's stack; callers prefix it on the way up and the role's top prints it once.
 * Nothing here allocates, logs or exits. Not for hostile or lossy input: that is a counter.
 *
 * Any thread, any process.
 */
#ifndef KM_ERR_H
#define KM_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sysexits.h>

#define KM_MUST_CHECK __attribute__((warn_unused_result))
#define KM_PRINTF(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))

/* Elements of an array; a pointer given by mistake does not compile under -Wall. */
#define KM_COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum km_rc {
	KM_OK = 0,
	KM_ERR_SHORT = -1,	 /* input ends before the thing it holds */
	KM_ERR_MALFORMED = -2,	 /* input breaks its own format */
	KM_ERR_VERSION = -3,	 /* a version or algorithm id we do not speak */
	KM_ERR_RANGE = -4,	 /* a value outside what is allowed */
	KM_ERR_LIMIT = -5,	 /* a named limit of ours is reached */
	KM_ERR_AUTH = -6,	 /* tag, signature or key does not match */
	KM_ERR_FULL = -7,	 /* no room now; try later */
	KM_ERR_EMPTY = -8,	 /* nothing there now; try later */
	KM_ERR_NOMEM = -9,	 /* out of memory */
	KM_ERR_SYS = -10,	 /* a system call failed, errno says why */
	KM_ERR_STATE = -11,	 /* not possible in this state, or the peer is dead */
	KM_ERR_NOTFOUND = -12,	 /* no such thing */
	KM_ERR_EXISTS = -13,	 /* there is one already */
	KM_ERR_TIMEOUT = -14,	 /* the deadline passed */
	KM_ERR_CLOSED = -15,	 /* the other end has gone */
	KM_ERR_REPLAY = -16,	 /* seen before, or too old to tell */
	KM_ERR_UNSUPPORTED = -17 /* kernel, CPU or library cannot do it */
};

/* Name without the prefix, lower case ("malformed"); "unknown" for any other number. */
const char *km_rc_name(enum km_rc rc);

/* 256 bytes: one line of a terminal wide enough for object, reason and remedy. */
#define KM_ERR_TEXT_MAX 256

struct km_err {
	int code;	 /* sysexits: EX_USAGE, EX_CONFIG, EX_OSERR, ... ; 0 = none set */
	int saved_errno; /* errno at the point of failure, 0 when none was involved */
	char text[KM_ERR_TEXT_MAX];
};

#define KM_ERR_INIT                                                                        \
	{                                                                                  \
		0                                                                          \
	}

/*
 * All three keep `text` terminated, cut what does not fit, and accept err == NULL.
 * They return -1 so that `return km_err_set(err, EX_CONFIG, "...")` reads well.
 */

/* Sets code and text; saved_errno becomes 0. */
int km_err_set(struct km_err *err, int code, const char *fmt, ...) KM_PRINTF(3, 4);

/* Same, then appends ": " and the description of errno, and saves errno. errno survives. */
int km_err_set_errno(struct km_err *err, int code, const char *fmt, ...) KM_PRINTF(3, 4);

/* Puts "PREFIX: " before the text; code and saved_errno stay. */
int km_err_prefix(struct km_err *err, const char *fmt, ...) KM_PRINTF(2, 3);

/* Scope cleanup for set-up code. The fd helper ignores -1; errno survives both. */
void km_cleanup_close(int *fd);
void km_cleanup_free(void *pointer_to_pointer);

#define _cleanup_close_ __attribute__((cleanup(km_cleanup_close)))
#define _cleanup_free_ __attribute__((cleanup(km_cleanup_free)))

/* Hands the value over to the caller: the cleanup then finds -1 (fd). */
static inline int km_take_fd(int *fd)
{
	int out = *fd;

	*fd = -1;
	return out;
}

/* Closes *fd when it is not -1 and sets it to -1; errno survives. */
void km_close(int *fd);

#endif
