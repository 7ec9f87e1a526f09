// SPDX-License-Identifier: ISC
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "durable.h"
#include "fileio.h"
#include "log.h"
#include "place_item.h"
#include "quarantine.h"
#include "retain.h"
#include "waiver.h"

_Static_assert(KM_COUNT(((struct place *)0)->item) == PLACE_GROUP, "size of a group");

/* Directories of one group that must be synced: at most two per item. */
#define PLACE_DIRS (2u * PLACE_GROUP)

struct place *place_new(void)
{
	return calloc(1, sizeof(struct place));
}

/* Lets go of the item's directory; the first of those that share it closes it. */
static void place_close_dir(struct place_item *item)
{
	if (item->dir_shared)
		item->dir = -1;
	km_close(&item->dir);
}

static void place_end(struct place *place)
{
	for (unsigned i = 0; i < place->n; i++) {
		place_close_dir(&place->item[i]);
		km_close(&place->item[i].aside_dir);
	}
	place->n = place->waiting = 0;
	place->flow = NULL;
	place->stage = PLACE_IDLE;
	place->failed = false;
}

void place_free(struct place *place)
{
	if (place) {
		place_end(place);
		while (place->parents > 0)
			km_close(&place->parent[--place->parents]);
	}
	free(place);
}

bool place_busy(const struct place *place)
{
	return place->flow != NULL;
}

static void place_disk_failed(struct flow *flow, const char *what)
{
	log_event_limited(EVENT_STATE_UNWRITABLE,
			  "%s; make room, it is tried again channel=%s", what,
			  flow->conf->name);
	voice_add(&flow->shared->voice, VOICE_WRITE_ERRORS, 1);
}

/*
 * The name was taken between looking and acting, or the kernel refused: the row is
 * undone.
 */
static void place_undo(struct flow *flow, struct place_item *item, uint8_t reason)
{
	struct names_row row = {.kind = NAMES_UNDONE,
				.chain = item->chain,
				.number = item->number,
				.visible = item->highest};

	if (names_put(&flow->names, item->path, item->path_len, &row) != 0 || reason == 0)
		item->action = PLACE_LATER;
	else
		item->action = PLACE_QUARANTINE;
	item->reason = reason;
}

/* Hands FD over to be synced; the group goes on when all that it handed over is back. */
static void place_sync(struct place *place, int fd, bool data_only)
{
	struct syncer_tag tag = {.owner = place, .kind = DURABLE_PLACE};

	if (syncer_fd(place->flow->shared->syncer, &tag, fd, data_only))
		place->waiting++;
	else
		place->failed = true;
}

void place_take(struct place *place, const struct syncer_done *done)
{
	place->waiting--;
	place->failed |= done->error != 0;
}

/* Directories that got new ones while this stage was prepared. */
static void place_sync_parents(struct place *place)
{
	while (place->parents > 0)
		place_sync(place, place->parent[--place->parents], false);
}

/* The rows gathered in `names`. -1: they cannot be written. */
static int place_sync_names(struct place *place, struct km_err *err)
{
	int fd;

	if (append_sync_begin(&place->flow->names.log, &fd, err) != 0)
		return -1;
	if (fd >= 0)
		place_sync(place, fd, true);
	return 0;
}

static int place_write_intents(struct flow *flow, struct place *place, struct km_err *err)
{
	for (unsigned i = 0; i < place->n; i++) {
		struct place_item *item = &place->item[i];
		struct names_row row = {.kind = NAMES_PLACED,
					.chain = item->chain,
					.number = item->number,
					.visible = item->now};

		if (item->action == PLACE_ASIDE) {
			row.kind = NAMES_ASIDE;
			row.visible = item->highest;
		} else if (item->action != PLACE_NEW && item->action != PLACE_REPLACE) {
			continue;
		}
		if (names_put(&flow->names, item->path, item->path_len, &row) != 0)
			return km_err_set(err, EX_OSERR, "names: out of memory");
	}
	return place_sync_names(place, err);
}

static void place_do_new(struct flow *flow, struct place_item *item, const char *part)
{
	if (fileio_rename_noreplace(flow->root.incoming, part, item->dir, item->base) == 0)
		return;
	place_undo(flow, item, errno == EEXIST ? QUARANTINE_TAKEN : 0);
}

/* Opens (makes) the generation's directory of CHAIN, NUMBER for this path. */
static int place_open_aside(struct flow *flow, struct place_item *item, uint64_t chain,
			    uint64_t number)
{
	char name[PLACE_GENERATION_MAX];
	struct km_err err = KM_ERR_INIT;

	place_generation_name(name, chain, number);
	item->aside_dir = place_parent(flow, flow->root.generations, name, item, &err);
	if (item->aside_dir < 0)
		place_disk_failed(flow, err.text);
	return item->aside_dir;
}

/* The former content gets its second name, before one step changes what is visible. */
static void place_link(struct flow *flow, struct place_item *item)
{
	struct stat st;

	if (place_open_aside(flow, item, item->before.chain, item->before.number) < 0) {
		place_undo(flow, item, 0);
		return;
	}
	if (linkat(item->dir, item->base, item->aside_dir, item->base, 0) == 0) {
		if (fstatat(item->aside_dir, item->base, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    st.st_ino != item->inode_there) {
			(void)unlinkat(item->aside_dir, item->base, 0);
			place_undo(flow, item, QUARANTINE_TAKEN);
		}
	} else if (errno != EEXIST) { /* there: linked by an attempt before a crash */
		place_undo(flow, item, 0);
	}
}

/* Whatever came out must be what was linked: else it was not ours, and goes back. */
static void place_do_replace(struct flow *flow, struct place_item *item, const char *part)
{
	struct stat st;

	if (fileio_rename_exchange(flow->root.incoming, part, item->dir, item->base) != 0) {
		place_undo(flow, item, 0);
		return;
	}
	if (fstatat(flow->root.incoming, part, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_ino != item->inode_there) {
		if (fileio_rename_exchange(flow->root.incoming, part, item->dir,
					   item->base) == 0)
			place_undo(flow, item, QUARANTINE_TAKEN);
		else /* ours stands there; what was not ours is kept all the same */
			(void)!renameat(flow->root.incoming, part, flow->root.quarantine,
					part);
		return;
	}
	/* Its other name is in generations/. */
	(void)unlinkat(flow->root.incoming, part, 0);
}

static void place_do_aside(struct flow *flow, struct place_item *item, const char *part)
{
	if (place_open_aside(flow, item, item->chain, item->number) < 0) {
		item->action = PLACE_LATER;
		return;
	}
	if (renameat(flow->root.incoming, part, item->aside_dir, item->base) != 0)
		item->action = PLACE_LATER;
}

static void place_do_dir(struct flow *flow, struct place_item *item)
{
	const struct timespec times[2] = {
		{.tv_nsec = UTIME_OMIT},
		{.tv_sec = item->mtime_s, .tv_nsec = (long)item->mtime_ns}};
	struct km_err err = KM_ERR_INIT;
	struct stat st;
	bool there;

	there = fstatat(flow->root.tree, (const char *)item->path, &st,
			AT_SYMLINK_NOFOLLOW) == 0;
	item->dir = fileio_mkdir_beneath_by(flow->root.tree, (const char *)item->path,
					    flow->conf->dir_mode, place_note_parent,
					    flow->shared->place, &err);
	if (item->dir >= 0) {
		if (there)
			return;
		(void)!futimens(item->dir, times); /* it changes with its next entry */
		km_close(&item->dir); /* its entry is in the parent, which is synced */
		return;
	}
	switch (err.saved_errno) {
	case ENOTDIR:
	case EEXIST:
	case ELOOP:
	case EXDEV:
	case ENAMETOOLONG:
		item->action = PLACE_QUARANTINE;
		item->reason = QUARANTINE_PARENT;
		return;
	default:
		item->action = PLACE_LATER;
		place_disk_failed(flow, err.text);
	}
}

static void place_do_quarantine(struct flow *flow, struct place_item *item,
				const char *part)
{
	const char *detail = item->object ? item->object->scan_says : NULL;
	struct km_err err = KM_ERR_INIT;

	if (item->object)
		shelf_close(&flow->shelf, item->object);
	if (quarantine_move_said(flow->root.quarantine, flow->root.incoming, part, part,
				 item->reason, detail, item->path, item->path_len,
				 &err) != 0) {
		item->action = PLACE_LATER;
		place_disk_failed(flow, err.text);
		return;
	}
	(void)!fchmodat(flow->root.quarantine, part, 0600, 0); /* prepared, then refused */
}

static void place_do(struct flow *flow, struct place_item *item)
{
	char part[OBJECT_PART_NAME_MAX];

	object_part_name(part, OBJECT_DATA, item->chain, item->number);
	switch (item->action) {
	case PLACE_NEW:
		place_do_new(flow, item, part);
		break;
	case PLACE_REPLACE:
		place_do_replace(flow, item, part);
		break;
	case PLACE_ASIDE:
		place_do_aside(flow, item, part);
		break;
	case PLACE_DIR:
		place_do_dir(flow, item);
		break;
	default:
		break;
	}
	/* The ones above may have turned into this. */
	if (item->action == PLACE_QUARANTINE)
		place_do_quarantine(flow, item, part);
}

/* Each changed directory once; nothing more is done in it by this group. */
static void place_sync_dirs(struct place *place)
{
	static struct {
		dev_t dev;
		ino_t ino;
	} done[PLACE_DIRS];
	unsigned dirs = 0;

	for (unsigned i = 0; i < 2 * place->n; i++) {
		struct place_item *item = &place->item[i / 2];
		int *fd = i % 2 ? &item->aside_dir : &item->dir;
		struct stat st;
		unsigned j = 0;

		if (i % 2 == 0 && item->dir_shared)
			item->dir = -1; /* handed over already */
		if (*fd < 0 || fstat(*fd, &st) != 0)
			continue;
		while (j < dirs && (done[j].dev != st.st_dev || done[j].ino != st.st_ino))
			j++;
		if (j < dirs) {
			km_close(fd);
			continue;
		}
		done[dirs].dev = st.st_dev;
		done[dirs++].ino = st.st_ino;
		place_sync(place, *fd, false); /* the descriptor goes with it */
		*fd = -1;
	}
}

static bool place_state_of(const struct place_item *item, enum ledger_state *state)
{
	switch (item->action) {
	case PLACE_NEW:
	case PLACE_REPLACE:
	case PLACE_ASIDE:
	case PLACE_DIR:
	case PLACE_DONE:
		*state = LEDGER_PUBLISHED;
		return true;
	case PLACE_QUARANTINE:
	case PLACE_REFUSED_BEFORE:
		*state = LEDGER_QUARANTINED;
		return true;
	case PLACE_WITHDRAWN:
		*state = LEDGER_WITHDRAWN;
		return true;
	default:
		return false;
	}
}

static void place_say(struct flow *flow, const struct place_item *item,
		      enum ledger_state state, uint64_t size)
{
	char path[LOG_QUOTE_MAX(WIRE_PATH_MAX)], hex[DIGEST_HEX_LEN + 1];
	bool aside = item->action == PLACE_ASIDE || item->aside;

	log_quote(path, sizeof(path), item->path, item->path_len);
	digest_hex(hex, item->digest);
	if (state == LEDGER_PUBLISHED)
		log_event(aside ? EVENT_FILE_ASIDE : EVENT_FILE_PUBLISHED,
			  "%s channel=%s chain=%" PRIu64 " object=%" PRIu64
			  " path=%s bytes=%" PRIu64 " digest=%s",
			  aside ? "verified, older than what stands there"
				: "verified and in place",
			  flow->conf->name, item->chain, item->number, path, size, hex);
	else if (state == LEDGER_QUARANTINED)
		log_event(EVENT_FILE_QUARANTINED,
			  "put into quarantine: %s channel=%s chain=%" PRIu64
			  " object=%" PRIu64 " path=%s",
			  item->action == PLACE_REFUSED_BEFORE
				  ? "as decided before a restart"
				  : quarantine_text(item->reason),
			  flow->conf->name, item->chain, item->number, path);
	else
		log_event(EVENT_FILE_WITHDRAWN,
			  "the sender gave it up: %s channel=%s chain=%" PRIu64
			  " object=%" PRIu64 " path=%s",
			  item->reason == 1 ? "it changed while it was read"
					    : "it could not be read any more",
			  flow->conf->name, item->chain, item->number, path);
}

/* Receipt, event, counters; then nothing of the object is in progress any more. */
static void place_finish(struct flow *flow, struct place_item *item)
{
	struct ledger_receipt receipt = {.chain = item->chain,
					 .number = item->number,
					 .reason = item->reason,
					 .path = item->path,
					 .path_len = item->path_len};
	struct voice *voice = &flow->shared->voice;
	uint64_t size = item->object ? item->object->size : item->now.size;
	bool published;

	if (!place_state_of(item, &receipt.state))
		return;
	published = receipt.state == LEDGER_PUBLISHED;
	if (published)
		receipt.reason = 0;
	if (published && waiver_find(flow, item->chain, item->number))
		receipt.state = LEDGER_RELEASED;
	memcpy(receipt.digest, item->digest, DIGEST_LEN);
	if (ledger_receipt(&flow->ledger, &receipt) != 0) {
		item->action = PLACE_LATER;
		return;
	}
	if (published) {
		voice_add(voice, VOICE_BYTES_PUBLISHED, size);
		flow->placed_ns = clock_real_ns();
	}
	if (item->action == PLACE_REPLACE || item->action == PLACE_ASIDE) {
		voice_add(voice, VOICE_GENERATIONS, 1);
		retain_path(flow, item->path, item->path_len);
	}
	place_say(flow, item, published ? LEDGER_PUBLISHED : receipt.state, size);
	item->decided = true;
	if (item->object) {
		/* In progress no more. Should the row get lost, the receipt says it too. */
		(void)!progress_done(&flow->progress, item->object);
		/* A second name may be left from before a crash; it was moved otherwise. */
		item->object->made = item->action != PLACE_NEW;
		shelf_drop(&flow->shelf, item->object, true);
		item->object = NULL;
	}
}

/* True when an item of the group has the same path: then that one's outcome comes first. */
static bool place_has_path(const struct place *place, const struct place_item *item)
{
	for (unsigned i = 0; i < place->n; i++) {
		const struct place_item *other = &place->item[i];

		if (item->path_len != 0 && other->path_len == item->path_len &&
		    memcmp(other->path, item->path, item->path_len) == 0)
			return true;
	}
	return false;
}

/* Takes numbers from the queue; those with nothing to do now leave it. */
static void place_collect(struct flow *flow, struct place *place)
{
	place->n = 0;
	for (unsigned i = 0; i < PLACE_LOOK && place->n < PLACE_GROUP; i++) {
		struct place_item *item = &place->item[place->n];
		const struct job *job;
		bool drop;

		if (!flow_has_jobs(flow))
			return;
		job = jobs_first(&flow->jobs);
		memset(item, 0, sizeof(*item));
		item->chain = job->chain;
		item->number = job->number;
		place_judge(flow, item);
		drop = item->action == PLACE_DROP;
		if (item->object)
			item->object->queued = !drop;
		if (drop || place_has_path(place, item)) {
			place_close_dir(item);
			if (!drop)
				return; /* next group */
		}
		jobs_next(&flow->jobs);
		place->n += !drop;
	}
}

/* What could not be done goes to the end of the queue. */
static void place_requeue(struct flow *flow, struct place *place, bool all, uint64_t now_ns)
{
	for (unsigned i = 0; i < place->n; i++) {
		struct place_item *item = &place->item[i];

		if (!all && item->action != PLACE_LATER)
			continue;
		flow->retry_ns = clock_add(now_ns, PLACE_RETRY_NS);
		if (flow_enqueue(flow, item->chain, item->number) != 0)
			place_disk_failed(flow, "out of memory");
	}
}

/* All of it again later: each finds out from the disk how far it came. */
static void place_give_up(struct place *place, const char *why, uint64_t now_ns)
{
	place_disk_failed(place->flow, why);
	place_requeue(place->flow, place, true, now_ns);
	place_end(place);
}

void place_begin(struct flow *flow, uint64_t now_ns)
{
	struct place *place = flow->shared->place;
	struct km_err err = KM_ERR_INIT;

	if (place_busy(place) || !flow_has_jobs(flow) || now_ns < flow->retry_ns)
		return;
	flow->retry_ns = 0;
	place_collect(flow, place);
	if (place->n == 0)
		return;
	place->flow = flow;
	place->stage = PLACE_INTENTS;
	place_sync_parents(place);
	if (place_write_intents(flow, place, &err) != 0) {
		place_disk_failed(flow, err.text);
		place->failed = true; /* given up when what is under way is back */
	}
}

static void place_links(struct place *place)
{
	for (unsigned i = 0; i < place->n; i++) {
		struct place_item *item = &place->item[i];

		if (item->action != PLACE_REPLACE)
			continue;
		place_link(place->flow, item);
		if (item->aside_dir >= 0)
			place_sync(place, item->aside_dir, false);
		item->aside_dir = -1;
	}
	place_sync_parents(place);
}

static void place_changes(struct place *place)
{
	struct km_err err = KM_ERR_INIT;

	for (unsigned i = 0; i < place->n; i++)
		place_do(place->flow, &place->item[i]);
	place_sync_parents(place);
	place_sync_dirs(place);
	if (place_sync_names(place, &err) != 0)
		place->failed = true;
}

/* Of what an operator asked for, once its receipt can be read. */
static void place_end_releases(struct place *place)
{
	for (unsigned i = 0; i < place->n && place->flow->waivers > 0; i++) {
		const struct place_item *item = &place->item[i];
		const bool refused = item->action == PLACE_QUARANTINE ||
				     item->action == PLACE_REFUSED_BEFORE;
		const struct waiver_end end = {
			.refused = refused ? quarantine_text(item->reason) : NULL,
			.path = item->path,
			.path_len = item->path_len,
			.digest = item->digest};

		if (item->decided)
			waiver_finish(place->flow, item->chain, item->number, &end);
	}
}

/*
 * Receipts, for everybody to read. Not yet on disk (durable.h does that) is no harm: a
 * restart finds out the same from the names.
 */
static void place_receipts(struct place *place, uint64_t now_ns)
{
	struct km_err err = KM_ERR_INIT;

	for (unsigned i = 0; i < place->n; i++)
		place_finish(place->flow, &place->item[i]);
	if (append_flush(&place->flow->ledger.objects, &err) != 0)
		place_disk_failed(place->flow, err.text);
	else
		place_end_releases(place);
	place_requeue(place->flow, place, false, now_ns);
	place_end(place);
}

bool place_go_on(struct place *place, uint64_t now_ns)
{
	bool did = false;

	while (place->flow && place->waiting == 0) {
		did = true;
		if (place->flow->names.log.syncing)
			append_sync_end(&place->flow->names.log, !place->failed);
		if (place->failed) {
			place_give_up(place, "names or directories cannot be synced",
				      now_ns);
			break;
		}
		switch (place->stage) {
		case PLACE_INTENTS:
			place->stage = PLACE_LINKS;
			place_links(place);
			break;
		case PLACE_LINKS:
			place->stage = PLACE_CHANGES;
			place_changes(place);
			break;
		case PLACE_CHANGES:
		case PLACE_IDLE:
			place_receipts(place, now_ns);
			break;
		}
	}
	return did;
}
