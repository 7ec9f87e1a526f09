// SPDX-License-Identifier: ISC
/*
 * The wall between rx publish and rx scan: messages (daemon/ipc.h) on one socket pair that the
 * supervisor keeps, so that either end can be started again. publish hands over an open object,
 * read-only; scan runs the channel's program on it and answers. Neither end waits for the other.
 *
 * A ticket is used once: what answers an earlier publish is known by it, and dropped. An answer
 * is hostile: publish takes the verdict for the object of that ticket, the text as bytes, and
 * nothing else.
 */
#ifndef SCAN_H
#define SCAN_H

#include <stdint.h>

#include "ipc.h"

/* One line of the program's output, with its terminator. */
#define SCAN_TEXT_MAX 200u

/* Objects of one channel that are looked at at once, at most (scan_jobs). */
#define SCAN_JOBS_MAX 16u

enum scan_type {
	SCAN_BEGIN = IPC_TYPE_OWN, /* publish begins: what was asked before is void */
	SCAN_ASK,		   /* and the object, open for reading */
	SCAN_HELLO, /* scan begins: what it was asked before is to be asked again */
	SCAN_ANSWER,
};

enum scan_verdict {
	SCAN_NONE = 0, /* not looked at */
	SCAN_PASS,
	SCAN_REJECT,
	SCAN_ERROR,
	SCAN_TIMEOUT,
};

struct scan_ask {
	uint64_t ticket;
	uint32_t channel; /* number */
	uint32_t reserved;
};

struct scan_answer {
	uint64_t ticket;
	uint32_t verdict; /* enum scan_verdict */
	uint32_t ms;	  /* it took */
	char text[SCAN_TEXT_MAX];
};

/* What publish sends, and what scan does. */
#define SCAN_TO_SCAN_ROWS                                                                  \
	{.type = SCAN_BEGIN, .size = 0, .name = "begin"},                                  \
	{                                                                                  \
		.type = SCAN_ASK, .size = sizeof(struct scan_ask), .n_fds = 1,             \
		.name = "ask"                                                              \
	}
#define SCAN_TO_PUBLISH_ROWS                                                               \
	{.type = SCAN_HELLO, .size = 0, .name = "hello"},                                  \
	{                                                                                  \
		.type = SCAN_ANSWER, .size = sizeof(struct scan_answer), .name = "answer"  \
	}

#endif
