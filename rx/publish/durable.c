// SPDX-License-Identifier: ISC
#include "durable.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "record.h"

/* Objects that one slice of a round looks at. */
#define DURABLE_SLICE 4096u

enum durable_log { DURABLE_OBJECTS, DURABLE_MANIFESTS, DURABLE_PROGRESS };

static struct append *durable_append(struct flow *flow, unsigned what)
{
	switch ((enum durable_log)what) {
	case DURABLE_OBJECTS:
		return &flow->ledger.objects;
	case DURABLE_MANIFESTS:
		return &flow->ledger.manifests;
	case DURABLE_PROGRESS:
		return &flow->progress.log;
	}
	return NULL;
}

/* Hands in the part file of O; o->syncing tells the result from those of former ones. */
static bool durable_submit(struct flow *flow, struct object *o, enum durable_kind kind)
{
	struct syncer_tag tag = {.owner = flow,
				 .kind = kind,
				 .what = o->what,
				 .chain = o->chain,
				 .number = o->number,
				 .ticket = ++flow->shared->ticket};
	char name[OBJECT_PART_NAME_MAX];

	object_part_name(name, o->what, o->chain, o->number);
	if (!syncer_file(flow->shared->syncer, &tag, flow->root.incoming, name)) {
		flow->crowded = true;
		return false;
	}
	o->syncing = tag.ticket;
	o->dirtied = false;
	return true;
}

void durable_whole(struct flow *flow, struct object *o)
{
	/* What its manifest is expected to say: then it need not be set again later. */
	const struct timespec times[2] = {
		{.tv_nsec = UTIME_OMIT},
		{.tv_sec = o->mtime_s, .tv_nsec = (long)o->mtime_ns}};
	struct stat st;

	if (o->durable || o->syncing)
		return;
	if (o->kind != RECORD_OBJECT_FILE) {
		o->durable = true; /* nothing of it is in a file */
		return;
	}
	if (!syncer_has_room(flow->shared->syncer)) {
		flow->crowded = true;
		return;
	}
	if (shelf_ready(&flow->shelf, o) != 0 || fstat(o->fd, &st) != 0 ||
	    ((uint64_t)st.st_size != o->size && ftruncate(o->fd, (off_t)o->size) != 0)) {
		flow_write_failed(flow, o);
		return; /* the next tick comes by again */
	}
	(void)!futimens(o->fd, times); /* place_judge.c looks whether it is right */
	shelf_close(&flow->shelf, o);  /* nobody writes to it any more */
	(void)durable_submit(flow, o, DURABLE_WHOLE);
}

/* ---- large objects in progress ---- */

static void durable_part(struct flow *flow, struct object *o)
{
	if (!o->unsynced || o->digested || o->syncing ||
	    extents_end(&o->have) <= PROGRESS_SAFE_FROM)
		return;
	extents_free(&o->sync_of);
	if (extents_copy(&o->sync_of, &o->have) == KM_OK &&
	    durable_submit(flow, o, DURABLE_PART))
		flow->parts++;
}

void durable_start_round(struct flow *flow)
{
	struct km_err err = KM_ERR_INIT;

	if (progress_tidy(&flow->progress, &flow->shelf, &err) != 0)
		log_event_limited(EVENT_STATE_UNWRITABLE, "%s channel=%s", err.text,
				  flow->conf->name);
	flow->round = true; /* one that is not through yet goes on where it is */
}

bool durable_round(struct flow *flow)
{
	struct object *o, *next = NULL;
	unsigned seen = 0;

	while (flow->round) {
		/* A bucket is finished before the round pauses, so that none is skipped. */
		if (!next && flow->parts >= DURABLE_PARTS_MAX)
			return false;
		if (!next && seen > DURABLE_SLICE)
			return true;
		o = shelf_each(&flow->shelf, &flow->round_at, &next);
		seen++;
		if (o) {
			durable_part(flow, o);
			continue;
		}
		flow->round = false;
		flow->round_at = 0;
	}
	return false;
}

/* ---- state files ---- */

static int durable_sync_log(struct flow *flow, enum durable_log what, struct km_err *err)
{
	struct syncer_tag tag = {.owner = flow, .kind = DURABLE_LOG, .what = what};
	struct append *a = durable_append(flow, what);
	int fd;

	if (append_sync_begin(a, &fd, err) != 0)
		return -1;
	if (fd >= 0 && !syncer_fd(flow->shared->syncer, &tag, fd, true))
		append_sync_end(a, false);
	return 0;
}

static void durable_save_heads(struct flow *flow)
{
	struct syncer_tag tag = {.owner = flow, .kind = DURABLE_HEADS};
	char *text;
	size_t len;

	if (flow->heads_busy)
		return;
	text = ledger_take_heads(&flow->ledger, &len);
	if (!text)
		return;
	flow->heads_busy = syncer_write(flow->shared->syncer, &tag, flow->dir, LEDGER_HEADS,
					text, len, 0640);
	flow->ledger.heads_changed |= !flow->heads_busy;
}

int durable_state(struct flow *flow, struct km_err *err)
{
	durable_save_heads(flow);
	if (durable_sync_log(flow, DURABLE_OBJECTS, err) != 0 ||
	    durable_sync_log(flow, DURABLE_MANIFESTS, err) != 0)
		return -1;
	return durable_sync_log(flow, DURABLE_PROGRESS, err);
}

/* ---- results ---- */

static void durable_state_failed(struct flow *flow, const char *name, int error)
{
	log_event_limited(EVENT_STATE_UNWRITABLE,
			  "%s: cannot sync: %s; it is tried again channel=%s", name,
			  strerror(error), flow->conf->name);
	voice_add(&flow->shared->voice, VOICE_WRITE_ERRORS, 1);
}

static void durable_object_failed(struct flow *flow, struct object *o,
				  const struct syncer_done *done)
{
	errno = done->error;
	flow_write_failed(flow, o);
	if (!done->opened)
		return; /* nothing was lost by it: the next tick comes by again */
	log_event(
		EVENT_OBJECT_DAMAGED,
		"the disk failed to keep it, all of it is missing now; a resend brings it "
		"again channel=%s chain=%" PRIu64 " object=%" PRIu64,
		flow->conf->name, o->chain, o->number);
	flow_drop(flow, o, true);
}

static void durable_object(struct flow *flow, const struct syncer_done *done)
{
	const struct syncer_tag *tag = &done->tag;
	struct object *o = shelf_find(&flow->shelf, (enum object_what)tag->what, tag->chain,
				      tag->number);

	if (!o || o->syncing != tag->ticket)
		return; /* that one is gone */
	o->syncing = 0;
	if (done->error != 0) {
		durable_object_failed(flow, o, done);
		return;
	}
	o->unsynced = o->dirtied;
	extents_free(&o->safe);
	if (tag->kind == DURABLE_WHOLE) {
		extents_free(&o->sync_of);
		o->durable = true;
		(void)!progress_safe(&flow->progress, o, &o->have);
	} else {
		o->safe = o->sync_of;
		o->sync_of = (struct extents){0};
		(void)!progress_safe(&flow->progress, o, &o->safe);
	}
	flow_advance(flow, o);
}

void durable_take(const struct syncer_done *done)
{
	struct flow *flow = done->tag.owner;
	struct append *a;

	switch ((enum durable_kind)done->tag.kind) {
	case DURABLE_PART:
		flow->parts--;
		durable_object(flow, done);
		break;
	case DURABLE_WHOLE:
		durable_object(flow, done);
		break;
	case DURABLE_LOG:
		a = durable_append(flow, done->tag.what);
		append_sync_end(a, done->error == 0);
		if (done->error != 0)
			durable_state_failed(flow, a->name, done->error);
		break;
	case DURABLE_HEADS:
		flow->heads_busy = false;
		flow->ledger.heads_changed |= done->error != 0;
		if (done->error != 0)
			durable_state_failed(flow, LEDGER_HEADS, done->error);
		break;
	case DURABLE_PLACE:
		break; /* not ours */
	}
}
