// SPDX-License-Identifier: ISC
#include "shelf.h"

#include <stdlib.h>
#include <unistd.h>

#define SHELF_BUCKETS 16384u

static size_t shelf_hash(const struct shelf *shelf, enum object_what what, uint64_t chain,
			 uint64_t number)
{
	uint64_t h = (chain ^ (uint64_t)what << 63) * UINT64_C(0x9e3779b97f4a7c15) + number;

	h ^= h >> 31;
	h *= UINT64_C(0xbf58476d1ce4e5b9);
	h ^= h >> 29;
	return (size_t)(h & (shelf->buckets - 1));
}

int shelf_init(struct shelf *shelf, int incoming, struct shelf_fds *fds, size_t max,
	       struct km_err *err)
{
	*shelf = (struct shelf){.incoming = incoming, .fds = fds, .max = max};
	shelf->bucket = calloc(SHELF_BUCKETS, sizeof(*shelf->bucket));
	if (!shelf->bucket)
		return km_err_set(err, EX_OSERR, "out of memory for objects in progress");
	shelf->buckets = SHELF_BUCKETS;
	return 0;
}

void shelf_free(struct shelf *shelf)
{
	struct object *o, *next = NULL;
	size_t cursor = 0;

	if (!shelf->bucket)
		return;
	while ((o = shelf_each(shelf, &cursor, &next)))
		shelf_drop(shelf, o, false);
	free(shelf->bucket);
	*shelf = (struct shelf){0};
}

struct object *shelf_find(const struct shelf *shelf, enum object_what what, uint64_t chain,
			  uint64_t number)
{
	struct object *o = shelf->bucket[shelf_hash(shelf, what, chain, number)];

	while (o && (o->what != what || o->chain != chain || o->number != number))
		o = o->next;
	return o;
}

struct object *shelf_add(struct shelf *shelf, enum object_what what, uint64_t chain,
			 uint64_t number)
{
	struct object **at = &shelf->bucket[shelf_hash(shelf, what, chain, number)];
	struct object *o;

	if (shelf->count >= shelf->max)
		return NULL;
	o = object_new(what, chain, number);
	if (!o)
		return NULL;
	o->next = *at;
	*at = o;
	shelf->count++;
	return o;
}

static void shelf_unlink_lru(struct shelf_fds *fds, struct object *o)
{
	if (o->lru_prev)
		o->lru_prev->lru_next = o->lru_next;
	else
		fds->newest = o->lru_next;
	if (o->lru_next)
		o->lru_next->lru_prev = o->lru_prev;
	else
		fds->oldest = o->lru_prev;
	o->lru_prev = o->lru_next = NULL;
}

static void shelf_link_lru(struct shelf_fds *fds, struct object *o)
{
	o->lru_prev = NULL;
	o->lru_next = fds->newest;
	if (fds->newest)
		fds->newest->lru_prev = o;
	else
		fds->oldest = o;
	fds->newest = o;
}

void shelf_close(struct shelf *shelf, struct object *o)
{
	if (o->fd < 0)
		return;
	shelf_unlink_lru(shelf->fds, o);
	shelf->fds->open--;
	km_close(&o->fd);
}

int shelf_ready(struct shelf *shelf, struct object *o)
{
	struct shelf_fds *fds = shelf->fds;

	if (o->fd >= 0) {
		if (fds->newest != o) {
			shelf_unlink_lru(fds, o);
			shelf_link_lru(fds, o);
		}
		return 0;
	}
	while (fds->open >= fds->max)
		shelf_close(shelf, fds->oldest);
	if (object_open(o, shelf->incoming) != 0)
		return -1;
	shelf_link_lru(fds, o);
	fds->open++;
	return 0;
}

bool shelf_takes(const struct shelf *shelf, const struct object *o, uint64_t from,
		 uint64_t to)
{
	return shelf->fds->ranges < SHELF_RANGES_MAX ||
	       extents_touches(&o->have, from > 0 ? from - 1 : 0, to + 1);
}

void shelf_count(struct shelf *shelf, struct object *o)
{
	shelf->fds->ranges += o->have.n - o->counted;
	o->counted = o->have.n;
}

void shelf_drop(struct shelf *shelf, struct object *o, bool unlink_part)
{
	struct object **at =
		&shelf->bucket[shelf_hash(shelf, o->what, o->chain, o->number)];
	char name[OBJECT_PART_NAME_MAX];

	while (*at && *at != o)
		at = &(*at)->next;
	if (*at) {
		*at = o->next;
		shelf->count--;
	}
	shelf->fds->ranges -= o->counted;
	shelf_close(shelf, o);
	if (unlink_part && o->made) {
		object_part_name(name, o->what, o->chain, o->number);
		(void)unlinkat(shelf->incoming, name, 0); /* not there: as wished */
	}
	object_free(o);
}

struct object *shelf_each(const struct shelf *shelf, size_t *cursor, struct object **next)
{
	struct object *o = *next;

	while (!o && *cursor < shelf->buckets)
		o = shelf->bucket[(*cursor)++];
	*next = o ? o->next : NULL;
	return o;
}

int shelf_sync(struct shelf *shelf, uint64_t above,
	       void (*synced)(void *ctx, struct object *o), void *ctx)
{
	struct object *o, *next = NULL;
	size_t cursor = 0;
	int rc = 0;

	while ((o = shelf_each(shelf, &cursor, &next))) {
		if (!o->unsynced || extents_end(&o->have) <= above)
			continue;
		if (shelf_ready(shelf, o) != 0 || fdatasync(o->fd) != 0) {
			rc = -1;
			continue;
		}
		o->unsynced = o->dirtied = false;
		if (synced)
			synced(ctx, o);
	}
	return rc;
}
