// SPDX-License-Identifier: ISC
#include "flow.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "digest_file.h"
#include "durable.h"
#include "fileio.h"
#include "log.h"
#include "manifests.h"
#include "quarantine.h"
#include "waiver.h"

#define FLOW_SCAN_OBJECTS 4096u
#define FLOW_SCAN_BYTES (UINT64_C(16) << 20)

/* No byte for so long: whatever was on the way has come. */
#define FLOW_QUIET_NS UINT64_C(1000000000)

/* Lines that name one object or manifest each: far more than honest damage makes, and a bound
 * for a decode that was broken into. */
static const struct log_rate flow_named = {1000, UINT64_C(100000000000)};

/* A manifest is repeated after 1 s: missing is what is still missing after 5. */
#define FLOW_WATCH_NS UINT64_C(5000000000)

int flow_enqueue(struct flow *flow, uint64_t chain, uint64_t number)
{
	return jobs_add(&flow->jobs, chain, number);
}

void flow_drop(struct flow *flow, struct object *o, bool unlink_part)
{
	(void)!progress_done(&flow->progress,
			     o); /* without the row it is dropped again later */
	shelf_drop(&flow->shelf, o, unlink_part);
}

/*
 * Content with a mode of its own and only one name: prepared by us and killed before it became
 * visible, or, where somebody replaced a visible file behind our back and the crash came in that
 * very moment, what an exchange took out. Kept, but not by the name that says that its object
 * was refused: that is missing, and may come again.
 */
static void flow_keep_stray(struct flow *flow, const char *name)
{
	char as[OBJECT_PART_NAME_MAX + sizeof(".stray")];
	struct km_err err = KM_ERR_INIT;

	if (snprintf(as, sizeof(as), "%s.stray", name) < (int)sizeof(as))
		(void)!quarantine_move(flow->root.quarantine, flow->root.incoming, name, as,
				       QUARANTINE_STRAY, NULL, 0, &err);
}

/*
 * Part files that nothing knows: what a crash left. Content with a second name is a former one
 * that stands in generations/: it must be gone before its object is written to again.
 */
static int flow_clean_incoming(struct flow *flow, struct km_err *err)
{
	int fd = fileio_open_beneath(flow->root.incoming, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!dir) {
		km_close(&fd);
		return km_err_set_errno(err, EX_IOERR, ".incoming: cannot read");
	}
	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;
		enum object_what what =
			strstr(name, ".manifest.") ? OBJECT_MANIFEST : OBJECT_DATA;
		uint64_t chain, number;
		struct stat st;

		if (sscanf(name, "%" SCNu64 "-%" SCNu64, &chain, &number) != 2 ||
		    fstatat(flow->root.incoming, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    (st.st_nlink == 1 && shelf_find(&flow->shelf, what, chain, number)))
			continue;
		if ((st.st_mode & 07777) != 0600 && st.st_nlink == 1)
			flow_keep_stray(flow, name);
		else
			(void)unlinkat(flow->root.incoming, name, 0);
	}
	closedir(dir);
	return 0;
}

static void flow_say_cut(const struct flow *flow, const struct append *a)
{
	if (a->cut > 0)
		log_event(EVENT_STATE_CUT,
			  "torn end cut off channel=%s file=%s bytes=%" PRIu64,
			  flow->conf->name, a->name, a->cut);
}

/* Objects with a receipt need no progress; the others go on. */
static void flow_sort_shelf(struct flow *flow)
{
	struct object *o, *next = NULL;
	size_t cursor = 0;

	while ((o = shelf_each(&flow->shelf, &cursor, &next))) {
		if (o->what == OBJECT_DATA &&
		    ledger_settled(&flow->ledger, o->chain, o->number)) {
			flow_drop(flow, o, true);
			continue;
		}
		shelf_count(&flow->shelf, o);
		if (o->what == OBJECT_DATA)
			ledger_note(&flow->ledger, o->chain, o->number);
	}
	flow->behind = true;
}

int flow_open(struct flow *flow, const struct rx_config_channel *conf,
	      struct flow_shared *shared, int state_dir, struct km_err *err)
{
	*flow = (struct flow){.conf = conf,
			      .shared = shared,
			      .dir = -1,
			      .root = ROOT_INIT,
			      .damage_ns = CLOCK_NEVER,
			      .names = {.log = {.fd = -1}},
			      .progress = {.log = {.fd = -1}},
			      .ledger = {.objects = {.fd = -1}, .manifests = {.fd = -1}}};
	flow->dir = fileio_mkdir_beneath(state_dir, conf->name, 0750, err);
	if (flow->dir < 0)
		goto fail;
	if (root_open(&flow->root, conf, err) != 0 ||
	    shelf_init(&flow->shelf, flow->root.incoming, &shared->fds, SHELF_MAX, err) !=
		    0 ||
	    ledger_open(&flow->ledger, flow->dir, err) != 0 ||
	    names_open(&flow->names, flow->dir, err) != 0 ||
	    progress_open(&flow->progress, flow->dir, &flow->shelf, err) != 0)
		goto fail;
	flow_say_cut(flow, &flow->ledger.objects);
	flow_say_cut(flow, &flow->ledger.manifests);
	flow_say_cut(flow, &flow->names.log);
	waiver_resume(flow);
	flow_sort_shelf(flow);
	if (flow_clean_incoming(flow, err) != 0 || manifests_resume(flow, err) != 0)
		goto fail;
	return 0;
fail:
	km_err_prefix(err, "channel %s", conf->name);
	flow_close(flow);
	return -1;
}

void flow_close(struct flow *flow)
{
	shelf_free(&flow->shelf);
	progress_close(&flow->progress);
	names_close(&flow->names);
	ledger_close(&flow->ledger);
	root_close(&flow->root);
	km_close(&flow->dir);
	jobs_free(&flow->jobs);
	jobs_free(&flow->scans);
}

static void flow_set_full(struct flow *flow, bool full)
{
	if (flow->full == full)
		return;
	flow->full = full;
	voice_set(&flow->shared->voice, VOICE_DISK_FULL, full);
	if (full)
		log_event(
			EVENT_DISK_FULL,
			"no room under %s: data of this channel is dropped until there is; "
			"what is missing then can be sent again channel=%s "
			"min_free=%" PRIu64,
			flow->conf->root, flow->conf->name, flow->conf->min_free);
	else
		log_event(EVENT_DISK_OK, "there is room again channel=%s",
			  flow->conf->name);
}

void flow_write_failed(struct flow *flow, struct object *o)
{
	char path[LOG_QUOTE_MAX(WIRE_PATH_MAX)];
	int why = errno;

	voice_add(&flow->shared->voice, VOICE_WRITE_ERRORS, 1);
	if (!o->held)
		log_event_limited(EVENT_OBJECT_HELD,
				  "cannot write: %s; what is there stays channel=%s "
				  "chain=%" PRIu64 " object=%" PRIu64 " path=%s",
				  strerror(why), flow->conf->name, o->chain, o->number,
				  log_quote(path, sizeof(path),
					    o->path ? o->path : (const uint8_t *)"",
					    o->path ? o->path_len : 0));
	o->held = true;
	if (why == ENOSPC || why == EDQUOT)
		flow_set_full(flow, true);
}

/* Room is looked at from time to time, not per write. */
static void flow_check_room(struct flow *flow)
{
	struct km_err err = KM_ERR_INIT;
	uint64_t room, total;

	flow->checked = 0;
	if (fileio_space(flow->root.incoming, &room, &total, &err) == 0)
		flow_set_full(flow, room <= flow->conf->min_free);
}

static void flow_take_manifest(struct flow *flow, struct object *o)
{
	struct voice *voice = &flow->shared->voice;
	enum manifests_verdict verdict = manifests_accept(flow, o);

	if (verdict == MANIFESTS_LATER)
		return; /* the scan of the next tick takes it up again */
	if (verdict == MANIFESTS_KNOWN)
		voice_add(voice, VOICE_DUPLICATES, 1);
	flow_drop(flow, o, true);
}

void flow_advance(struct flow *flow, struct object *o)
{
	if (flow->checked > FLOW_SCAN_BYTES)
		flow_check_room(flow);
	if (o->what == OBJECT_MANIFEST) {
		if (object_complete(o))
			flow_take_manifest(flow, o);
		return;
	}
	if (!o->digested && o->begun &&
	    (o->size == 0 || extents_run(&o->have, 0) > o->hashed)) {
		if ((o->size > 0 && shelf_ready(&flow->shelf, o) != 0) ||
		    object_catch_up(o, OBJECT_CATCH_UP) != KM_OK) {
			flow_write_failed(flow, o);
			return; /* the next tick comes by again */
		}
	}
	if (!o->digested) {
		flow->behind |= object_complete(o);
		return;
	}
	if (!o->durable) {
		durable_whole(flow, o);
		if (!o->durable)
			return; /* comes again when it is */
	}
	if (o->queued || !ledger_covering(&flow->ledger, o->chain, o->number))
		return; /* waits for its manifest */
	o->queued = flow_enqueue(flow, o->chain, o->number) == 0;
}

/*
 * The begin record was lost, but the manifest is here: it has no size, but it has a
 * digest. When all bytes from 0 to the last one are there and match, that was all of it.
 */
static void flow_try_without_begin(struct flow *flow, struct object *o, uint64_t now_ns)
{
	const struct manifest_entry *entry;
	uint8_t digest[DIGEST_LEN];
	struct km_err err = KM_ERR_INIT;
	uint64_t size = extents_run(&o->have, 0);

	if (o->begun || o->have.n != 1 || o->tried == size || size == 0 ||
	    now_ns - o->touched_ns < FLOW_QUIET_NS)
		return;
	entry = manifests_entry(flow, o->chain, o->number);
	if (!entry || (entry->kind != MANIFEST_FLAT && entry->kind != MANIFEST_TREE))
		return;
	o->tried = size;
	if (shelf_ready(&flow->shelf, o) != 0 ||
	    digest_file(digest, o->fd, size, &err) != 0 ||
	    memcmp(digest, entry->digest, DIGEST_LEN) != 0)
		return;
	if (object_begin(o, 0, size, entry->mtime_s, entry->mtime_ns, entry->path,
			 entry->path_len) != KM_OK)
		return;
	memcpy(o->digest, digest, DIGEST_LEN);
	o->hashed = size;
	o->digested = true;
	flow_advance(flow, o);
}

bool flow_scan(struct flow *flow, uint64_t now_ns)
{
	struct object *o, *next = NULL;
	uint64_t bytes = 0;
	size_t seen = 0, cursor = flow->scan_at;

	while ((o = shelf_each(&flow->shelf, &cursor, &next))) {
		uint64_t before = o->hashed;

		seen++;
		if (o->what == OBJECT_DATA && !o->begun) {
			flow_try_without_begin(flow, o, now_ns);
		} else if (o->what == OBJECT_MANIFEST || !o->digested) {
			bool manifest = o->what == OBJECT_MANIFEST;

			flow_advance(flow, o);
			if (manifest) /* O may be gone */
				continue;
			bytes += o->hashed - before;
		} else if (!o->queued) {
			flow_advance(flow, o);
		}
		/* A bucket is finished before the scan pauses, so that none is skipped. */
		if (!next && (seen > FLOW_SCAN_OBJECTS || bytes > FLOW_SCAN_BYTES)) {
			flow->scan_at = cursor;
			return true;
		}
	}
	flow->scan_at = 0;
	return false;
}

/* Incomplete, and nothing comes any more: named once, with its holes. */
static void flow_say_damaged(struct flow *flow, uint64_t now_ns)
{
	static struct log_limit limit;
	char path[LOG_QUOTE_MAX(WIRE_PATH_MAX)];
	struct object *o, *next = NULL;
	size_t cursor = 0;

	while ((o = shelf_each(&flow->shelf, &cursor, &next))) {
		uint64_t end = o->begun ? o->size : extents_end(&o->have);

		if (o->what != OBJECT_DATA || o->damaged || object_complete(o) ||
		    now_ns - o->touched_ns < FLOW_QUIET_NS)
			continue;
		o->damaged = true;
		log_write_rated(&limit, &flow_named, event_level(EVENT_OBJECT_DAMAGED),
				EVENT_OBJECT_DAMAGED,
				"bytes are missing; a resend fills the holes channel=%s "
				"chain=%" PRIu64 " object=%" PRIu64 " path=%s have=%" PRIu64
				" size=%" PRIu64 " holes=%zu",
				flow->conf->name, o->chain, o->number,
				log_quote(path, sizeof(path),
					  o->path ? o->path : (const uint8_t *)"",
					  o->path ? o->path_len : 0),
				extents_total(&o->have), end,
				o->have.n + 1 - (extents_covers(&o->have, 0, 1) ? 1 : 0) -
					(extents_end(&o->have) == end ? 1 : 0));
	}
}

/* Manifests announced FLOW_WATCH_NS ago and still not here: each range is said once. */
static void flow_say_missing_manifests(struct flow *flow)
{
	static struct log_limit limit;

	for (unsigned i = 0; i < flow->ledger.chains; i++) {
		struct ledger_chain *c = flow->ledger.chain[i];
		uint64_t from = 1, a, b, x, y;

		while (extents_hole(&c->stored, from, c->watched + 1, &a, &b)) {
			from = b;
			if (!extents_hole(&c->told, a, b, &x, &y))
				continue;
			log_write_rated(&limit, &flow_named,
					event_level(EVENT_MANIFEST_MISSING),
					EVENT_MANIFEST_MISSING,
					"announced and not here channel=%s chain=%" PRIu64
					" manifests=%" PRIu64 "-%" PRIu64,
					flow->conf->name, c->id, a, b - 1);
			(void)!extents_add(&c->told, a, b);
		}
		c->watched = c->manifests;
	}
}

void flow_tick(struct flow *flow, uint64_t now_ns)
{
	struct km_err err = KM_ERR_INIT;
	bool failed;

	flow->behind = true;
	flow_check_room(flow);
	failed = durable_state(flow, &err) != 0;
	if (failed && !flow->state_failed)
		log_event(EVENT_STATE_UNWRITABLE, "%s; it is tried again channel=%s",
			  err.text, flow->conf->name);
	flow->state_failed = failed;
	if (now_ns >= flow->damage_ns) {
		flow->damage_ns = CLOCK_NEVER;
		flow_say_damaged(flow, now_ns);
	}
	if (now_ns >= flow->watch_ns) {
		flow->watch_ns = clock_add(now_ns, FLOW_WATCH_NS);
		flow_say_missing_manifests(flow);
	}
}
