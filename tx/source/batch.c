// SPDX-License-Identifier: ISC
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "name.h"

struct batch *batch_new(void)
{
	struct batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return NULL;
	batch->object = calloc(WIRE_BATCH_OBJECTS_MAX, sizeof(*batch->object));
	batch->paths = malloc(BATCH_PATHS_MAX);
	if (!batch->object || !batch->paths) {
		batch_free(batch);
		return NULL;
	}
	return batch;
}

void batch_free(struct batch *batch)
{
	if (!batch)
		return;
	free(batch->object);
	free(batch->paths);
	free(batch);
}

void batch_reset(struct batch *batch)
{
	batch->chain = batch->manifest = batch->first = 0;
	batch->count = 0;
	batch->paths_used = 0;
	batch->bytes = 0;
}

enum km_rc batch_add(struct batch *batch, const struct batch_object *object,
		     const void *path, size_t path_len)
{
	struct batch_object *o;

	if (batch->count == WIRE_BATCH_OBJECTS_MAX || path_len > WIRE_PATH_MAX ||
	    BATCH_PATHS_MAX - batch->paths_used < path_len + 1)
		return KM_ERR_FULL;
	o = &batch->object[batch->count++];
	*o = *object;
	o->path_at = (uint32_t)batch->paths_used;
	o->path_len = (uint16_t)path_len;
	memcpy(batch->paths + batch->paths_used, path, path_len);
	batch->paths[batch->paths_used + path_len] = '\0';
	batch->paths_used += path_len + 1;
	batch->bytes += o->size;
	return KM_OK;
}

static int order(const void *a, const void *b, void *ctx)
{
	const struct batch_object *x = a, *y = b;
	const struct batch *batch = ctx;

	return name_compare(batch->paths + x->path_at, x->path_len,
			    batch->paths + y->path_at, y->path_len);
}

void batch_sort(struct batch *batch)
{
	qsort_r(batch->object, batch->count, sizeof(*batch->object), order, batch);
}

void batch_drop(struct batch *batch, const bool *mark)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < batch->count; i++) {
		if (mark[i])
			batch->bytes -= batch->object[i].size;
		else
			batch->object[kept++] = batch->object[i];
	}
	batch->count = kept;
}

size_t batch_write(char *out, const struct batch *batch)
{
	size_t used;

	used = (size_t)snprintf(out, BATCH_TEXT_MAX,
				"B %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", batch->manifest,
				batch->first, batch->first + batch->count - 1);
	for (unsigned i = 0; i < batch->count; i++) {
		const struct batch_object *o = &batch->object[i];

		used += (size_t)snprintf(out + used, BATCH_TEXT_MAX - used,
					 "O %c %" PRIu64 " %" PRId64 " %" PRIu32 " %" PRIu64
					 " ",
					 o->kind == RECORD_OBJECT_DIR ? 'd' : 'f', o->size,
					 o->mtime_s, o->mtime_ns, o->ino);
		memcpy(out + used, batch->paths + o->path_at, o->path_len);
		used += o->path_len;
		out[used++] = '\n';
	}
	return used;
}

/* A decimal number and the one byte `end` behind it. */
static bool take_number(const char **p, const char *end, char stop, uint64_t *value)
{
	const char *at = *p;
	uint64_t v = 0;

	while (at < end && *at >= '0' && *at <= '9') {
		const uint64_t digit = (uint64_t)(*at - '0');

		if (v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
		at++;
	}
	if (at == *p || at == end || *at != stop)
		return false;
	*value = v;
	*p = at + 1;
	return true;
}

static enum km_rc read_object(struct batch *batch, const char **p, const char *end)
{
	const char *eol = memchr(*p, '\n', (size_t)(end - *p));
	struct batch_object o = {0};
	uint64_t mtime, nanos;
	const char *at = *p;

	if (!eol || eol - at < 4 || memcmp(at, "O ", 2) != 0 || at[3] != ' ' ||
	    (at[2] != 'f' && at[2] != 'd'))
		return KM_ERR_MALFORMED;
	o.kind = at[2] == 'd' ? RECORD_OBJECT_DIR : RECORD_OBJECT_FILE;
	at += 4;
	if (!take_number(&at, eol, ' ', &o.size) || !take_number(&at, eol, ' ', &mtime) ||
	    !take_number(&at, eol, ' ', &nanos) || !take_number(&at, eol, ' ', &o.ino) ||
	    mtime > INT64_MAX || nanos >= 1000000000u || o.size > WIRE_OBJECT_MAX ||
	    name_check((const uint8_t *)at, (size_t)(eol - at)) != NAME_OK)
		return KM_ERR_MALFORMED;
	o.mtime_s = (int64_t)mtime;
	o.mtime_ns = (uint32_t)nanos;
	*p = eol + 1;
	return batch_add(batch, &o, at, (size_t)(eol - at));
}

enum km_rc batch_read(struct batch *batch, const char *text, size_t len)
{
	const char *p = text, *end = text + len;
	uint64_t last;

	batch_reset(batch);
	if (len < 2 || memcmp(p, "B ", 2) != 0)
		return KM_ERR_MALFORMED;
	p += 2;
	if (!take_number(&p, end, ' ', &batch->manifest) ||
	    !take_number(&p, end, ' ', &batch->first) ||
	    !take_number(&p, end, '\n', &last) || batch->first == 0 ||
	    last < batch->first || last - batch->first >= WIRE_BATCH_OBJECTS_MAX)
		return KM_ERR_MALFORMED;
	while (p < end) {
		const enum km_rc rc = read_object(batch, &p, end);

		if (rc != KM_OK)
			return rc;
	}
	return batch->count == last - batch->first + 1 ? KM_OK : KM_ERR_MALFORMED;
}

void batch_entries(struct manifest_entry *out, const struct batch *batch)
{
	for (unsigned i = 0; i < batch->count; i++) {
		const struct batch_object *o = &batch->object[i];
		struct manifest_entry *e = &out[i];

		memset(e, 0, sizeof(*e));
		e->number = batch->first + i;
		e->path = batch->paths + o->path_at;
		e->path_len = o->path_len;
		if (o->reason) {
			e->kind = MANIFEST_WITHDRAWN;
			e->reason = o->reason;
			continue;
		}
		e->mtime_s = o->mtime_s;
		e->mtime_ns = o->mtime_ns;
		if (o->kind == RECORD_OBJECT_DIR) {
			e->kind = MANIFEST_DIR;
			continue;
		}
		e->kind = digest_is_tree(o->size) ? MANIFEST_TREE : MANIFEST_FLAT;
		memcpy(e->digest, o->digest, DIGEST_LEN);
	}
}
