// SPDX-License-Identifier: ISC
/*
 * crew: the workers beside the loop (worker 0), taken together: memory and threads at start,
 * their close records and counts, and what a session's end means for them. It gives no jobs of
 * its own (spread.h). With one worker it is empty and costs nothing.
 * The loop's thread.
 */
#ifndef CREW_H
#define CREW_H

#include "control.h"
#include "tx_config.h"
#include "worker.h"

struct crew {
	struct worker worker[LANE_WORKERS_MAX - 1]; /* of lanes 1, 2, ... */
	unsigned count;
	int event; /* readable when a worker has come back; -1 without workers */
	bool open; /* jobs may be given and go on */
	struct lanes *lanes;
	struct control *control;
	struct counts *counts;
};

KM_MUST_CHECK int crew_open(struct crew *crew, const struct tx_config *config,
			    struct lanes *lanes, struct control *control,
			    struct counts *counts, struct km_err *err);
void crew_close(struct crew *crew);

/* Each turn of the loop. open: data may leave; else open windows are ended and jobs pause. */
void crew_tick(struct crew *crew, bool open, uint64_t now_ns);

/* A worker is with its job. */
bool crew_busy(const struct crew *crew);

/* An idle worker, NULL: none, or not open. */
struct worker *crew_idle(struct crew *crew);
/* worker_give() to one of these. */
KM_MUST_CHECK enum km_rc crew_give(struct crew *crew, struct worker *worker,
				   const struct worker_job *job);

/* Before the lanes are keyed anew: nobody has any. rewind: jobs are forgotten, too. */
void crew_halt(struct crew *crew, bool rewind);
/* After it: windows begin anew. */
void crew_session(struct crew *crew);

/* Bytes taken at start, for the start-up line. */
size_t crew_bytes(const struct crew *crew);

#endif
