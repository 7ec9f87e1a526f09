// SPDX-License-Identifier: ISC
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cursor.h"
#include "fileio.h"

#define PROGRESS_FILE "progress"
#define PROGRESS_MAGIC "katamichi rx progress 1"
#define PROGRESS_BOOT_LEN 36u

enum progress_row {
	PROGRESS_BOOT = 1,   /* text of the boot id */
	PROGRESS_BEGIN = 2,  /* facts */
	PROGRESS_EXTENT = 3, /* in the page cache of this boot */
	PROGRESS_SAFE = 4,   /* on the disk */
	PROGRESS_DONE = 5,   /* forget it */
};

static void progress_boot_id(char id[PROGRESS_BOOT_LEN])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	memset(id, '?', PROGRESS_BOOT_LEN);
	if (fd < 0)
		return;
	if (fileio_pread_full(fd, id, PROGRESS_BOOT_LEN, 0) != (ssize_t)PROGRESS_BOOT_LEN)
		memset(id, '?', PROGRESS_BOOT_LEN);
	km_close(&fd);
}

struct progress_load {
	struct shelf *shelf;
	bool same_boot;
	bool bad;
};

static int progress_load_facts(struct progress_load *load, struct object *o, struct rd *rd)
{
	uint8_t kind = rd_u8(rd);
	uint64_t size = rd_varint(rd);
	int64_t mtime_s = (int64_t)rd_u64(rd);
	uint32_t mtime_ns = rd_u32(rd);
	size_t path_len = rd_left(rd);
	const uint8_t *path = rd_bytes(rd, path_len);

	if (rd->bad || !path)
		return 1;
	load->bad |= object_begin(o, kind, size, mtime_s, mtime_ns, path, path_len) ==
		     KM_ERR_NOMEM;
	return 0;
}

static int progress_load_extent(struct progress_load *load, struct object *o, uint8_t type,
				struct rd *rd)
{
	uint64_t from = rd_varint(rd), to = rd_varint(rd);

	if (!rd_done(rd) || from >= to || (o->begun && to > o->size))
		return 1;
	if (type == PROGRESS_EXTENT && !load->same_boot)
		return 0;
	if (type == PROGRESS_EXTENT)
		o->unsynced = true;
	else
		load->bad |= extents_add(&o->safe, from, to) == KM_ERR_NOMEM;
	load->bad |= extents_add(&o->have, from, to) == KM_ERR_NOMEM;
	return 0;
}

static int progress_load_row(void *ctx, uint64_t at, const uint8_t *row, size_t len)
{
	struct progress_load *load = ctx;
	char boot[PROGRESS_BOOT_LEN];
	uint64_t chain, number;
	struct object *o;
	uint8_t type, what;
	struct rd rd;

	(void)at;
	rd_init(&rd, row, len);
	type = rd_u8(&rd);
	if (type == PROGRESS_BOOT) {
		progress_boot_id(boot);
		load->same_boot = boot[0] != '?' && len == 1 + PROGRESS_BOOT_LEN &&
				  memcmp(row + 1, boot, PROGRESS_BOOT_LEN) == 0;
		return 0;
	}
	what = rd_u8(&rd);
	chain = rd_varint(&rd);
	number = rd_varint(&rd);
	if (rd.bad || what > OBJECT_MANIFEST)
		return 1;
	o = shelf_find(load->shelf, what, chain, number);
	if (type == PROGRESS_DONE) {
		if (o)
			shelf_drop(load->shelf, o, false);
		return 0;
	}
	if (!o)
		o = shelf_add(load->shelf, what, chain, number);
	if (!o)
		return 0; /* over the limit of this run: as if never heard of */
	if (type == PROGRESS_BEGIN)
		return progress_load_facts(load, o, &rd);
	return progress_load_extent(load, o, type, &rd);
}

/*
 * Ranges count only when the part file really has those bytes. One with a second name is the
 * former content that a replacement took out of tree/, which has its other name in
 * generations/: never the object's own.
 */
static void progress_check_parts(struct shelf *shelf)
{
	struct object *o, *next = NULL;
	char name[OBJECT_PART_NAME_MAX];
	size_t cursor = 0;
	struct stat st;

	while ((o = shelf_each(shelf, &cursor, &next))) {
		object_part_name(name, o->what, o->chain, o->number);
		o->made = fstatat(shelf->incoming, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			  st.st_nlink == 1;
		if (o->made && S_ISREG(st.st_mode) &&
		    (uint64_t)st.st_size >= extents_end(&o->have))
			continue;
		extents_free(&o->have);
		extents_free(&o->safe);
		o->unsynced = false;
	}
}

int progress_read(int dir, struct shelf *shelf, struct km_err *err)
{
	struct progress_load load = {.shelf = shelf};

	if (append_read(dir, PROGRESS_FILE, PROGRESS_MAGIC, progress_load_row, &load,
			err) != 0)
		return -1;
	if (load.bad)
		return km_err_set(err, EX_OSERR, "progress: out of memory");
	progress_check_parts(shelf);
	return 0;
}

static void progress_head(struct wr *wr, uint8_t *row, const struct object *o, uint8_t type)
{
	wr_init(wr, row, APPEND_ROW_MAX);
	wr_u8(wr, type);
	wr_u8(wr, (uint8_t)o->what);
	wr_varint(wr, o->chain);
	wr_varint(wr, o->number);
}

static int progress_put_begin(struct append *log, const struct object *o)
{
	uint8_t row[APPEND_ROW_MAX];
	struct wr wr;

	progress_head(&wr, row, o, PROGRESS_BEGIN);
	wr_u8(&wr, o->kind);
	wr_varint(&wr, o->size);
	wr_u64(&wr, (uint64_t)o->mtime_s);
	wr_u32(&wr, o->mtime_ns);
	wr_bytes(&wr, o->path, o->path_len);
	return wr_ok(&wr) ? append_row(log, row, wr.used, NULL) : -1;
}

static int progress_put_extent(struct append *log, const struct object *o, uint8_t type,
			       uint64_t from, uint64_t to)
{
	uint8_t row[APPEND_ROW_MAX];
	struct wr wr;

	progress_head(&wr, row, o, type);
	wr_varint(&wr, from);
	wr_varint(&wr, to);
	return append_row(log, row, wr.used, NULL);
}

int progress_begin(struct progress *p, const struct object *o)
{
	return progress_put_begin(&p->log, o);
}

int progress_extent(struct progress *p, const struct object *o, uint64_t from, uint64_t to)
{
	return progress_put_extent(&p->log, o, PROGRESS_EXTENT, from, to);
}

int progress_done(struct progress *p, const struct object *o)
{
	uint8_t row[APPEND_ROW_MAX];
	struct wr wr;

	progress_head(&wr, row, o, PROGRESS_DONE);
	return append_row(&p->log, row, wr.used, NULL);
}

int progress_flush(struct progress *p, struct km_err *err)
{
	return append_flush(&p->log, err);
}

static int progress_put_extents(struct append *log, const struct object *o,
				const struct extents *set, uint8_t type)
{
	for (size_t i = 0; i < set->n; i++)
		if (progress_put_extent(log, o, type, set->v[i].from, set->v[i].to) != 0)
			return -1;
	return 0;
}

static int progress_put_object(struct append *log, const struct object *o)
{
	if (o->begun && progress_put_begin(log, o) != 0)
		return -1;
	if (!o->unsynced)
		return progress_put_extents(log, o, &o->have, PROGRESS_SAFE);
	if (progress_put_extents(log, o, &o->have, PROGRESS_EXTENT) != 0)
		return -1;
	return progress_put_extents(log, o, &o->safe, PROGRESS_SAFE);
}

/* The whole shelf into a fresh file, which takes the place of the present one. */
static int progress_rewrite(struct progress *p, struct shelf *shelf, struct km_err *err)
{
	uint8_t boot[1 + PROGRESS_BOOT_LEN] = {PROGRESS_BOOT};
	struct object *o, *next = NULL;
	struct append fresh;
	size_t cursor = 0;

	if (append_begin_swap(&fresh, p->dir, PROGRESS_FILE, PROGRESS_MAGIC, err) != 0)
		return -1;
	progress_boot_id((char *)boot + 1);
	if (append_row(&fresh, boot, sizeof(boot), NULL) != 0)
		goto fail;
	while ((o = shelf_each(shelf, &cursor, &next)))
		if (progress_put_object(&fresh, o) != 0)
			goto fail;
	if (append_swap(&p->log, &fresh, p->dir, err) != 0)
		return -1;
	p->fresh = p->log.good;
	return 0;
fail:
	append_close(&fresh);
	return km_err_set(err, EX_OSERR, "progress: out of memory");
}

int progress_open(struct progress *p, int dir, struct shelf *shelf, struct km_err *err)
{
	*p = (struct progress){.log = {.fd = -1}, .dir = dir};
	if (progress_read(dir, shelf, err) != 0)
		return -1;
	return progress_rewrite(p, shelf, err);
}

int progress_safe(struct progress *p, const struct object *o, const struct extents *set)
{
	return progress_put_extents(&p->log, o, set, PROGRESS_SAFE);
}

int progress_tidy(struct progress *p, struct shelf *shelf, struct km_err *err)
{
	if (p->log.good + p->log.used <= p->fresh * 2 + PROGRESS_GROWTH)
		return 0;
	return progress_rewrite(p, shelf, err);
}

struct progress_sync {
	struct progress *p;
	bool bad;
};

static void progress_note_safe(void *ctx, struct object *o)
{
	struct progress_sync *sync = ctx;

	sync->bad |= progress_safe(sync->p, o, &o->have) != 0;
}

int progress_sync(struct progress *p, struct shelf *shelf, struct km_err *err)
{
	struct progress_sync sync = {.p = p};

	if (shelf_sync(shelf, PROGRESS_SAFE_FROM, progress_note_safe, &sync) != 0)
		return km_err_set_errno(err, EX_IOERR, "a part file cannot be synced");
	if (sync.bad)
		return km_err_set(err, EX_OSERR, "progress: out of memory");
	if (progress_tidy(p, shelf, err) != 0)
		return -1;
	return append_sync(&p->log, err);
}

void progress_close(struct progress *p)
{
	append_close(&p->log);
}
