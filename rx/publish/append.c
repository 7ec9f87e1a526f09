// SPDX-License-Identifier: ISC
#include "append.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32.h"
#include "cursor.h"
#include "fileio.h"

#define APPEND_HEAD 8u
#define APPEND_CHUNK (256u * 1024u)

/* Length of the whole row at p[0..n), 0 when it is not whole or not well formed. */
static size_t append_row_len(const uint8_t *p, size_t n)
{
	struct rd rd;
	uint32_t len, crc;
	const uint8_t *row;

	rd_init(&rd, p, n);
	len = rd_u32(&rd);
	crc = rd_u32(&rd);
	if (rd.bad || len == 0 || len > APPEND_ROW_MAX)
		return 0;
	row = rd_bytes(&rd, len);
	if (!row || crc32_add(0, row, len) != crc)
		return 0;
	return APPEND_HEAD + len;
}

struct append_scan {
	const char *magic;
	append_row_fn *fn;
	void *ctx;
	bool stopped;
	bool foreign;
};

/* Gives the rows of p[0..n) away; returns the bytes used. `base` is the offset of p. */
static size_t append_scan_chunk(struct append_scan *scan, uint64_t base, const uint8_t *p,
				size_t n)
{
	size_t used = 0, len;

	while (!scan->stopped && (len = append_row_len(p + used, n - used)) > 0) {
		const uint8_t *row = p + used + APPEND_HEAD;

		if (base + used == 0) {
			if (len - APPEND_HEAD != strlen(scan->magic) ||
			    memcmp(row, scan->magic, len - APPEND_HEAD) != 0) {
				scan->foreign = true;
				return 0;
			}
		} else if (scan->fn &&
			   scan->fn(scan->ctx, base + used, row, len - APPEND_HEAD) != 0) {
			scan->stopped = true;
			break;
		}
		used += len;
	}
	return used;
}

/* Reads all rows of fd; *good = offset of the first byte that is no whole row. */
static int append_scan_file(int fd, const char *name, struct append_scan *scan,
			    uint64_t *good, struct km_err *err)
{
	uint8_t *buf = malloc(APPEND_CHUNK);
	int rc = -1;

	if (!buf)
		return km_err_set(err, EX_OSERR, "%s: out of memory", name);
	*good = 0;
	for (;;) {
		ssize_t n = fileio_pread_full(fd, buf, APPEND_CHUNK, (off_t)*good);
		size_t used;

		if (n < 0) {
			km_err_set_errno(err, EX_IOERR, "%s: cannot read", name);
			break;
		}
		used = append_scan_chunk(scan, *good, buf, (size_t)n);
		if (scan->foreign) {
			km_err_set(err, EX_DATAERR,
				   "%s: is not a \"%s\" file: move it away", name,
				   scan->magic);
			break;
		}
		*good += used;
		if (used == 0 || (size_t)n < APPEND_CHUNK || scan->stopped) {
			rc = 0;
			break;
		}
	}
	free(buf);
	return rc;
}

static void append_name(struct append *a, const char *name)
{
	*a = (struct append){.fd = -1};
	snprintf(a->name, sizeof(a->name), "%s", name);
}

int append_open(struct append *a, int dirfd, const char *name, const char *magic,
		append_row_fn *fn, void *ctx, struct km_err *err)
{
	struct append_scan scan = {.magic = magic, .fn = fn, .ctx = ctx};
	struct stat st;

	append_name(a, name);
	a->fd = fileio_open_beneath(dirfd, name, O_RDWR | O_CREAT, 0640);
	if (a->fd < 0)
		return km_err_set_errno(err, EX_CANTCREAT, "%s: cannot open", name);
	if (append_scan_file(a->fd, name, &scan, &a->good, err) != 0)
		goto fail;
	if (fstat(a->fd, &st) != 0) {
		km_err_set_errno(err, EX_IOERR, "%s: fstat", name);
		goto fail;
	}
	if ((uint64_t)st.st_size > a->good) {
		a->cut = (uint64_t)st.st_size - a->good;
		if (ftruncate(a->fd, (off_t)a->good) != 0) {
			km_err_set_errno(err, EX_IOERR, "%s: cannot cut a torn end", name);
			goto fail;
		}
	}
	if (a->good == 0 && append_row(a, magic, strlen(magic), NULL) != 0) {
		km_err_set(err, EX_OSERR, "%s: out of memory", name);
		goto fail;
	}
	return 0;
fail:
	append_close(a);
	return -1;
}

int append_read(int dirfd, const char *name, const char *magic, append_row_fn *fn,
		void *ctx, struct km_err *err)
{
	struct append_scan scan = {.magic = magic, .fn = fn, .ctx = ctx};
	_cleanup_close_ int fd = fileio_open_beneath(dirfd, name, O_RDONLY, 0);
	uint64_t good;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return km_err_set_errno(err, EX_NOINPUT, "%s: cannot open", name);
	return append_scan_file(fd, name, &scan, &good, err);
}

int append_row(struct append *a, const void *row, size_t len, uint64_t *at)
{
	struct wr wr;

	if (len == 0 || len > APPEND_ROW_MAX)
		return -1;
	if (a->cap - a->used < APPEND_HEAD + len) {
		size_t cap = (a->cap ? a->cap * 2 : 4096) + APPEND_HEAD + len;
		uint8_t *buf = realloc(a->buf, cap);

		if (!buf)
			return -1;
		a->buf = buf;
		a->cap = cap;
	}
	wr_init(&wr, a->buf + a->used, a->cap - a->used);
	wr_u32(&wr, (uint32_t)len);
	wr_u32(&wr, crc32_add(0, row, len));
	wr_bytes(&wr, row, len);
	if (at)
		*at = a->good + a->used;
	a->used += wr.used;
	return 0;
}

int append_flush(struct append *a, struct km_err *err)
{
	if (a->used == 0)
		return 0;
	if (fileio_pwrite_full(a->fd, a->buf, a->used, (off_t)a->good) != 0)
		return km_err_set_errno(err, EX_IOERR, "%s: cannot append", a->name);
	a->good += a->used;
	a->used = 0;
	a->unsynced = true;
	return 0;
}

int append_sync(struct append *a, struct km_err *err)
{
	if (append_flush(a, err) != 0)
		return -1;
	if (!a->unsynced)
		return 0;
	if (fdatasync(a->fd) != 0)
		return km_err_set_errno(err, EX_IOERR, "%s: cannot sync", a->name);
	a->unsynced = false;
	return 0;
}

int append_sync_begin(struct append *a, int *fd, struct km_err *err)
{
	*fd = -1;
	if (append_flush(a, err) != 0)
		return -1;
	if (!a->unsynced || a->syncing)
		return 0;
	*fd = fcntl(a->fd, F_DUPFD_CLOEXEC, 0);
	if (*fd < 0)
		return km_err_set_errno(err, EX_OSERR, "%s: dup", a->name);
	a->unsynced = false;
	a->syncing = true;
	return 0;
}

void append_sync_end(struct append *a, bool synced)
{
	a->syncing = false;
	a->unsynced |= !synced;
}

int append_get(const struct append *a, uint64_t at, uint8_t *buf)
{
	uint8_t raw[APPEND_HEAD + APPEND_ROW_MAX];
	size_t n, len;

	if (at >= a->good) {
		if (at - a->good >= a->used)
			return -1;
		n = a->used - (size_t)(at - a->good);
		n = n < sizeof(raw) ? n : sizeof(raw);
		memcpy(raw, a->buf + (size_t)(at - a->good), n);
	} else {
		ssize_t got = fileio_pread_full(a->fd, raw, sizeof(raw), (off_t)at);

		if (got < 0)
			return -1;
		n = (size_t)got;
	}
	len = append_row_len(raw, n);
	if (len == 0)
		return -1;
	memcpy(buf, raw + APPEND_HEAD, len - APPEND_HEAD);
	return (int)(len - APPEND_HEAD);
}

int append_begin_swap(struct append *fresh, int dirfd, const char *name, const char *magic,
		      struct km_err *err)
{
	char temp[APPEND_NAME_MAX + 8];

	append_name(fresh, name);
	snprintf(temp, sizeof(temp), "%s.new", name);
	fresh->fd = fileio_open_beneath(dirfd, temp, O_RDWR | O_CREAT | O_TRUNC, 0640);
	if (fresh->fd < 0)
		return km_err_set_errno(err, EX_CANTCREAT, "%s: cannot make", temp);
	if (append_row(fresh, magic, strlen(magic), NULL) != 0) {
		append_close(fresh);
		return km_err_set(err, EX_OSERR, "%s: out of memory", temp);
	}
	return 0;
}

int append_swap(struct append *a, struct append *fresh, int dirfd, struct km_err *err)
{
	char temp[APPEND_NAME_MAX + 8];

	snprintf(temp, sizeof(temp), "%s.new", fresh->name);
	fresh->unsynced = true;
	if (append_sync(fresh, err) != 0) {
		append_close(fresh);
		return -1;
	}
	if (renameat(dirfd, temp, dirfd, fresh->name) != 0) {
		append_close(fresh);
		return km_err_set_errno(err, EX_IOERR, "%s: cannot rename", temp);
	}
	append_close(a);
	*a = *fresh;
	*fresh = (struct append){.fd = -1};
	return fileio_sync_dir(dirfd, err);
}

void append_close(struct append *a)
{
	km_close(&a->fd);
	free(a->buf);
	a->buf = NULL;
	a->used = a->cap = 0;
}
