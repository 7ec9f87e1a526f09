// SPDX-License-Identifier: ISC
#include "worker.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

/* Repairs per step, so that a wish is heard soon. */
#define WORKER_FRAMES 32u
/* A sleep ends by the bell; this bounds it all the same. */
#define WORKER_SLEEP_NS (50 * CLOCK_NS_PER_MS)
#define WORKER_STACK (256u * 1024u)

static enum worker_wish wish_of(const struct worker *w)
{
	return (enum worker_wish)atomic_load_explicit(&w->wish, memory_order_acquire);
}

/* Hand all of it over to the other side, and wake it. */
static void pass(struct worker *w, enum worker_state state)
{
	const uint64_t one = 1;

	atomic_store_explicit(&w->state, state, memory_order_release);
	if (state == WORKER_BUSY) {
		bell_ring(w->out->bell);
		return;
	}
	bell_ring(w->loop);
	/* full means that it has not been read: it wakes all the same */
	(void)!write(w->event, &one, sizeof(one));
}

/* ---- in the thread -------------------------------------------------------------------------- */

static bool close_room(const struct worker *w)
{
	return atomic_load_explicit(&w->close_head, memory_order_relaxed) -
		       atomic_load_explicit(&w->close_tail, memory_order_acquire) <
	       WORKER_CLOSES;
}

/* The close record of the window that has just ended. False: no room now. */
static bool close_put(struct worker *w)
{
	struct block *b = &w->channel.block;
	uint32_t head = atomic_load_explicit(&w->close_head, memory_order_relaxed);

	if (!b->untold)
		return true;
	if (!close_room(w))
		return false;
	w->close[head % WORKER_CLOSES] = b->closed;
	b->untold = false;
	atomic_store_explicit(&w->close_head, head + 1, memory_order_release);
	return true;
}

/* Until the sender has made room, the loop has taken a close record, or wishes something. */
static void await(struct worker *w)
{
	const enum worker_wish wish = wish_of(w);
	const uint32_t ticket = bell_arm(w->out->bell);

	lane_out_refresh(w->out);
	if (wish_of(w) != wish || w->out->dead ||
	    (!w->channel.block.untold &&
	     lane_out_room(w->out, w->channel.block.class) > 0)) {
		bell_disarm(w->out->bell);
		return;
	}
	(void)bell_sleep(w->out->bell, ticket, WORKER_SLEEP_NS);
}

/* One go. KM_OK: go on; KM_ERR_FULL: no room now; else the job has failed. */
static enum km_rc step(struct worker *w, bool drain)
{
	const uint64_t now_ns = clock_mono_ns();
	const uint64_t left = feed_left(&w->feed);
	struct channel *c = &w->channel;
	enum km_rc rc;

	if (!close_put(w))
		return KM_ERR_FULL;
	if (c->block.phase == BLOCK_REPAIR)
		return channel_step(c, WORKER_FRAMES);
	if (w->fed || drain || channel_overdue(c, now_ns))
		return channel_end(c, now_ns);
	rc = channel_window(c,
			    left + left / c->block.geo.symbol * CHANNEL_FRAGMENT_BYTES +
				    CHANNEL_BEGIN_BYTES + w->job.begin.path_len,
			    WORKER_FRAMES, now_ns);
	if (rc == KM_OK && c->block.phase == BLOCK_OPEN)
		rc = feed_step(&w->feed, FEED_PIECE, now_ns);
	if (rc == KM_OK && w->feed.state == FEED_DONE) {
		feed_range_end(&w->feed);
		w->fed = true;
	}
	return rc == KM_ERR_EMPTY ? KM_OK : rc;
}

/* Nothing of a window is left to send or to tell. */
static bool at_rest(const struct worker *w)
{
	return w->channel.block.phase == BLOCK_IDLE && !w->channel.block.untold;
}

/* The job, until it has ended or is to pause. */
static enum worker_state work(struct worker *w)
{
	for (;;) {
		const enum worker_wish wish = wish_of(w);
		enum km_rc rc;

		if (wish == WORKER_HALT || wish == WORKER_QUIT)
			return WORKER_PAUSED;
		if (at_rest(w) && w->fed)
			return WORKER_DONE;
		if (at_rest(w) && wish == WORKER_DRAIN)
			return WORKER_PAUSED;
		rc = step(w, wish == WORKER_DRAIN);
		if (w->out->dead)
			return WORKER_PAUSED; /* the loop sees it and ends the role */
		if (rc != KM_OK && rc != KM_ERR_FULL) {
			/* the window ends with what it has; what failed first is what is told */
			w->result = w->result == KM_OK ? rc : w->result;
			w->fed = true;
		}
		if (!close_put(w) || lane_out_room(w->out, w->channel.block.class) == 0)
			await(w);
	}
}

static void *run(void *ctx)
{
	struct worker *w = ctx;

	for (;;) {
		const uint32_t ticket = bell_arm(w->out->bell);
		enum worker_state state;

		if (worker_state(w) != WORKER_BUSY && wish_of(w) != WORKER_QUIT) {
			(void)bell_sleep(w->out->bell, ticket, CLOCK_NS_PER_SEC);
			continue;
		}
		bell_disarm(w->out->bell);
		if (wish_of(w) == WORKER_QUIT)
			return NULL;
		state = work(w);
		lane_out_flush(w->out);
		pass(w, state);
	}
}

/* ---- in the loop ----------------------------------------------------------------------------- */

static int start(struct worker *w, int core, struct km_err *err)
{
	cpu_set_t one;
	sigset_t all, before;
	pthread_attr_t attr;
	int rc;

	/* signals are the loop's */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, WORKER_STACK);
	if (core >= 0) {
		CPU_ZERO(&one);
		CPU_SET(core, &one);
		(void)pthread_attr_setaffinity_np(&attr, sizeof(one), &one);
	}
	rc = pthread_create(&w->thread, &attr, run, w);
	(void)pthread_attr_destroy(&attr);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		return km_err_set(err, EX_OSERR,
				  "worker %u: no thread (%s): lower `workers` or raise the "
				  "limit of tasks",
				  w->out->worker, strerror(rc));
	w->started = true;
	return 0;
}

int worker_open(struct worker *w, struct lane_out *out, struct bell *loop, int event,
		const struct worker_room *room, struct km_err *err)
{
	memset(w, 0, sizeof(*w));
	w->out = out;
	w->loop = loop;
	w->event = event;
	w->feed.fd = -1;
	readahead_init(&w->readahead, room->read_ahead);
	if (channel_open_room(&w->channel, out, &w->counts, room->symbol, room->pool,
			      room->depth, err) != 0)
		return -1;
	if (leaves_open(&w->leaves) != KM_OK ||
	    feed_open(&w->feed, &w->channel, &w->counts, &w->readahead) != KM_OK)
		return km_err_set(err, EX_OSERR, "worker %u: out of memory", out->worker);
	return start(w, room->core, err);
}

void worker_close(struct worker *w)
{
	if (w->started) {
		atomic_store_explicit(&w->wish, WORKER_QUIT, memory_order_release);
		bell_ring(w->out->bell);
		(void)pthread_join(w->thread, NULL);
		w->started = false;
	}
	if (w->feed.piece)
		feed_close(&w->feed);
	leaves_close(&w->leaves);
	readahead_close(&w->readahead);
	channel_close(&w->channel);
}

enum km_rc worker_give(struct worker *w, const struct worker_job *job)
{
	enum km_rc rc;

	w->job = *job;
	w->result = KM_OK;
	w->fed = false;
	if (job->leaf)
		leaves_begin(&w->leaves, job->leaf);
	rc = feed_range(&w->feed, job->fd, &job->before, &w->job.begin, job->from, job->to,
			job->leaf ? &w->leaves : NULL);
	if (rc != KM_OK)
		return rc;
	channel_serve(&w->channel, job->helped, job->depth_max);
	atomic_store_explicit(&w->wish, WORKER_GO, memory_order_release);
	pass(w, WORKER_BUSY);
	return KM_OK;
}

enum km_rc worker_take(struct worker *w)
{
	feed_end(&w->feed);
	atomic_store_explicit(&w->state, WORKER_IDLE, memory_order_release);
	return w->result;
}

void worker_pause(struct worker *w, enum worker_wish how)
{
	if (worker_state(w) != WORKER_BUSY || (int)wish_of(w) >= (int)how)
		return;
	atomic_store_explicit(&w->wish, how, memory_order_release);
	bell_ring(w->out->bell);
}

void worker_halt(struct worker *w)
{
	worker_pause(w, WORKER_HALT);
	while (worker_state(w) == WORKER_BUSY) {
		const uint32_t ticket = bell_arm(w->loop);

		if (worker_state(w) == WORKER_BUSY)
			(void)bell_sleep(w->loop, ticket, WORKER_SLEEP_NS);
		else
			bell_disarm(w->loop);
	}
}

void worker_resume(struct worker *w)
{
	atomic_store_explicit(&w->wish, WORKER_GO, memory_order_release);
	pass(w, WORKER_BUSY);
}

void worker_drop(struct worker *w)
{
	if (worker_state(w) != WORKER_IDLE)
		(void)worker_take(w);
}

void worker_session(struct worker *w)
{
	channel_session(&w->channel);
	w->feed.serial = 0;
	atomic_store(&w->close_tail, atomic_load(&w->close_head));
}

bool worker_closed(struct worker *w, struct record_close *record)
{
	const uint32_t tail = atomic_load_explicit(&w->close_tail, memory_order_relaxed);

	if (atomic_load_explicit(&w->close_head, memory_order_acquire) == tail)
		return false;
	*record = w->close[tail % WORKER_CLOSES];
	atomic_store_explicit(&w->close_tail, tail + 1, memory_order_release);
	bell_ring(w->out->bell);
	return true;
}
