// SPDX-License-Identifier: ISC
/*
 * The passphrase of a secret key file: read from a file (a credential of the service manager)
 * or asked for at the terminal, without echo. Set-up time only. Whoever owns the struct keeps
 * it in locked memory and wipes it.
 */
#ifndef KEYS_PASS_H
#define KEYS_PASS_H

#include <stddef.h>

#include "km_err.h"

#define KEYS_PASS_MAX 512u
/* For a new one. What Argon2id costs an attacker (keys_lock.h) is wasted on a short word. */
#define KEYS_PASS_MIN 12u

struct keys_pass {
	size_t len;
	char text[KEYS_PASS_MAX];
};

/* The first line of the file at PATH. Others than owner and group may neither read nor write
 * it, nor the group write (a credential of systemd is readable to the group by its ACL).
 * EX_NOPERM, EX_NOINPUT, EX_DATAERR. */
KM_MUST_CHECK int keys_pass_read(struct keys_pass *pass, const char *path,
				 struct km_err *err);

/* Asks at /dev/tty for WHAT. EX_NOINPUT: nobody sits there (standard input is no terminal, or
 * there is none): OPTION names its file instead; EX_USAGE: broken off. */
KM_MUST_CHECK int keys_pass_ask(struct keys_pass *pass, const char *what,
				const char *option, struct km_err *err);

/* A new one: twice from the terminal or, with PATH, from that file; long enough. */
KM_MUST_CHECK int keys_pass_new(struct keys_pass *pass, const char *path,
				struct km_err *err);

#endif
