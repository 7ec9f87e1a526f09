// SPDX-License-Identifier: ISC
/*
 * The deciding half of place: what is to be done with one object, and its file made
 * ready.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "digest_file.h"
#include "door.h"
#include "durable.h"
#include "fileio.h"
#include "log.h"
#include "manifests.h"
#include "place_item.h"
#include "quarantine.h"
#include "record.h"
#include "waiver.h"

/* Rows of a path compared with what stands there: one per crash at the worst moment. */
#define PLACE_LOOK_BACK 64u

void place_generation_name(char out[PLACE_GENERATION_MAX], uint64_t chain, uint64_t number)
{
	snprintf(out, PLACE_GENERATION_MAX, "%" PRIu64 "-%012" PRIu64, chain, number);
}

int place_note_parent(void *ctx, int dirfd, struct km_err *err)
{
	struct place *place = ctx;
	struct stat st, other;
	int fd;

	if (fstat(dirfd, &st) != 0)
		return -1;
	for (unsigned i = 0; i < place->parents; i++)
		if (fstat(place->parent[i], &other) == 0 && other.st_dev == st.st_dev &&
		    other.st_ino == st.st_ino)
			return 0;
	if (place->parents == PLACE_PARENTS)
		return fileio_sync_dir(dirfd, err);
	fd = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	place->parent[place->parents++] = fd;
	return 0;
}

int place_parent(const struct flow *flow, int top, const char *prefix,
		 const struct place_item *item, struct km_err *err)
{
	char dir[PLACE_GENERATION_MAX + WIRE_PATH_MAX + 2];
	size_t len = (size_t)(item->base - (const char *)item->path);
	int n;

	/* base follows a slash unless the path has one component only */
	n = snprintf(dir, sizeof(dir), "%s%s%.*s", prefix ? prefix : "",
		     prefix && len ? "/" : "", (int)(len ? len - 1 : 0),
		     (const char *)item->path);
	if (n > 0)
		return fileio_mkdir_beneath_by(top, dir, flow->conf->dir_mode,
					       place_note_parent, flow->shared->place, err);
	n = fcntl(top, F_DUPFD_CLOEXEC, 0);
	if (n < 0)
		return km_err_set_errno(err, EX_OSERR, "dup");
	return n;
}

static bool place_older(uint64_t chain, uint64_t number, const struct names_visible *than)
{
	return chain < than->chain || (chain == than->chain && number < than->number);
}

void place_later(struct flow *flow, struct place_item *item, const char *step)
{
	char quoted[LOG_QUOTE_MAX(WIRE_PATH_MAX)];

	log_event_limited(EVENT_OBJECT_HELD,
			  "cannot publish yet, %s failed: %s; make room, it is tried again "
			  "channel=%s object=%" PRIu64 " path=%s",
			  step, strerror(errno), flow->conf->name, item->number,
			  log_quote(quoted, sizeof(quoted), item->path, item->path_len));
	voice_add(&flow->shared->voice, VOICE_WRITE_ERRORS, 1);
	item->action = PLACE_LATER;
}

void place_refuse(struct place_item *item, uint8_t reason)
{
	item->action = PLACE_QUARANTINE;
	item->reason = reason;
}

/*
 * True when the open directory's name is a regular file with exactly what `v`
 * describes.
 */
static bool place_matches(int dir, const char *base, const struct names_visible *v,
			  struct stat *st)
{
	uint8_t digest[DIGEST_LEN];
	struct km_err err = KM_ERR_INIT;
	int fd;

	if (v->chain == 0 || fstatat(dir, base, st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(st->st_mode) || (uint64_t)st->st_size != v->size)
		return false;
	if ((uint64_t)st->st_ino == v->inode && st->st_mtim.tv_sec == v->mtime_s &&
	    (uint32_t)st->st_mtim.tv_nsec == v->mtime_ns)
		return true;
	/* Restored from a backup, perhaps: the content decides. */
	fd = fileio_open_beneath(dir, base, O_RDONLY, 0);
	if (fd < 0)
		return false;
	if (digest_file(digest, fd, v->size, &err) != 0)
		memset(digest, 0, sizeof(digest));
	km_close(&fd);
	return memcmp(digest, v->digest, DIGEST_LEN) == 0;
}

/* Before a crash it had come as far as generations/. */
static bool place_is_aside(struct flow *flow, const struct place_item *item)
{
	char name[PLACE_GENERATION_MAX + WIRE_PATH_MAX + 2];
	int fd, n;

	place_generation_name(name, item->chain, item->number);
	n = (int)strlen(name);
	snprintf(name + n, sizeof(name) - (size_t)n, "/%s", (const char *)item->path);
	fd = fileio_open_beneath(flow->root.generations, name, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return false;
	km_close(&fd);
	return true;
}

static bool place_is_ours(const struct place_item *item, const struct names_visible *v)
{
	return v->chain == item->chain && v->number == item->number;
}

/*
 * Reads our rows, the newest first. A crash may have come between a row and its name,
 * even several times: so what stands there is compared with each, until one describes
 * it.
 */
static void place_read_names(struct flow *flow, struct place_item *item)
{
	struct names_row row;
	bool more = names_find(&flow->names, item->path, item->path_len, &row);
	struct stat st;

	for (unsigned i = 0; more && i < PLACE_LOOK_BACK; i++) {
		const struct names_visible *v = &row.visible;

		if (item->highest.chain == 0 && v->chain != 0 && !place_is_ours(item, v))
			item->highest = *v;
		if (place_matches(item->dir, item->base, v, &st)) {
			item->before = *v;
			if (place_is_ours(item, v))
				item->action = PLACE_DONE;
			return;
		}
		more = names_prev(&flow->names, &row, &row);
	}
}

/* What stands under the name, and what that means. The object's file is ready. */
static void place_examine(struct flow *flow, struct place_item *item)
{
	struct stat st;

	if (item->highest.chain != 0 &&
	    place_older(item->chain, item->number, &item->highest)) {
		item->action = PLACE_ASIDE;
		return;
	}
	if (fstatat(item->dir, item->base, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno == ENOENT)
			item->action = PLACE_NEW;
		else
			place_later(flow, item, "looking at the name");
		return;
	}
	if (S_ISDIR(st.st_mode)) {
		place_refuse(item, QUARANTINE_DIRECTORY);
	} else if (!place_matches(item->dir, item->base, &item->before, &st)) {
		place_refuse(item, QUARANTINE_TAKEN);
	} else if (flow->conf->replace == RX_REPLACE_REFUSE) {
		place_refuse(item, QUARANTINE_REFUSED);
	} else {
		item->inode_there = st.st_ino;
		item->action = PLACE_REPLACE;
	}
}

/*
 * Mode, and the time the manifest says; content, size and the time the begin record said are
 * on the disk already. Nobody writes to it any more: a read lease says that of everybody.
 */
static bool place_prepare_file(struct flow *flow, struct place_item *item)
{
	const struct timespec times[2] = {
		{.tv_nsec = UTIME_OMIT},
		{.tv_sec = item->mtime_s, .tv_nsec = (long)item->mtime_ns}};
	struct object *o = item->object;
	char part[OBJECT_PART_NAME_MAX];
	_cleanup_close_ int fd = -1;
	struct stat st;
	bool timed;

	shelf_close(&flow->shelf, o); /* ours would be in the way of the lease */
	object_part_name(part, OBJECT_DATA, item->chain, item->number);
	fd = fileio_open_beneath(flow->root.incoming, part, O_RDONLY, 0);
	if (fd < 0 || fstat(fd, &st) != 0)
		goto later;
	if ((uint64_t)st.st_size != o->size) {
		place_refuse(item, QUARANTINE_BUSY);
		return false;
	}
	timed = st.st_mtim.tv_sec == times[1].tv_sec &&
		st.st_mtim.tv_nsec == times[1].tv_nsec;
	if (fchmod(fd, flow->conf->file_mode & 0777) != 0 ||
	    (!timed && (futimens(fd, times) != 0 || fstat(fd, &st) != 0)))
		goto later;
	item->now = (struct names_visible){.chain = item->chain,
					   .number = item->number,
					   .size = o->size,
					   .inode = (uint64_t)st.st_ino,
					   .mtime_s = st.st_mtim.tv_sec,
					   .mtime_ns = (uint32_t)st.st_mtim.tv_nsec};
	memcpy(item->now.digest, item->digest, DIGEST_LEN);
	if (flow->root.leases && fcntl(fd, F_SETLEASE, F_RDLCK) != 0 && errno == EAGAIN) {
		place_refuse(item, QUARANTINE_BUSY);
		return false;
	}
	return true; /* closing gives the lease back */
later:
	place_later(flow, item, "preparing the file");
	return false;
}

/* Files of one directory come one after the other: its descriptor serves them all. */
static bool place_share_parent(const struct flow *flow, struct place_item *item)
{
	const struct place *place = flow->shared->place;
	const struct place_item *last = place->n ? &place->item[place->n - 1] : NULL;
	const size_t len = (size_t)(item->base - (const char *)item->path);

	if (!last || last->dir < 0 ||
	    (size_t)(last->base - (const char *)last->path) != len ||
	    memcmp(last->path, item->path, len) != 0)
		return false;
	item->dir = last->dir;
	item->dir_shared = true;
	return true;
}

/*
 * Parent directories under tree/: a file in the way is a refusal, not a trouble of the
 * disk.
 */
static bool place_open_parent(struct flow *flow, struct place_item *item)
{
	struct km_err err = KM_ERR_INIT;

	if (place_share_parent(flow, item))
		return true;
	item->dir = place_parent(flow, flow->root.tree, NULL, item, &err);
	if (item->dir >= 0)
		return true;
	if (err.saved_errno == ENOTDIR || err.saved_errno == ELOOP ||
	    err.saved_errno == EEXIST || err.saved_errno == EXDEV ||
	    err.saved_errno == ENAMETOOLONG) {
		place_refuse(item, QUARANTINE_PARENT);
		return false;
	}
	errno = err.saved_errno;
	place_later(flow, item, "making directories");
	return false;
}

/* An empty file may have lost its begin record: its digest says all there is to know. */
static struct object *place_make_empty(struct flow *flow, struct place_item *item)
{
	uint8_t empty[DIGEST_LEN];
	struct object *o;

	digest_sha256(empty, "", 0);
	if (memcmp(item->digest, empty, DIGEST_LEN) != 0)
		return NULL;
	o = shelf_add(&flow->shelf, OBJECT_DATA, item->chain, item->number);
	if (!o)
		return NULL;
	if (object_begin(o, RECORD_OBJECT_FILE, 0, item->mtime_s, item->mtime_ns,
			 item->path, item->path_len) != KM_OK ||
	    object_catch_up(o, 0) != KM_OK) {
		shelf_drop(&flow->shelf, o, false);
		return NULL;
	}
	return o;
}

/*
 * The bytes are here, hashed, and what the signature says; else the item has its
 * action.
 */
static bool place_check_object(struct flow *flow, struct place_item *item)
{
	char part[OBJECT_PART_NAME_MAX];
	struct object *o;

	if (!item->object)
		item->object = place_make_empty(flow, item);
	o = item->object;
	object_part_name(part, OBJECT_DATA, item->chain, item->number);
	if (!o && quarantine_holds(flow->root.quarantine, part)) {
		item->action = PLACE_REFUSED_BEFORE;
		return false;
	}
	if (!o || !o->digested) {
		item->action = PLACE_DROP;
		return false;
	}
	if (!o->durable) {
		durable_whole(flow, o); /* queued again when it is */
		item->action = PLACE_DROP;
		return false;
	}
	if (o->path_len > 0 && (o->path_len != item->path_len ||
				memcmp(o->path, item->path, item->path_len) != 0)) {
		place_refuse(item, QUARANTINE_NAME);
		return false;
	}
	if (o->kind != RECORD_OBJECT_FILE) {
		place_refuse(item, QUARANTINE_KIND);
		return false;
	}
	if (digest_is_tree(o->size) != (item->kind == MANIFEST_TREE) ||
	    memcmp(o->digest, item->digest, DIGEST_LEN) != 0) {
		place_refuse(item, QUARANTINE_DIGEST);
		return false;
	}
	return true;
}

/* A row says that this object was about to be placed once. */
static bool place_was_tried(struct flow *flow, const struct place_item *item)
{
	struct names_row row;
	bool more = names_find(&flow->names, item->path, item->path_len, &row);

	for (unsigned i = 0; more && i < PLACE_LOOK_BACK; i++) {
		if (row.chain == item->chain && row.number == item->number)
			return true;
		more = names_prev(&flow->names, &row, &row);
	}
	return false;
}

/* It is to stand under its name no more than it does: what the intent said is void. */
static void place_call_off(struct flow *flow, struct place_item *item)
{
	struct names_row row = {.kind = NAMES_UNDONE,
				.chain = item->chain,
				.number = item->number,
				.visible = item->highest};

	if (names_put(&flow->names, item->path, item->path_len, &row) != 0)
		item->action = PLACE_LATER;
}

/* The scanner's word, where the channel has one; else the item has its action. */
static bool place_is_let_in(struct flow *flow, struct place_item *item, bool tried)
{
	static const uint8_t reasons[] = {[SCAN_REJECT] = QUARANTINE_SCAN_REJECT,
					  [SCAN_ERROR] = QUARANTINE_SCAN_ERROR,
					  [SCAN_TIMEOUT] = QUARANTINE_SCAN_TIMEOUT};
	const uint8_t verdict = door_judge(flow, item->object);

	if (verdict == SCAN_PASS)
		return true;
	item->action = PLACE_DROP;
	if (verdict != SCAN_NONE)
		place_refuse(item, reasons[verdict]);
	/* a crash came between the intent and the name, and now it does not pass */
	if (verdict != SCAN_NONE && tried)
		place_call_off(flow, item);
	return false;
}

static void place_judge_file(struct flow *flow, struct place_item *item)
{
	bool tried;

	/* Not on the disk yet: it is queued when it is. */
	if (item->object && item->object->digested && !item->object->durable)
		return;
	/* A part file that was moved has no bytes: look where it may have gone. */
	if ((!item->object || !item->object->digested) && place_is_aside(flow, item)) {
		item->action = PLACE_DONE;
		item->aside = true;
		return;
	}
	tried = place_was_tried(flow, item);
	/* Without bytes only what a crash left matters: make no directories. */
	if (!item->object && !tried && !place_check_object(flow, item))
		return;
	/* Nor for what nobody has looked at. */
	if (item->object && !tried && flow->conf->scan[0] != '\0' &&
	    (!place_check_object(flow, item) || !place_is_let_in(flow, item, tried)))
		return;
	if (!place_open_parent(flow, item))
		return;
	place_read_names(flow, item);
	if (item->action == PLACE_DONE || !place_check_object(flow, item) ||
	    !place_is_let_in(flow, item, tried))
		return;
	if (place_prepare_file(flow, item))
		place_examine(flow, item);
}

void place_judge(struct flow *flow, struct place_item *item)
{
	const struct manifest_entry *entry;
	const char *slash;

	item->dir = item->aside_dir = -1;
	item->action = PLACE_DROP;
	if (ledger_settled(&flow->ledger, item->chain, item->number) &&
	    !waiver_find(flow, item->chain, item->number))
		return;
	entry = manifests_entry(flow, item->chain, item->number);
	if (!entry)
		return;
	item->kind = (uint8_t)entry->kind;
	item->mtime_s = entry->mtime_s;
	item->mtime_ns = entry->mtime_ns;
	item->path_len = entry->path_len;
	memcpy(item->path, entry->path, entry->path_len);
	item->path[entry->path_len] = 0;
	slash = strrchr((const char *)item->path, '/');
	item->base = slash ? slash + 1 : (const char *)item->path;
	memcpy(item->digest, entry->digest, DIGEST_LEN);
	item->object = shelf_find(&flow->shelf, OBJECT_DATA, item->chain, item->number);
	if (entry->kind == MANIFEST_WITHDRAWN) {
		item->action = PLACE_WITHDRAWN;
		item->reason = entry->reason;
	} else if (entry->kind == MANIFEST_DIR) {
		item->action = PLACE_DIR;
	} else {
		place_judge_file(flow, item);
	}
}
