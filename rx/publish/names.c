// SPDX-License-Identifier: ISC
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "fileio.h"

#define NAMES_FILE "names"
#define NAMES_MAGIC "katamichi rx names 1"

struct names_slot {
	uint64_t hash; /* 0 = free */
	uint64_t at;
};

static uint64_t names_hash(const uint8_t *path, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		h = (h ^ path[i]) * UINT64_C(0x100000001b3);
	h ^= h >> 32;
	return h ? h : 1;
}

/* Path of a stored row: points into row. False when the row is not well formed. */
static bool names_decode(struct names_row *out, const uint8_t **path, size_t *path_len,
			 const uint8_t *row, size_t len)
{
	struct rd rd;

	rd_init(&rd, row, len);
	out->kind = rd_u8(&rd);
	out->prev = rd_u64(&rd);
	out->chain = rd_varint(&rd);
	out->number = rd_varint(&rd);
	out->visible.chain = rd_varint(&rd);
	out->visible.number = rd_varint(&rd);
	out->visible.size = rd_varint(&rd);
	out->visible.inode = rd_varint(&rd);
	out->visible.mtime_s = (int64_t)rd_u64(&rd);
	out->visible.mtime_ns = rd_u32(&rd);
	rd_copy(&rd, out->visible.digest, DIGEST_LEN);
	*path_len = rd_left(&rd);
	*path = rd_bytes(&rd, *path_len);
	return !rd.bad && *path_len > 0 && *path_len <= WIRE_PATH_MAX;
}

/* Slot of the path, or the free one where it would go. */
static struct names_slot *names_slot(const struct names *names, const uint8_t *path,
				     size_t len)
{
	uint64_t hash = names_hash(path, len);
	size_t i = (size_t)hash & (names->slots - 1);

	for (;; i = (i + 1) & (names->slots - 1)) {
		struct names_slot *slot = &names->slot[i];
		uint8_t row[APPEND_ROW_MAX];
		struct names_row decoded;
		const uint8_t *stored;
		size_t stored_len;
		int n;

		if (slot->hash == 0)
			return slot;
		if (slot->hash != hash)
			continue;
		n = append_get(&names->log, slot->at, row);
		if (n > 0 && names_decode(&decoded, &stored, &stored_len, row, (size_t)n) &&
		    stored_len == len && memcmp(stored, path, len) == 0)
			return slot;
	}
}

static int names_grow(struct names *names)
{
	size_t slots = names->slots ? names->slots * 2 : 4096;
	struct names_slot *fresh = calloc(slots, sizeof(*fresh));

	if (!fresh)
		return -1;
	for (size_t i = 0; i < names->slots; i++) {
		size_t to = (size_t)names->slot[i].hash & (slots - 1);

		if (names->slot[i].hash == 0)
			continue;
		while (fresh[to].hash)
			to = (to + 1) & (slots - 1);
		fresh[to] = names->slot[i];
	}
	free(names->slot);
	names->slot = fresh;
	names->slots = slots;
	return 0;
}

/* The path's latest row is now `at`. */
static int names_index(struct names *names, const uint8_t *path, size_t len, uint64_t at)
{
	struct names_slot *slot;

	if (names->used * 2 >= names->slots && names_grow(names) != 0)
		return -1;
	slot = names_slot(names, path, len);
	if (slot->hash == 0) {
		slot->hash = names_hash(path, len);
		names->used++;
	}
	slot->at = at;
	return 0;
}

static int names_load(void *ctx, uint64_t at, const uint8_t *row, size_t len)
{
	struct names *names = ctx;
	struct names_row decoded;
	const uint8_t *path;
	size_t path_len;

	if (!names_decode(&decoded, &path, &path_len, row, len))
		return 1;
	names->bad |= names_index(names, path, path_len, at) != 0;
	return 0;
}

static int names_start(struct names *names, struct km_err *err)
{
	*names = (struct names){.log = {.fd = -1}};
	if (names_grow(names) != 0)
		return km_err_set(err, EX_OSERR, "names: out of memory");
	return 0;
}

int names_open(struct names *names, int dir, struct km_err *err)
{
	struct append log;

	if (names_start(names, err) != 0)
		return -1;
	/*
	 * Rows are looked at again while the index is made (append_get on names->log), so the
	 * file is read through a second handle first.
	 */
	if (append_open(&names->log, dir, NAMES_FILE, NAMES_MAGIC, NULL, NULL, err) != 0)
		goto fail;
	if (append_open(&log, dir, NAMES_FILE, NAMES_MAGIC, names_load, names, err) != 0)
		goto fail;
	names->log.good =
		log.good; /* less when a row made no sense: then the file ends there */
	names->log.cut += log.cut;
	append_close(&log);
	if (!names->bad)
		return 0;
	km_err_set(err, EX_OSERR, "names: out of memory");
fail:
	names_close(names);
	return -1;
}

int names_open_existing(struct names *names, int dir, struct km_err *err)
{
	if (names_start(names, err) != 0)
		return -1;
	names->log.fd = fileio_open_beneath(dir, NAMES_FILE, O_RDONLY, 0);
	if (names->log.fd < 0 && errno == ENOENT)
		return 0;
	names->log.good = UINT64_MAX; /* every row is looked for in the file */
	if (names->log.fd >= 0 &&
	    append_read(dir, NAMES_FILE, NAMES_MAGIC, names_load, names, err) == 0 &&
	    !names->bad)
		return 0;
	names_close(names);
	return km_err_set(err, EX_IOERR, "names: cannot be read");
}

static bool names_get(const struct names *names, uint64_t at, struct names_row *row)
{
	uint8_t bytes[APPEND_ROW_MAX];
	const uint8_t *path;
	size_t path_len;
	int n = append_get(&names->log, at, bytes);

	return n > 0 && names_decode(row, &path, &path_len, bytes, (size_t)n);
}

bool names_find(const struct names *names, const uint8_t *path, size_t len,
		struct names_row *row)
{
	const struct names_slot *slot = names_slot(names, path, len);

	return slot->hash != 0 && names_get(names, slot->at, row);
}

bool names_prev(const struct names *names, const struct names_row *row,
		struct names_row *prev)
{
	return row->prev != NAMES_NONE && names_get(names, row->prev, prev);
}

int names_put(struct names *names, const uint8_t *path, size_t len,
	      const struct names_row *row)
{
	const struct names_slot *slot = names_slot(names, path, len);
	uint8_t bytes[APPEND_ROW_MAX];
	struct wr wr;
	uint64_t at;

	wr_init(&wr, bytes, sizeof(bytes));
	wr_u8(&wr, row->kind);
	wr_u64(&wr, slot->hash ? slot->at : NAMES_NONE);
	wr_varint(&wr, row->chain);
	wr_varint(&wr, row->number);
	wr_varint(&wr, row->visible.chain);
	wr_varint(&wr, row->visible.number);
	wr_varint(&wr, row->visible.size);
	wr_varint(&wr, row->visible.inode);
	wr_u64(&wr, (uint64_t)row->visible.mtime_s);
	wr_u32(&wr, row->visible.mtime_ns);
	wr_bytes(&wr, row->visible.digest, DIGEST_LEN);
	wr_bytes(&wr, path, len);
	if (!wr_ok(&wr) || append_row(&names->log, bytes, wr.used, &at) != 0)
		return -1;
	return names_index(names, path, len, at);
}

int names_sync(struct names *names, struct km_err *err)
{
	return append_sync(&names->log, err);
}

void names_close(struct names *names)
{
	append_close(&names->log);
	free(names->slot);
	names->slot = NULL;
	names->slots = names->used = 0;
}
