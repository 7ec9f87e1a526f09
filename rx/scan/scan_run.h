// SPDX-License-Identifier: ISC
/*
 * scan_run.h: one program at work on one object: started by fork and execve with an empty
 * environment but PATH and LANG, the object as its standard input, a pipe as its output, limits,
 * and the programs' own cage; killed when its time is over. It is one process (scan_cage.h), so
 * killing it ends all of it, and it dies with the role.
 */
#ifndef SCAN_RUN_H
#define SCAN_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cage.h"
#include "rx_scan.h"
#include "scan_text.h"

struct scan_run {
	pid_t pid; /* 0: the slot is free, or only its answer waits */
	int pidfd, out;
	uint64_t begun_ns, until_ns;
	bool timed_out;
	struct scan_text text;
	bool answered; /* answer is to be sent */
	struct scan_answer answer;
};

/* What all programs have in common, and the one. */
struct scan_program {
	const struct cage *cage;
	const struct rx_scan_words *words;
	uint64_t timeout_ns;
};

static inline bool scan_run_is_free(const struct scan_run *run)
{
	return run->pid == 0 && !run->answered;
}

/*
 * Starts it on OBJECT, which stays the caller's. RUN is free. -1: it could not be started; the
 * run is answered by that.
 */
KM_MUST_CHECK int scan_run_start(struct scan_run *run, uint64_t ticket,
				 const struct scan_program *program, int object);

/* Takes what it has said; never waits. */
void scan_run_read(struct scan_run *run);

/* Kills it when its time is over. */
void scan_run_limit(struct scan_run *run, uint64_t now_ns);

/* When it has ended: the run is answered. */
void scan_run_reap(struct scan_run *run, uint64_t now_ns);

/* Kills it, without an answer. */
void scan_run_drop(struct scan_run *run);

#endif
