// SPDX-License-Identifier: ISC
/*
 * append.h: a file of rows that only grows, and whose torn end (kill, power cut, full
 * disk) is recognised and cut off. Row: u32 length, u32 CRC-32 of the payload, payload;
 * all big-endian; the first row names the kind of file. Rows are gathered in memory and
 * written with one pwrite at the known good end, so a failed write leaves nothing
 * half-believed. Not a database: the callers keep what they need in memory.
 *
 * rx publish (writing) and its commands (reading beside a running daemon). One thread.
 */
#ifndef APPEND_H
#define APPEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "km_err.h"

#define APPEND_ROW_MAX 4096u /* payload; the longest holds a path and some numbers */
#define APPEND_NAME_MAX 64u

struct append {
	int fd; /* -1 = closed */
	char name[APPEND_NAME_MAX];
	uint64_t good; /* bytes known to be in the file */
	uint8_t *buf;  /* rows not yet written */
	size_t used, cap;
	bool unsynced; /* written since the last fdatasync was begun */
	bool syncing;  /* between append_sync_begin() and append_sync_end() */
	uint64_t cut;  /* bytes of a torn end that append_open() cut off */
};

/*
 * Called for each row in order; `at` is what append_get() takes. Non-zero ends the
 * reading: this row makes no sense, and append_open() cuts it off with all behind it, or what
 * is written later would never be read. So never for want of memory.
 */
typedef int append_row_fn(void *ctx, uint64_t at, const uint8_t *row, size_t len);

/*
 * Opens (or makes) dirfd/name for writing, gives every row to fn, cuts a torn end.
 * `magic` is the text of the first row, which fn does not see. 0 / -1.
 */
KM_MUST_CHECK int append_open(struct append *a, int dirfd, const char *name,
			      const char *magic, append_row_fn *fn, void *ctx,
			      struct km_err *err);

/* Reads only, up to the first row that is not whole; a missing file has no rows. */
KM_MUST_CHECK int append_read(int dirfd, const char *name, const char *magic,
			      append_row_fn *fn, void *ctx, struct km_err *err);

/* Gathers a row; *at (may be NULL) is where it will stand. -1 only when out of memory. */
KM_MUST_CHECK int append_row(struct append *a, const void *row, size_t len, uint64_t *at);

/* Writes what was gathered. On -1 it stays gathered: call again. */
KM_MUST_CHECK int append_flush(struct append *a, struct km_err *err);

/* append_flush() and fdatasync. */
KM_MUST_CHECK int append_sync(struct append *a, struct km_err *err);

/*
 * The same with the waiting left to somebody else: append_flush(), and a descriptor (the
 * caller's) on which fdatasync is to be called, then append_sync_end(). *fd = -1: nothing to
 * sync, or a sync is under way.
 */
KM_MUST_CHECK int append_sync_begin(struct append *a, int *fd, struct km_err *err);
void append_sync_end(struct append *a, bool synced);

/* Row `at` again, into buf[APPEND_ROW_MAX]; its length, or -1. */
KM_MUST_CHECK int append_get(const struct append *a, uint64_t at, uint8_t *buf);

/* A fresh file name.new beside, to be filled with append_row() and put in place of the
 * present one by append_swap(), after which *a is the new file. -1: *a as before. */
KM_MUST_CHECK int append_begin_swap(struct append *fresh, int dirfd, const char *name,
				    const char *magic, struct km_err *err);
KM_MUST_CHECK int append_swap(struct append *a, struct append *fresh, int dirfd,
			      struct km_err *err);

/* Closes without writing what is gathered: flush first. */
void append_close(struct append *a);

#endif
