// SPDX-License-Identifier: ISC
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cursor.h"
#include "fileio.h"
#include "log.h"
#include "outbox.h"
#include "resend.h"
#include "retain.h"

/* A line of the answer: a quoted path and some words. */
#define LINE_ROOM (LOG_QUOTE_MAX(WIRE_PATH_MAX) + 160u)

int resend_open(struct resend *r, struct channel *channel, struct ledger_out *ledger,
		struct counts *counts, int sent, int outbox, struct readahead *readahead,
		struct km_err *err)
{
	memset(r, 0, sizeof(*r));
	r->channel = channel;
	r->ledger = ledger;
	r->sent = sent;
	r->outbox = outbox;
	r->fd = -1;
	r->text = malloc(RESEND_TEXT_MAX);
	if (feed_open(&r->feed, channel, counts, readahead) != KM_OK || !r->text)
		return km_err_set(err, EX_OSERR, "resend: out of memory");
	return 0;
}

static void drop_manifest(struct resend *r)
{
	free(r->bytes);
	free(r->scratch);
	free(r->entry);
	r->bytes = r->scratch = NULL;
	r->entry = NULL;
	r->entries = 0;
	r->manifest = 0;
}

static void drop_object(struct resend *r)
{
	feed_end(&r->feed);
	digest_object_free(r->digest);
	r->digest = NULL;
	km_close(&r->fd);
}

void resend_close(struct resend *r)
{
	drop_object(r);
	feed_close(&r->feed);
	drop_manifest(r);
	free(r->text);
	r->text = NULL;
}

static void say(struct resend *r, const char *fmt, ...) KM_PRINTF(2, 3);
static void say(struct resend *r, const char *fmt, ...)
{
	char line[LINE_ROOM];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	/* 64 bytes stay for the line that tells how many are missing. */
	if (n < 0 || (size_t)n >= sizeof(line) ||
	    RESEND_TEXT_MAX - 64 - r->text_len < (size_t)n) {
		r->lines_left_out++;
		return;
	}
	memcpy(r->text + r->text_len, line, (size_t)n);
	r->text_len += (size_t)n;
}

/* Numbers without a name are told as runs. */
static void run_tell(struct resend *r)
{
	if (r->run_first == 0)
		return;
	say(r, "not kept objects %" PRIu64 "..%" PRIu64 " ?\n", r->run_first, r->run_last);
	r->run_first = 0;
}

static void run_note(struct resend *r, uint64_t first, uint64_t last)
{
	r->not_kept += last - first + 1;
	if (r->run_first && r->run_last + 1 == first) {
		r->run_last = last;
		return;
	}
	run_tell(r);
	r->run_first = first;
	r->run_last = last;
}

static void say_object(struct resend *r, const char *what, uint64_t number, uint64_t bytes)
{
	char quoted[LOG_QUOTE_MAX(WIRE_PATH_MAX)];

	run_tell(r);
	log_quote(quoted, sizeof(quoted), r->object->path, r->object->path_len);
	say(r, "%s object %" PRIu64 " %s %" PRIu64 "\n", what, number, quoted, bytes);
}

void resend_begin(struct resend *r, const struct ticket *ticket, uint64_t chain,
		  uint64_t highest, uint64_t left_objects)
{
	const bool present = ticket->chain == chain;

	r->ticket = *ticket;
	r->highest_manifest = present ? highest : outbox_highest(r->outbox, ticket->chain);
	r->left_objects = present ? left_objects : UINT64_MAX;
	r->item = 0;
	r->next = ticket->kind == TICKET_EXTENTS ? ticket->object : ticket->item[0].first;
	r->wanted_count = r->wanted_at = 0;
	r->text_len = 0;
	r->lines_left_out = 0;
	r->run_first = r->run_last = 0;
	r->objects_sent = r->bytes_sent = r->not_kept = 0;
	r->state = RESEND_NEXT;
}

/* ---- looking up ---------------------------------------------------------------------------- */

/* False: one ticket concerns no more. */
static bool want_manifest(struct resend *r, uint64_t number)
{
	for (unsigned i = r->wanted_count; i > 0; i--) {
		if (r->wanted[i - 1] == number)
			return true;
	}
	if (r->wanted_count == RESEND_MANIFESTS_MAX)
		return false;
	r->wanted[r->wanted_count++] = number;
	return true;
}

/* Load the manifest that covers `number`, or keep the one in hand. False: there is none, for no
 * number up to *until. */
static bool hold_manifest(struct resend *r, uint64_t number, uint64_t *until)
{
	const uint64_t chain = r->ticket.chain;
	struct manifest_head head;
	unsigned line;
	uint64_t found;
	size_t len;
	struct rd rd;
	uint32_t text_len;

	if (r->manifest && number >= r->entry[0].number &&
	    number <= r->entry[r->entries - 1].number)
		return true;
	drop_manifest(r);
	found = outbox_find(r->outbox, chain, r->highest_manifest, number, until);
	if (!found || outbox_read(r->outbox, chain, found, &r->bytes, &len, NULL) != 0)
		return false;
	rd_init(&rd, r->bytes, len);
	text_len = rd_u32(&rd);
	r->scratch = malloc(len);
	r->entry = calloc(WIRE_BATCH_OBJECTS_MAX, sizeof(*r->entry));
	if (!r->scratch || !r->entry || text_len > rd_left(&rd) ||
	    manifest_parse(&head, r->entry, WIRE_BATCH_OBJECTS_MAX, &r->entries, r->scratch,
			   len, (const char *)r->bytes + 4, text_len, &line) != KM_OK ||
	    r->entries == 0) {
		drop_manifest(r);
		return false;
	}
	r->manifest = found;
	return number >= r->entry[0].number && number <= r->entry[r->entries - 1].number;
}

/* What is wanted of the object in hand cannot be sent. */
static void give_up(struct resend *r, const char *what)
{
	drop_object(r);
	r->not_kept++;
	say_object(r, what, r->object->number, 0);
}

/* Open what is kept of the object in hand. False: told why not. */
static bool open_kept(struct resend *r, uint64_t number)
{
	char name[RETAIN_NAME_MAX];
	struct stat st;

	retain_name(name, r->ticket.chain, number);
	r->fd = openat(r->sent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (r->fd < 0 || fstat(r->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		give_up(r, "not kept");
		return false;
	}
	r->size = (uint64_t)st.st_size;
	r->checked = 0;
	r->digest = digest_object_new(r->size);
	if (!r->digest || digest_is_tree(r->size) != (r->object->kind == MANIFEST_TREE)) {
		give_up(r, "changed, not sent");
		return false;
	}
	return true;
}

static enum km_rc begin_feed(struct resend *r, int fd, uint64_t from, uint64_t to)
{
	const struct record_begin begin = {
		.chain = r->ticket.chain,
		.number = r->object->number,
		.size = r->object->kind == MANIFEST_DIR ? 0 : r->size,
		.mtime_s = r->object->mtime_s,
		.mtime_ns = r->object->mtime_ns,
		.kind = r->object->kind == MANIFEST_DIR ? RECORD_OBJECT_DIR
							: RECORD_OBJECT_FILE,
		.path = r->object->path,
		.path_len = r->object->path_len,
	};
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) != 0) {
		km_close(&fd);
		return KM_ERR_STATE;
	}
	return feed_begin(&r->feed, fd, &st, &begin, from, to, false);
}

/* Look at object `number` of those up to `last`: what state it leads to. Returns the last number
 * that this has answered: more than one where no manifest is kept. */
static uint64_t take_object(struct resend *r, uint64_t number, uint64_t last)
{
	uint64_t until;

	if (number > r->left_objects) {
		say(r, "object %" PRIu64 " is being sent now or was never given out\n",
		    number);
		return number;
	}
	if (!hold_manifest(r, number, &until)) {
		until = until < last ? until : last;
		until = until < r->left_objects ? until : r->left_objects;
		run_note(r, number, until);
		return until;
	}
	r->object = &r->entry[number - r->entry[0].number];
	(void)want_manifest(r, r->manifest);
	if (r->object->kind == MANIFEST_WITHDRAWN) {
		say_object(r, "withdrawn", number, 0);
	} else if (r->object->kind == MANIFEST_DIR) {
		if (begin_feed(r, -1, 0, 0) == KM_OK)
			r->state = RESEND_FEED;
		else
			give_up(r, "cannot be read");
	} else if (open_kept(r, number)) {
		r->state = RESEND_CHECK;
	}
	return number;
}

static void next_manifest(struct resend *r, uint64_t number, uint64_t last)
{
	if (number > r->highest_manifest) {
		r->next = UINT64_MAX;
	} else if (!want_manifest(r, number)) {
		say(r,
		    "refused manifests %" PRIu64 "..%" PRIu64
		    ": one ticket brings back %u, take another for these\n",
		    number, last < r->highest_manifest ? last : r->highest_manifest,
		    RESEND_MANIFESTS_MAX);
		r->next = UINT64_MAX;
	}
}

/* Go to the next object or manifest that the ticket names. */
static void next_thing(struct resend *r)
{
	const struct ticket *t = &r->ticket;
	uint64_t number;

	if (t->kind == TICKET_EXTENTS) {
		if (r->item == 0 && r->next) {
			r->next = 0;
			(void)take_object(r, t->object, t->object);
			if (r->state == RESEND_NEXT)
				r->state = RESEND_LEDGER;
		} else {
			r->state = RESEND_LEDGER;
		}
		return;
	}
	while (r->item < t->items && r->next > t->item[r->item].last) {
		r->item++;
		if (r->item < t->items)
			r->next = t->item[r->item].first;
	}
	if (r->item == t->items) {
		r->state = RESEND_LEDGER;
		return;
	}
	number = r->next++;
	if (t->kind == TICKET_MANIFESTS) {
		next_manifest(r, number, t->item[r->item].last);
		return;
	}
	/* A ticket may name numbers that never were: one line, not a walk over 2^60. */
	if (number > r->left_objects) {
		say(r,
		    "objects %" PRIu64 "..%" PRIu64
		    " are being sent now or were never given out\n",
		    number, t->item[r->item].last);
		r->next = UINT64_MAX;
		return;
	}
	r->next = take_object(r, number, t->item[r->item].last) + 1;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Extents of the ticket in turn: the feed of extent `item`. False: no more. */
static bool next_extent(struct resend *r)
{
	const struct ticket *t = &r->ticket;

	while (r->item < t->items) {
		const uint64_t unit = TICKET_EXTENT_UNIT;
		const uint64_t first = t->item[r->item].first, last = t->item[r->item].last;
		const uint64_t units = (r->size + unit - 1) / unit;
		uint64_t from, to;

		r->item++;
		if (first >= units)
			continue;
		from = first * unit;
		to = last + 1 >= units ? r->size : (last + 1) * unit;
		if (begin_feed(r, dup(r->fd), from, to) == KM_OK) {
			r->bytes_sent += to - from;
			return true;
		}
	}
	return false;
}

static enum km_rc check(struct resend *r)
{
	static uint8_t buf[RESEND_CHECK_BYTES];
	const uint64_t left = r->size - r->checked;
	const size_t want = left < sizeof(buf) ? (size_t)left : sizeof(buf);
	uint8_t digest[DIGEST_LEN];
	bool sound;

	if (want > 0) {
		if (fileio_pread_full(r->fd, buf, want, (off_t)r->checked) !=
		    (ssize_t)want) {
			give_up(r, "cannot be read");
			r->state = RESEND_NEXT;
			return KM_OK;
		}
		digest_object_update(r->digest, buf, want);
		r->checked += want;
		return KM_OK;
	}
	sound = digest_object_end(r->digest, digest) == KM_OK &&
		memcmp(digest, r->object->digest, DIGEST_LEN) == 0;
	digest_object_free(r->digest);
	r->digest = NULL;
	r->state = RESEND_NEXT;
	if (!sound) {
		give_up(r, "changed, not sent");
	} else if (r->ticket.kind == TICKET_EXTENTS
			   ? next_extent(r)
			   : begin_feed(r, dup(r->fd), 0, r->size) == KM_OK) {
		r->state = RESEND_FEED;
		if (r->ticket.kind == TICKET_OBJECTS)
			r->bytes_sent += r->size;
	} else {
		give_up(r, r->ticket.kind == TICKET_EXTENTS ? "no such bytes in"
							    : "cannot be read");
	}
	return KM_OK;
}

static enum km_rc feed(struct resend *r, uint64_t bytes, uint64_t now_ns)
{
	const uint64_t number = r->object->number;
	const enum km_rc rc = feed_step(&r->feed, bytes, now_ns);

	if (rc == KM_ERR_FULL || rc == KM_ERR_EMPTY)
		return rc;
	feed_end(&r->feed);
	if (rc == KM_OK && r->ticket.kind == TICKET_EXTENTS && r->fd >= 0 && next_extent(r))
		return KM_OK;
	if (rc == KM_OK) {
		r->objects_sent++;
		say_object(r, "sent", number,
			   r->ticket.kind == TICKET_EXTENTS ? r->bytes_sent : r->feed.end);
	} else {
		say_object(r, "cannot be read", number, 0);
	}
	drop_object(r);
	r->state = RESEND_NEXT;
	return KM_OK;
}

static enum km_rc ledger(struct resend *r)
{
	uint64_t number;

	if (ledger_busy(r->ledger))
		return KM_ERR_FULL;
	run_tell(r);
	if (r->wanted_at == r->wanted_count) {
		if (r->lines_left_out > 0 && r->text_len + 64 <= RESEND_TEXT_MAX)
			r->text_len += (size_t)snprintf(r->text + r->text_len, 64,
							"and %" PRIu64 " lines more\n",
							r->lines_left_out);
		drop_manifest(r);
		r->state = RESEND_DONE;
		return KM_OK;
	}
	number = r->wanted[r->wanted_at++];
	if (ledger_send(r->ledger, r->ticket.chain, number, NULL) == 0)
		say(r, "sent manifest %" PRIu64 "\n", number);
	else
		say(r, "not kept manifest %" PRIu64 "\n", number);
	return KM_OK;
}

enum km_rc resend_step(struct resend *r, uint64_t bytes, uint64_t now_ns)
{
	switch (r->state) {
	case RESEND_NEXT:
		next_thing(r);
		return KM_OK;
	case RESEND_CHECK:
		return check(r);
	case RESEND_FEED:
		return feed(r, bytes, now_ns);
	case RESEND_LEDGER:
		return ledger(r);
	case RESEND_IDLE:
	case RESEND_DONE:
		break;
	}
	return KM_OK;
}
