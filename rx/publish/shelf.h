// SPDX-License-Identifier: ISC
/*
 * shelf.h: all objects in progress of one channel, by (what, chain, number), and the few
 * descriptors that all channels share: the least recently used one is closed when another
 * is needed. Bounded: a full shelf takes no new object, and that is counted and said.
 *
 * rx publish; one thread.
 */
#ifndef SHELF_H
#define SHELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "object.h"

/* Objects in progress or waiting for their manifest, per channel: 16 full batches. */
#define SHELF_MAX 65536u

/* Part files open at once, over all channels; the process limit of 1,024 leaves room. */
#define SHELF_FDS_MAX 256u

/*
 * Ranges of all objects together: 16 MiB, and up to as much again twice while they are synced. A
 * decode that was broken into could else ask EXTENTS_MAX of them for each of SHELF_MAX objects.
 */
#define SHELF_RANGES_MAX (UINT32_C(1) << 20)

struct shelf_fds {
	struct object *newest, *oldest;
	unsigned open, max;
	size_t ranges; /* of all objects of all channels */
};

struct shelf {
	struct object **bucket;
	size_t buckets; /* power of two */
	size_t count, max;
	int incoming; /* borrowed */
	struct shelf_fds *fds;
};

KM_MUST_CHECK int shelf_init(struct shelf *shelf, int incoming, struct shelf_fds *fds,
			     size_t max, struct km_err *err);
void shelf_free(struct shelf *shelf);

struct object *shelf_find(const struct shelf *shelf, enum object_what what, uint64_t chain,
			  uint64_t number);

/* A new object under a key that is not there. NULL: the shelf is full (or no memory). */
struct object *shelf_add(struct shelf *shelf, enum object_what what, uint64_t chain,
			 uint64_t number);

/* Opens the part file if need be, closing another. -1 and errno. */
KM_MUST_CHECK int shelf_ready(struct shelf *shelf, struct object *o);

/* Whether bytes [from, to) of O may be taken: they join what is there, or one more range fits. */
bool shelf_takes(const struct shelf *shelf, const struct object *o, uint64_t from,
		 uint64_t to);

/* To be called when the ranges of O have changed. */
void shelf_count(struct shelf *shelf, struct object *o);

/* Closes the descriptor of O; the object stays. */
void shelf_close(struct shelf *shelf, struct object *o);

/* Forgets O; its part file is removed when `unlink_part`. */
void shelf_drop(struct shelf *shelf, struct object *o, bool unlink_part);

/* Every object once, in no order: start with *cursor = 0; NULL = the end. Dropping the
 * object just given is allowed. */
struct object *shelf_each(const struct shelf *shelf, size_t *cursor, struct object **next);

/*
 * fdatasync of every part file with more than `above` bytes that needs it. -1: some
 * failed.
 */
KM_MUST_CHECK int shelf_sync(struct shelf *shelf, uint64_t above,
			     void (*synced)(void *ctx, struct object *o), void *ctx);

#endif
