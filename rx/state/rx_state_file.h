// SPDX-License-Identifier: ISC
/*
 * rx_state_file: the table of one channel as a file of JSON, replaced atomically, so that whoever
 * reads it finds a whole one at any time. Written when something has changed, at most every
 * `file_every`, with ages as they are then; its member `written` says when that was.
 *
 * The disk is waited for by a thread, which gets the finished text; the table is the loop's alone.
 * What cannot be written is tried again, and told once.
 */
#ifndef RX_STATE_FILE_H
#define RX_STATE_FILE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rx_config.h"
#include "rx_state_table.h"

struct rx_state_file {
	const struct rx_config_live *conf; /* borrowed; file "" is none */
	int dir;
	const char *name; /* in it */
	pthread_t thread;
	bool runs;
	/* the loop's */
	uint64_t seq;	  /* of the table: what stands in the file, or is being written */
	uint64_t next_ns; /* not before */
	size_t room;
	/* both sides', under the lock */
	pthread_mutex_t lock;
	pthread_cond_t work;
	bool busy, end;
	uint8_t *text; /* the thread's while busy */
	size_t len;
	bool failing;
	uint64_t written, failed;
};

/* Opens the directory, starts the thread: before the cage. -1 with err. Nothing at all when the
 * channel has no file. */
KM_MUST_CHECK int rx_state_file_open(struct rx_state_file *f,
				     const struct rx_config_live *conf, struct km_err *err);
/* What is being written is finished. */
void rx_state_file_close(struct rx_state_file *f);

/* Has the table written, if that is due and the thread has time. REAL_NS: the wall clock. */
void rx_state_file_run(struct rx_state_file *f, const struct rx_state_table *table,
		       uint64_t now_ns, uint64_t real_ns);

/* How often it was written, and how often it could not be. */
void rx_state_file_counts(struct rx_state_file *f, uint64_t *written, uint64_t *failed);

/* The directory of PATH into DIR of RX_PATH_LEN; the pure part. */
void rx_state_file_dir(const char *path, char *dir);

#endif
