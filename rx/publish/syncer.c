// SPDX-License-Identifier: ISC
#include "syncer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fileio.h"

/* A thread needs little: one error text and what the C library takes. */
#define SYNCER_STACK (256u * 1024u)

/*
 * Files that one thread takes at once when many wait: write-back of all begins first, and
 * the first fsync commits what the others need too.
 */
#define SYNCER_BATCH 16u

/* The others are kept for what goes first: a batch of files may take long. */
#define SYNCER_BULK_THREADS (SYNCER_THREADS - 2u)

#define SYNCER_NONE UINT32_MAX

enum syncer_how { SYNCER_FILE, SYNCER_DATA, SYNCER_ALL, SYNCER_WRITE };

struct syncer_job {
	struct syncer_tag tag;
	enum syncer_how how;
	int fd; /* directory (borrowed) of FILE and WRITE, else what is synced (ours) */
	char name[SYNCER_NAME_MAX];
	char *text;
	size_t len;
	mode_t mode;
	int error;
	bool opened;
	uint32_t next;
};

/* Jobs linked by their index, first in, first out. */
struct syncer_list {
	uint32_t first, last, n;
};

struct syncer {
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_t thread[SYNCER_THREADS];
	unsigned threads;
	struct bell *bell;
	struct syncer_job *job;				   /* SYNCER_JOBS */
	struct syncer_list free_jobs, urgent, bulk, ready; /* under lock */
	unsigned in_bulk;				   /* under lock: threads there */
	unsigned idle;	  /* under lock: threads that wait */
	bool stop, held;  /* under lock */
	int broken;	  /* under lock */
	unsigned pending; /* the owner's */
};

static void syncer_put(struct syncer *s, struct syncer_list *list, uint32_t i)
{
	s->job[i].next = SYNCER_NONE;
	if (list->n++ == 0)
		list->first = i;
	else
		s->job[list->last].next = i;
	list->last = i;
}

static uint32_t syncer_take(struct syncer *s, struct syncer_list *list)
{
	uint32_t i = list->first;

	if (list->n == 0)
		return SYNCER_NONE;
	list->first = s->job[i].next;
	list->n--;
	return i;
}

/* ---- in the threads ---- */

static int syncer_sync(int fd, bool data_only)
{
	return (data_only ? fdatasync(fd) : fsync(fd)) == 0 ? 0 : errno;
}

static void syncer_do_write(struct syncer_job *job)
{
	struct km_err err = KM_ERR_INIT;

	job->opened = false; /* written anew each time: can always be tried again */
	if (fileio_write_atomic(job->fd, job->name, job->text, job->len, job->mode, &err) !=
	    0)
		job->error = err.saved_errno ? err.saved_errno : EIO;
	free(job->text);
	job->text = NULL;
}

static void syncer_do_files(struct syncer *s, const uint32_t *taken, unsigned n)
{
	int fd[SYNCER_BATCH];

	for (unsigned i = 0; i < n; i++) {
		struct syncer_job *job = &s->job[taken[i]];

		fd[i] = fileio_open_beneath(job->fd, job->name, O_RDONLY, 0);
		if (fd[i] < 0)
			job->error = errno;
		else if (n > 1)
			(void)sync_file_range(fd[i], 0, 0, SYNC_FILE_RANGE_WRITE);
	}
	for (unsigned i = 0; i < n; i++) {
		struct syncer_job *job = &s->job[taken[i]];

		if (fd[i] < 0)
			continue;
		job->opened = true;
		job->error = syncer_sync(fd[i], false);
		km_close(&fd[i]);
	}
}

static bool syncer_has_work(const struct syncer *s)
{
	if (s->held)
		return false;
	return s->urgent.n > 0 || (s->bulk.n > 0 && s->in_bulk < SYNCER_BULK_THREADS);
}

/* What is to be done next: one urgent job, or some files. Called and returns locked. */
static unsigned syncer_choose(struct syncer *s, uint32_t taken[SYNCER_BATCH])
{
	unsigned n = 0, share;

	while (!s->stop && !syncer_has_work(s)) {
		s->idle++;
		pthread_cond_wait(&s->work, &s->lock);
		s->idle--;
	}
	if (s->stop)
		return 0;
	if (s->urgent.n > 0) {
		taken[0] = syncer_take(s, &s->urgent);
		return 1;
	}
	/* Few that wait are shared out, so that none waits for another. */
	s->in_bulk++;
	share = 1 + s->bulk.n / SYNCER_BULK_THREADS;
	while (n < SYNCER_BATCH && n < share && s->bulk.n > 0)
		taken[n++] = syncer_take(s, &s->bulk);
	return n;
}

static void *syncer_thread(void *arg)
{
	struct syncer *s = arg;
	uint32_t taken[SYNCER_BATCH];
	unsigned n;

	pthread_mutex_lock(&s->lock);
	while ((n = syncer_choose(s, taken)) > 0) {
		struct syncer_job *job = &s->job[taken[0]];
		int broken = s->broken;

		pthread_mutex_unlock(&s->lock);
		if (job->how == SYNCER_FILE) {
			syncer_do_files(s, taken, n);
		} else if (job->how == SYNCER_WRITE) {
			syncer_do_write(job);
		} else {
			job->opened = true;
			job->error = syncer_sync(job->fd, job->how == SYNCER_DATA);
			km_close(&job->fd);
		}
		for (unsigned i = 0; broken && i < n; i++)
			s->job[taken[i]].error = broken;
		pthread_mutex_lock(&s->lock);
		s->in_bulk -= job->how == SYNCER_FILE;
		for (unsigned i = 0; i < n; i++)
			syncer_put(s, &s->ready, taken[i]);
		if (s->bell)
			bell_ring(s->bell);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* ---- the owner's ---- */

static int syncer_start(struct syncer *s)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int rc = 0;

	if (pthread_attr_init(&attr) != 0)
		return -1;
	(void)pthread_attr_setstacksize(&attr, SYNCER_STACK);
	/* Signals are the main thread's: it looks whether it is to stop. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (rc == 0 && s->threads < SYNCER_THREADS) {
		rc = pthread_create(&s->thread[s->threads], &attr, syncer_thread, s);
		s->threads += rc == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	errno = rc;
	return rc == 0 ? 0 : -1;
}

struct syncer *syncer_new(struct bell *bell, struct km_err *err)
{
	struct syncer *s = calloc(1, sizeof(*s));

	if (!s) {
		km_err_set(err, EX_OSERR, "out of memory");
		return NULL;
	}
	s->bell = bell;
	pthread_mutex_init(&s->lock, NULL); /* with default attributes neither can fail */
	pthread_cond_init(&s->work, NULL);
	s->job = calloc(SYNCER_JOBS, sizeof(*s->job));
	for (uint32_t i = 0; s->job && i < SYNCER_JOBS; i++)
		syncer_put(s, &s->free_jobs, i);
	if (!s->job || syncer_start(s) != 0) {
		km_err_set_errno(err, EX_OSERR, "threads for syncing cannot be started");
		syncer_free(s);
		return NULL;
	}
	return s;
}

/* A free job filled in and queued; false: none free (or only the reserve is). */
static bool syncer_submit(struct syncer *s, const struct syncer_job *job)
{
	bool bulk = job->how == SYNCER_FILE;
	uint32_t i = SYNCER_NONE;

	pthread_mutex_lock(&s->lock);
	if (!bulk || s->free_jobs.n > SYNCER_RESERVE)
		i = syncer_take(s, &s->free_jobs);
	if (i != SYNCER_NONE) {
		s->job[i] = *job;
		syncer_put(s, bulk ? &s->bulk : &s->urgent, i);
		s->pending++;
		/* One may be woken that must leave it: then a busy one comes by. Files come by
		 * the hundred, and a wake-up for each costs more than its sync in memory. */
		if (!bulk || s->bulk.n % SYNCER_BATCH == 0)
			pthread_cond_signal(&s->work);
	}
	pthread_mutex_unlock(&s->lock);
	return i != SYNCER_NONE;
}

bool syncer_file(struct syncer *s, const struct syncer_tag *tag, int dir, const char *name)
{
	struct syncer_job job = {.tag = *tag, .how = SYNCER_FILE, .fd = dir};
	int n = snprintf(job.name, sizeof(job.name), "%s", name);

	return n > 0 && (size_t)n < sizeof(job.name) && syncer_submit(s, &job);
}

bool syncer_fd(struct syncer *s, const struct syncer_tag *tag, int fd, bool data_only)
{
	struct syncer_job job = {
		.tag = *tag, .how = data_only ? SYNCER_DATA : SYNCER_ALL, .fd = fd};

	if (fd >= 0 && syncer_submit(s, &job))
		return true;
	km_close(&fd);
	return false;
}

bool syncer_write(struct syncer *s, const struct syncer_tag *tag, int dir, const char *name,
		  char *text, size_t len, mode_t mode)
{
	struct syncer_job job = {.tag = *tag,
				 .how = SYNCER_WRITE,
				 .fd = dir,
				 .text = text,
				 .len = len,
				 .mode = mode};
	int n = snprintf(job.name, sizeof(job.name), "%s", name);

	if (n > 0 && (size_t)n < sizeof(job.name) && syncer_submit(s, &job))
		return true;
	free(text);
	return false;
}

/* Files that were handed in since: a thread for each, as far as there are threads. Locked. */
static void syncer_kick(struct syncer *s)
{
	for (unsigned i = 0; i < s->idle && i < s->bulk.n; i++)
		pthread_cond_signal(&s->work);
}

bool syncer_collect(struct syncer *s, struct syncer_done *done)
{
	uint32_t i;

	if (s->pending == 0)
		return false;
	pthread_mutex_lock(&s->lock);
	i = syncer_take(s, &s->ready);
	if (i != SYNCER_NONE) {
		const struct syncer_job *job = &s->job[i];

		*done = (struct syncer_done){job->tag, job->error, job->opened};
		syncer_put(s, &s->free_jobs, i);
		s->pending--;
	} else {
		syncer_kick(s);
	}
	pthread_mutex_unlock(&s->lock);
	return i != SYNCER_NONE;
}

bool syncer_ready(struct syncer *s)
{
	bool ready;

	pthread_mutex_lock(&s->lock);
	ready = s->ready.n > 0;
	syncer_kick(s);
	pthread_mutex_unlock(&s->lock);
	return ready;
}

unsigned syncer_pending(const struct syncer *s)
{
	return s->pending;
}

bool syncer_has_room(const struct syncer *s)
{
	return s->pending < SYNCER_JOBS - SYNCER_RESERVE;
}

void syncer_free(struct syncer *s)
{
	uint32_t i;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->work);
	pthread_mutex_unlock(&s->lock);
	for (unsigned t = 0; t < s->threads; t++)
		pthread_join(s->thread[t], NULL);
	while ((i = syncer_take(s, &s->urgent)) != SYNCER_NONE) {
		struct syncer_job *job = &s->job[i];

		if (job->how != SYNCER_WRITE)
			km_close(&job->fd);
		free(job->text);
	}
	pthread_cond_destroy(&s->work);
	pthread_mutex_destroy(&s->lock);
	free(s->job);
	free(s);
}

void syncer_hold(struct syncer *s, bool held)
{
	pthread_mutex_lock(&s->lock);
	s->held = held;
	pthread_cond_broadcast(&s->work);
	pthread_mutex_unlock(&s->lock);
}

void syncer_break(struct syncer *s, int error)
{
	pthread_mutex_lock(&s->lock);
	s->broken = error;
	pthread_mutex_unlock(&s->lock);
}
