// SPDX-License-Identifier: ISC
/*
 * attempt.h: what a role that was broken into would try, one function each, in raw system
 * calls only: nothing of it may need memory, a lock or a file of libc's.
 */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#include <stdbool.h>
#include <stddef.h>

/* What the attempts aim at. */
struct target {
	int parent;    /* a process that is not the role */
	int link;      /* packet socket, -1: the role has none */
	int read_only; /* descriptor of shared memory that came without the right to write */
	const char *neighbour; /* a file of its user that is another role's, NULL: none */
	int spool_dir;	       /* a directory that the role may use, -1: none */
	int memory;	       /* a memfd with a program in it */
	const char *place; /* a directory that everybody may write, and the role may not */
};

enum attempt_kind {
	ATTEMPT_CALL, /* no role has a use for the call: must kill */
	ATTEMPT_FILE, /* must kill, or be refused where the role may open files at all */
	ATTEMPT_LINK, /* as ATTEMPT_CALL, of roles that hold a packet socket */
};

struct attempt {
	const char *name;
	enum attempt_kind kind;
	int (*run)(const struct target *target); /* 0: it worked; else the errno */
};

extern const struct attempt attempts[];
extern const size_t attempt_count;

#endif
