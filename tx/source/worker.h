// SPDX-License-Identifier: ISC
/*
 * worker: a thread that carries ranges of large objects into the lanes of its own: reads,
 * hashes, encodes and seals, as the loop does for everything else. It knows nothing of spools,
 * journals and manifests, and decides nothing: the loop gives it a job (spread.h) and takes the
 * result.
 *
 * Everything of a worker belongs either to the loop or to the thread; `state` says to whom, and
 * is passed with release and acquire. While the thread has it, the loop may read the counts of
 * its lanes (lane_out.h) and take its close records, nothing else.
 */
#ifndef WORKER_H
#define WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "channel.h"
#include "feed.h"
#include "lanes.h"
#include "leaves.h"
#include "readahead.h"

/* Close records on their way to the loop: one for each window. */
#define WORKER_CLOSES 16u
/* Leaves of a job at most: bounds what the loop keeps of digests. */
#define WORKER_LEAVES_MAX 256u

enum worker_state {
	WORKER_IDLE,   /* the loop's: no job */
	WORKER_BUSY,   /* the thread's */
	WORKER_PAUSED, /* the loop's: the job goes on with worker_resume() */
	WORKER_DONE,   /* the loop's: the job has ended, see result */
};

enum worker_wish {
	WORKER_GO,
	WORKER_DRAIN, /* end the open window, then pause */
	WORKER_HALT,  /* pause as soon as a step ends */
	WORKER_QUIT,
};

struct worker_job {
	const void *owner;	/* whose it is; not looked at */
	struct channel *helped; /* the loop's channel: geometry and numbers */
	unsigned depth_max;	/* of its windows */
	int fd;			/* taken by worker_give() */
	struct stat before;
	struct record_begin begin; /* path borrowed until the job is taken back */
	uint64_t from, to;
	uint8_t (*leaf)[DIGEST_LEN]; /* NULL: not hashed; else WORKER_LEAVES_MAX */
};

struct worker {
	_Atomic int state; /* enum worker_state */
	_Atomic int wish;  /* enum worker_wish */
	struct worker_job job;
	enum km_rc
		result; /* KM_OK; KM_ERR_STATE: the file changed; KM_ERR_SYS: not readable */

	struct lane_out *out; /* borrowed */
	struct bell *loop;    /* the loop's, rung when state changes */
	int event;	      /* eventfd for the loop's poll(), borrowed */
	pthread_t thread;
	bool started;
	struct channel channel;
	struct readahead readahead;
	struct feed feed;
	struct leaves leaves;
	struct counts counts; /* since they were last taken */
	bool fed;	      /* all of the range is in symbols */

	struct record_close close[WORKER_CLOSES];
	_Atomic uint32_t close_head, close_tail;
};

/* What all jobs need at most. */
struct worker_room {
	uint32_t symbol;
	size_t pool;
	unsigned depth;
	uint64_t read_ahead;
	int core; /* that the thread has for itself; -1: none */
};

/* Start the thread. out, loop, event: borrowed until worker_close(). */
KM_MUST_CHECK int worker_open(struct worker *worker, struct lane_out *out,
			      struct bell *loop, int event, const struct worker_room *room,
			      struct km_err *err);
/* Ends the thread, whatever it does. */
void worker_close(struct worker *worker);

static inline enum worker_state worker_state(const struct worker *worker)
{
	return (enum worker_state)atomic_load_explicit(&worker->state,
						       memory_order_acquire);
}

/* Idle to busy. job->fd is taken. KM_ERR_NOMEM, KM_ERR_STATE: not begun, the fd is closed. */
KM_MUST_CHECK enum km_rc worker_give(struct worker *worker, const struct worker_job *job);

/* Done to idle; the job's result. */
enum km_rc worker_take(struct worker *worker);

/* Ask a busy one to pause, which is seen by its state; it may as well be done. */
void worker_pause(struct worker *worker, enum worker_wish how);
/* The same with WORKER_HALT, and wait for it: no longer than a step takes. */
void worker_halt(struct worker *worker);
/* Paused to busy, in another session perhaps. */
void worker_resume(struct worker *worker);
/* Paused or done to idle: what was not sent is forgotten. */
void worker_drop(struct worker *worker);

/* A new session: what is open is forgotten. Not while busy. */
void worker_session(struct worker *worker);

/* The next close record; false: none. At any time. */
bool worker_closed(struct worker *worker, struct record_close *record);

#endif
