// SPDX-License-Identifier: ISC
/*
 * The syncer of publish without threads and without a disk (linker option --wrap): what is handed
 * in is done when somebody looks for results, in the order in which it came. So a run is the same
 * each time, and eight threads need not be made for it. What is handed in and not looked for dies
 * with publish, as with a power cut. Threads are tests/unit/rx/publish/test_publish_sync.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fileio.h"
#include "fuzz_target.h"
#include "syncer.h"

#define JOBS 4096u /* SYNCER_JOBS */

struct job {
	struct syncer_tag tag;
	int dir, fd; /* one of them -1 */
	char name[SYNCER_NAME_MAX];
	char *text; /* to be written; NULL: to be synced */
	size_t len;
	mode_t mode;
};

struct syncer {
	unsigned first, n;
};

static struct job jobs[JOBS]; /* a ring: there is one syncer at a time */

struct syncer *__wrap_syncer_new(struct bell *bell, struct km_err *err);
bool __wrap_syncer_file(struct syncer *s, const struct syncer_tag *tag, int dir,
			const char *name);
bool __wrap_syncer_fd(struct syncer *s, const struct syncer_tag *tag, int fd,
		      bool data_only);
bool __wrap_syncer_write(struct syncer *s, const struct syncer_tag *tag, int dir,
			 const char *name, char *text, size_t len, mode_t mode);
bool __wrap_syncer_collect(struct syncer *s, struct syncer_done *done);
bool __wrap_syncer_ready(struct syncer *s);
unsigned __wrap_syncer_pending(const struct syncer *s);
bool __wrap_syncer_has_room(const struct syncer *s);
void __wrap_syncer_free(struct syncer *s);

struct syncer *__wrap_syncer_new(struct bell *bell, struct km_err *err)
{
	struct syncer *s = calloc(1, sizeof(*s));

	(void)bell; /* nobody waits */
	if (!s)
		(void)km_err_set(err, EX_OSERR, "out of memory");
	return s;
}

static struct job *put(struct syncer *s, const struct syncer_tag *tag, const char *name)
{
	struct job *job;

	if (s->n == JOBS || strlen(name) >= SYNCER_NAME_MAX)
		return NULL;
	job = &jobs[(s->first + s->n++) % JOBS];
	*job = (struct job){.tag = *tag, .dir = -1, .fd = -1};
	(void)snprintf(job->name, sizeof(job->name), "%s", name);
	return job;
}

bool __wrap_syncer_file(struct syncer *s, const struct syncer_tag *tag, int dir,
			const char *name)
{
	struct job *job = __wrap_syncer_has_room(s) ? put(s, tag, name) : NULL;

	if (job)
		job->dir = dir;
	return job;
}

bool __wrap_syncer_fd(struct syncer *s, const struct syncer_tag *tag, int fd,
		      bool data_only)
{
	struct job *job = fd >= 0 ? put(s, tag, "") : NULL;

	(void)data_only;
	if (job)
		job->fd = fd;
	else
		km_close(&fd);
	return job;
}

bool __wrap_syncer_write(struct syncer *s, const struct syncer_tag *tag, int dir,
			 const char *name, char *text, size_t len, mode_t mode)
{
	struct job *job = put(s, tag, name);

	if (!job) {
		free(text);
		return false;
	}
	job->dir = dir;
	job->text = text;
	job->len = len;
	job->mode = mode;
	return true;
}

static void drop(struct job *job)
{
	km_close(&job->fd);
	free(job->text);
	job->text = NULL;
}

bool __wrap_syncer_collect(struct syncer *s, struct syncer_done *done)
{
	struct km_err err = KM_ERR_INIT;
	struct job *job = &jobs[s->first];
	int fd = -1;

	if (s->n == 0)
		return false;
	*done = (struct syncer_done){.tag = job->tag, .opened = true};
	if (job->text) {
		done->opened = false;
		if (fileio_write_atomic(job->dir, job->name, job->text, job->len, job->mode,
					&err) != 0)
			done->error = err.saved_errno ? err.saved_errno : EIO;
	} else if (job->fd < 0) {
		fd = fileio_open_beneath(job->dir, job->name, O_RDONLY, 0);
		if (fd < 0) {
			done->error = errno;
			done->opened = false;
		}
		km_close(&fd);
	}
	drop(job);
	s->first = (s->first + 1) % JOBS;
	s->n--;
	return true;
}

bool __wrap_syncer_ready(struct syncer *s)
{
	return s->n > 0;
}

unsigned __wrap_syncer_pending(const struct syncer *s)
{
	return s->n;
}

bool __wrap_syncer_has_room(const struct syncer *s)
{
	return s->n < JOBS - SYNCER_RESERVE;
}

void __wrap_syncer_free(struct syncer *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->n; i++)
		drop(&jobs[(s->first + i) % JOBS]);
	free(s);
}
