// SPDX-License-Identifier: ISC
#include "rx_state_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "fileio.h"
#include "log.h"
#include "rx_state_line.h"

/* The text's first room, and what an entry takes beside key and value, which grow at most
 * sixfold. */
#define TEXT_FIRST (64u << 10)
#define TEXT_GROWS 6u
#define TEXT_OF_ENTRY 512u

void rx_state_file_dir(const char *path, char *dir)
{
	const char *slash = strrchr(path, '/');
	const size_t len = slash && slash != path ? (size_t)(slash - path) : 1;

	memcpy(dir, path, len);
	dir[len] = '\0';
}

static void told(struct rx_state_file *f, int rc, const struct km_err *err)
{
	if (rc != 0 && !f->failing)
		log_event(EVENT_STATE_FILE,
			  "the table cannot be written; it is tried again channel=%s: %s",
			  f->conf->name, err->text);
	if (rc == 0 && f->failing)
		log_event_at(LOG_NOTICE, EVENT_STATE_FILE,
			     "the table is written again channel=%s", f->conf->name);
	f->failing = rc != 0;
	f->written += rc == 0;
	f->failed += rc != 0;
}

static void *write_all(void *arg)
{
	struct rx_state_file *f = arg;

	pthread_mutex_lock(&f->lock);
	while (!f->end || f->busy) {
		struct km_err err = KM_ERR_INIT;
		int rc;

		if (!f->busy) {
			pthread_cond_wait(&f->work, &f->lock);
			continue;
		}
		pthread_mutex_unlock(&f->lock);
		rc = fileio_write_atomic(f->dir, f->name, f->text, f->len,
					 f->conf->file_mode, &err);
		pthread_mutex_lock(&f->lock);
		told(f, rc, &err);
		f->busy = false;
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

int rx_state_file_open(struct rx_state_file *f, const struct rx_config_live *conf,
		       struct km_err *err)
{
	char dir[RX_PATH_LEN];

	*f = (struct rx_state_file){.conf = conf, .dir = -1};
	if (conf->file[0] == '\0')
		return 0;
	rx_state_file_dir(conf->file, dir);
	f->name = strrchr(conf->file, '/') + 1;
	f->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dir < 0)
		return km_err_set_errno(err, EX_CANTCREAT, "channel %s: file %s: %s",
					conf->name, conf->file, dir);
	if (pthread_mutex_init(&f->lock, NULL) != 0 ||
	    pthread_cond_init(&f->work, NULL) != 0 ||
	    pthread_create(&f->thread, NULL, write_all, f) != 0)
		return km_err_set(err, EX_OSERR, "channel %s: a thread for its file",
				  conf->name);
	f->runs = true;
	return 0;
}

void rx_state_file_close(struct rx_state_file *f)
{
	if (f->runs) {
		pthread_mutex_lock(&f->lock);
		f->end = true;
		pthread_cond_signal(&f->work);
		pthread_mutex_unlock(&f->lock);
		(void)pthread_join(f->thread, NULL);
		f->runs = false;
	}
	if (f->conf && f->conf->file[0] != '\0')
		km_close(&f->dir);
	free(f->text);
	f->text = NULL;
}

/* False: it does not fit. */
static bool print(struct rx_state_file *f, const struct rx_state_table *table,
		  uint64_t now_ns, uint64_t real_ns)
{
	const struct rx_state_reader reader = {0};
	const struct rx_state_entry *e = TAILQ_FIRST(&table->changed);
	char time[CLOCK_TEXT_MAX];
	const char *between = "";
	struct wr wr;

	wr_init(&wr, f->text, f->room);
	json_print(&wr, "{\"channel\":");
	json_string(&wr, f->conf->name, strlen(f->conf->name));
	json_print(&wr, ",\"written\":\"%s\",\"keys\":%u,\"stale\":%u,\"values\":[",
		   clock_format(real_ns, time), table->keys - table->withdrawn,
		   table->stale);
	for (; e && wr_ok(&wr); e = TAILQ_NEXT(e, changed)) {
		if (e->withdrawn)
			continue;
		json_print(&wr, "%s\n", between);
		rx_state_line(&wr, e, &reader, now_ns);
		between = ",";
	}
	json_print(&wr, "\n]}\n");
	f->len = wr.used;
	return wr_ok(&wr);
}

/* Room for the whole of it, which is seldom more than what the last one took. */
static bool prepare(struct rx_state_file *f, const struct rx_state_table *table,
		    uint64_t now_ns, uint64_t real_ns)
{
	const size_t most = TEXT_GROWS * (size_t)table->bytes +
			    TEXT_OF_ENTRY * ((size_t)table->keys + 1) + TEXT_FIRST;

	while (!f->text || !print(f, table, now_ns, real_ns)) {
		const size_t room = f->room ? f->room * 2 : TEXT_FIRST;
		uint8_t *text = f->text && f->room >= most ? NULL : realloc(f->text, room);

		if (!text)
			return false;
		f->text = text;
		f->room = room;
	}
	return true;
}

void rx_state_file_run(struct rx_state_file *f, const struct rx_state_table *table,
		       uint64_t now_ns, uint64_t real_ns)
{
	const bool first = f->next_ns == 0; /* also an empty table has a file */
	bool due;

	if (!f->runs || now_ns < f->next_ns)
		return;
	pthread_mutex_lock(&f->lock);
	due = !f->busy && (first || f->failing || f->seq != table->seq);
	pthread_mutex_unlock(&f->lock);
	if (!due)
		return;
	f->next_ns = clock_add(now_ns, f->conf->file_every_ns);
	if (!prepare(f, table, now_ns, real_ns)) {
		const struct km_err err = {.code = EX_OSERR,
					   .text = "no memory for its text"};

		pthread_mutex_lock(&f->lock);
		told(f, -1, &err);
		pthread_mutex_unlock(&f->lock);
		return;
	}
	f->seq = table->seq;
	pthread_mutex_lock(&f->lock);
	f->busy = true;
	pthread_cond_signal(&f->work);
	pthread_mutex_unlock(&f->lock);
}

void rx_state_file_counts(struct rx_state_file *f, uint64_t *written, uint64_t *failed)
{
	if (f->runs)
		pthread_mutex_lock(&f->lock);
	*written = f->written;
	*failed = f->failed;
	if (f->runs)
		pthread_mutex_unlock(&f->lock);
}
