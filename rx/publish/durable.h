// SPDX-License-Identifier: ISC
/*
 * durable.h: what of a channel goes to the disk in the background (syncer.h): the content of
 * objects, as soon as they are whole; ranges of large ones, in a round every few seconds; the
 * state files. Submits, and takes what became of it. Nothing here waits.
 *
 * An object is placed only when it is durable: its content is on the disk before a name of it
 * can be. A sync that failed may have lost what the page cache held, and says so only once:
 * such an object is forgotten, by name, and is missing; it is never synced again and believed.
 *
 * rx publish; one thread.
 */
#ifndef DURABLE_H
#define DURABLE_H

#include <stdbool.h>

#include "flow.h"
#include "syncer.h"

/* Kinds of tags; the owner is the flow, except of the last one, which is place.c's. */
enum durable_kind {
	DURABLE_WHOLE = 1, /* a digested object */
	DURABLE_PART,	   /* ranges of a large one */
	DURABLE_LOG,	   /* what = enum durable_log */
	DURABLE_HEADS,
	DURABLE_PLACE,
};

/* Large objects in progress that are synced at once, per channel. */
#define DURABLE_PARTS_MAX 16u

/* O is whole and digested: its content goes to the disk, unless it is there or on its way. */
void durable_whole(struct flow *flow, struct object *o);

/* A new round over large objects in progress begins. */
void durable_start_round(struct flow *flow);

/* A slice of the round; true when more can be done at once. */
bool durable_round(struct flow *flow);

/* The state files, as far as they changed. -1: one cannot be written (not: synced). */
KM_MUST_CHECK int durable_state(struct flow *flow, struct km_err *err);

/* Takes one result; the owner is a flow. */
void durable_take(const struct syncer_done *done);

#endif
