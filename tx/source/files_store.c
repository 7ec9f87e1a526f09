// SPDX-License-Identifier: ISC
/*
 * The disk's side of a files channel: set-up, what a restart finds, giving objects up,
 * making manifests, moving what has left.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "fileio.h"
#include "files.h"
#include "log.h"
#include "outbox.h"

/* Text of a manifest: scratch that also serves the journal. */
#define TEXT_ROOM                                                                          \
	(BATCH_TEXT_MAX + 64 > WIRE_MANIFEST_MAX ? BATCH_TEXT_MAX + 64 : WIRE_MANIFEST_MAX)
/* Directory in the spool for files whose names were lost with the state. */
#define RECOVERED "recovered-by-katamichi"

static int open_state(struct files *f, int state_fd, struct km_err *err)
{
	f->state = fileio_mkdir_beneath(state_fd, f->channel->name, 0700, err);
	if (f->state >= 0)
		f->outbox = fileio_mkdir_beneath(f->state, "outbox", 0755, err);
	if (f->state < 0 || f->outbox < 0 || dirmark_open(&f->marks, f->state, err) != 0)
		return km_err_prefix(err,
				     "state_dir %s (it and what is in it must belong to "
				     "the source's user)",
				     f->config->state_dir);
	return 0;
}

static int open_journal(struct files *f, struct km_err *err)
{
	enum journal_found found;

	if (journal_open(&f->journal, f->state, &found, err) != 0)
		return -1;
	if (found == JOURNAL_TORN)
		log_event(
			EVENT_JOURNAL_TORN,
			"an entry cut short by a crash was dropped; nothing depended on it "
			"channel=%s",
			f->channel->name);
	if (found == JOURNAL_DAMAGED)
		log_event(EVENT_JOURNAL_FAILED,
			  "the journal is damaged and was set aside as journal.damaged: a "
			  "new "
			  "chain begins; check the disk channel=%s",
			  f->channel->name);
	f->objects_told = f->journal.left_objects;
	return 0;
}

/* So long a small file waits for company: files that settle together share one manifest. */
#define FILES_GATHER_NS UINT64_C(200000000)

static int open_spool(struct files *f, struct km_err *err)
{
	const struct tx_config_channel *c = f->channel;
	const struct spool_policy policy = {
		.settle_ns = c->settle_ns,
		.max_object = c->max_object,
		.batch_bytes = c->batch_bytes,
		.gather_ns = c->flush_ns < FILES_GATHER_NS ? c->flush_ns : FILES_GATHER_NS,
	};

	if (spool_open(&f->spool, c->spool, c->name, &policy, f->counts, &f->marks, err) !=
	    0)
		return -1;
	retain_open(&f->retain, f->spool.sent, c->name, c->keep_ns, c->keep_bytes,
		    c->min_free, f->counts);
	return 0;
}

static int open_lanes(struct files *f, struct km_err *err)
{
	const struct tx_config_channel *c = f->channel;
	const struct block_geometry geo = channel_geometry(f->config, c);

	if (channel_open(&f->data, f->out, f->control, f->counts, &geo, c->number, c->class,
			 FRAME_STREAM_DATA, c->flush_ns, f->config->rate_bps, err) != 0 ||
	    ledger_open(&f->ledger, f->out, f->control, f->counts, c->fec_m > 0, geo.symbol,
			c->number, c->class, f->outbox, f->config->rate_bps, err) != 0)
		return -1;
	if (spread_open(&f->spread, f->crew, &f->data, tx_config_worker_depth(f->config, c),
			err) != 0)
		return -1;
	if (feed_open(&f->feed, &f->data, f->counts, f->readahead) != KM_OK)
		return km_err_set(err, EX_OSERR, "out of memory");
	f->place = control_add_channel(f->control, c->number);
	return resend_open(&f->resend, &f->data, &f->ledger, f->counts, f->spool.sent,
			   f->outbox, f->readahead, err);
}

struct files *files_open(const struct tx_config *config,
			 const struct tx_config_channel *channel, int state_fd,
			 struct lanes *lanes, struct crew *crew, struct control *control,
			 struct tx_session *session, struct counts *counts,
			 struct readahead *readahead, const char *software,
			 struct km_err *err)
{
	struct files *f = calloc(1, sizeof(*f));

	if (!f) {
		km_err_set(err, EX_OSERR, "channel %s: out of memory", channel->name);
		return NULL;
	}
	f->config = config;
	f->channel = channel;
	f->lanes = lanes;
	f->out = &lanes->out[0];
	f->crew = crew;
	f->spread.fd = -1;
	f->control = control;
	f->session = session;
	f->counts = counts;
	f->readahead = readahead;
	f->software = software;
	f->state = f->outbox = f->journal.fd = f->marks.fd = f->feed.fd = f->resend.fd = -1;
	f->resend.feed.fd = -1;
	f->spool.in = f->spool.work = f->spool.sent = f->spool.notify = -1;
	f->batch = batch_new();
	f->text = malloc(TEXT_ROOM);
	f->entries = calloc(WIRE_BATCH_OBJECTS_MAX, sizeof(*f->entries));
	if (!f->batch || !f->text || !f->entries) {
		km_err_set(err, EX_OSERR, "channel %s: out of memory", channel->name);
		files_close(f);
		return NULL;
	}
	if (open_state(f, state_fd, err) != 0 || open_journal(f, err) != 0 ||
	    open_spool(f, err) != 0 || open_lanes(f, err) != 0) {
		km_err_prefix(err, "channel %s", channel->name);
		files_close(f);
		return NULL;
	}
	return f;
}

void files_close(struct files *f)
{
	if (!f)
		return;
	spread_close(&f->spread);
	feed_close(&f->feed);
	resend_close(&f->resend);
	ledger_close(&f->ledger);
	channel_close(&f->data);
	spool_close(&f->spool);
	dirmark_close(&f->marks);
	journal_close(&f->journal);
	km_close(&f->outbox);
	km_close(&f->state);
	batch_free(f->batch);
	free(f->text);
	free(f->entries);
	free(f);
}

int files_start(struct files *f, struct km_err *err)
{
	if (f->journal.chain == 0) {
		if (journal_start(&f->journal, f->session->epoch, err) != 0)
			return -1;
		log_event(EVENT_CHAIN_NEW,
			  "no valid state: a new chain begins channel=%s chain=%" PRIu64,
			  f->channel->name, f->journal.chain);
	}
	files_recover_work(f);
	return 0;
}

void files_session(struct files *f, bool rewind)
{
	channel_session(&f->data);
	ledger_session(&f->ledger);
	f->feed.serial = 0;
	if (!rewind)
		return;
	/* As after a restart: everything that has not left, from the journal. */
	feed_end(&f->feed);
	spread_drop(&f->spread);
	f->phase = FILES_NEXT;
	f->live = 0;
	f->leaving_count = 0;
	f->withdraw = false;
}

size_t files_pool_bytes(const struct files *f)
{
	return block_pool_bytes(&f->data.block.geo) +
	       block_pool_bytes(&f->ledger.channel.block.geo);
}

/* ---- after a restart ------------------------------------------------------------------------ */

/* Whether a number belongs to a batch that has still to leave. */
static bool is_live(const struct files *f, uint64_t number)
{
	for (unsigned i = 0; i < f->journal.live_count; i++) {
		if (number >= f->journal.live[i].first && number <= f->journal.live[i].last)
			return true;
	}
	return false;
}

static void recover_one(struct files *f, const char *name)
{
	char path[WIRE_NAME_MAX + 1], put[SPOOL_PUT_MAX];
	uint64_t chain, number;
	const bool ours = retain_name_read(name, &chain, &number);

	if (ours && chain == f->journal.chain && is_live(f, number))
		return;
	if (ours && chain == f->journal.chain && number <= f->journal.left_objects) {
		/* Stopped between the journal and the move. */
		(void)!fileio_rename_noreplace(f->spool.work, name, f->spool.sent, name);
		return;
	}
	/* State was lost: the name went with it, the content must not. */
	(void)snprintf(path, sizeof(path), RECOVERED "/%s", name);
	if (spool_put_back(&f->spool, path, name, false, put) == 0)
		log_event(EVENT_SPOOL_RECOVERED,
			  "a claimed file without a journal entry was put back into the "
			  "spool: "
			  "give it its name again channel=%s path=\"in/%s\"",
			  f->channel->name, put);
	else
		log_event(EVENT_SPOOL_FAILED,
			  "a claimed file without a journal entry stays in .katamichi/work "
			  "channel=%s name=\"%s\" error=\"%s\"",
			  f->channel->name, name, strerror(errno));
}

void files_recover_work(struct files *f)
{
	const int fd = openat(f->spool.work, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!list) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(list))) {
		if (entry->d_name[0] != '.')
			recover_one(f, entry->d_name);
	}
	closedir(list);
	/* Counted before these moves. */
	retain_open(&f->retain, f->spool.sent, f->channel->name, f->channel->keep_ns,
		    f->channel->keep_bytes, f->channel->min_free, f->counts);
}

static void put_back(struct files *f, unsigned object, bool hold)
{
	const struct batch_object *o = &f->batch->object[object];
	const char *path = batch_path(f->batch, o);
	char name[RETAIN_NAME_MAX], put[SPOOL_PUT_MAX],
		quoted[LOG_QUOTE_MAX(SPOOL_PUT_MAX)];
	const uint64_t number = f->batch->first + object;

	if (o->kind != RECORD_OBJECT_FILE)
		return;
	retain_name(name, f->batch->chain, number);
	if (spool_put_back(&f->spool, path, name, hold, put) == 0) {
		log_event(EVENT_FILE_PUT_BACK,
			  "it %s: its number is given up and it waits in the spool again "
			  "channel=%s object=%" PRIu64 " path=%s",
			  hold ? "cannot be read" : "changed while it was sent",
			  f->channel->name, number,
			  log_quote(quoted, sizeof(quoted), put, strlen(put)));
		return;
	}
	if (errno == ENOENT)
		log_event(EVENT_FILE_PUT_BACK,
			  "it went away after the claim: its number is given up channel=%s "
			  "object=%" PRIu64 " path=%s",
			  f->channel->name, number,
			  log_quote(quoted, sizeof(quoted), path, strlen(path)));
	else
		log_event(EVENT_SPOOL_FAILED,
			  "it cannot be put back and stays in .katamichi/work channel=%s "
			  "object=%" PRIu64 " error=\"%s\"",
			  f->channel->name, number, strerror(errno));
}

void files_recover_batch(struct files *f)
{
	struct spool_from from = SPOOL_FROM_INIT;

	for (unsigned i = 0; i < f->batch->count; i++) {
		const struct batch_object *o = &f->batch->object[i];
		char name[RETAIN_NAME_MAX];
		bool there;

		if (o->kind != RECORD_OBJECT_FILE)
			continue;
		retain_name(name, f->batch->chain, f->batch->first + i);
		there = faccessat(f->spool.work, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
		if (o->reason && there)
			put_back(f, i, false);
		/* A power cut may have undone the rename, but not the journal. */
		if (!o->reason && !there)
			(void)!spool_take(&f->spool, &from, f->batch, o, name);
	}
	spool_from_close(&from);
}

/* ---- leaving --------------------------------------------------------------------------------- */

void files_settle_left(struct files *f, const struct files_leaving *left)
{
	for (uint64_t number = left->first; number <= left->last; number++) {
		char name[RETAIN_NAME_MAX];
		struct stat st;

		if (left->reason[number - left->first])
			continue;
		retain_name(name, f->journal.chain, number);
		if (fstatat(f->spool.work, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue; /* a directory object */
		if (fileio_rename_noreplace(f->spool.work, name, f->spool.sent, name) == 0)
			retain_added(&f->retain, (uint64_t)st.st_size);
		else
			log_event_limited(
				EVENT_SPOOL_FAILED,
				"a sent file cannot be moved to .katamichi/sent: it is "
				"not kept for a resend channel=%s object=%" PRIu64
				" error=\"%s\"",
				f->channel->name, number, strerror(errno));
	}
}

int files_withdraw(struct files *f, unsigned object, uint8_t reason)
{
	struct batch_object *o = &f->batch->object[object];
	struct km_err err = KM_ERR_INIT;

	if (journal_withdraw(&f->journal, f->batch->first + object, reason, &err) != 0) {
		f->counts->journal_errors++;
		log_event_limited(EVENT_JOURNAL_FAILED,
				  "%s: free the disk or mend the state directory, the "
				  "files wait channel=%s",
				  err.text, f->channel->name);
		return -1;
	}
	o->reason = reason;
	f->counts->files_withdrawn++;
	put_back(f, object, reason == RECORD_WITHDRAWN_GONE);
	return 0;
}

/* ---- manifests --------------------------------------------------------------------------------- */

static void head_fill(const struct files *f, struct manifest_head *head)
{
	const struct tx_config_channel *c = f->channel;

	memset(head, 0, sizeof(*head));
	(void)snprintf(head->fingerprint, sizeof(head->fingerprint), "%s",
		       f->session->fingerprint);
	head->channel = c->number;
	(void)snprintf(head->channel_name, sizeof(head->channel_name), "%s", c->name);
	(void)snprintf(head->owner, sizeof(head->owner), "%s", c->owner);
	(void)snprintf(head->purpose, sizeof(head->purpose), "%s", c->purpose);
	(void)snprintf(head->classification, sizeof(head->classification), "%s",
		       c->classification);
	head->chain = f->batch->chain;
	head->number = f->batch->manifest;
	if (f->batch->manifest > 1)
		memcpy(head->previous, f->journal.head, DIGEST_LEN);
	head->first = f->batch->first;
	head->last = f->batch->first + f->batch->count - 1;
	head->created_ns = clock_real_ns();
	(void)snprintf(head->software, sizeof(head->software), "%s", f->software);
	memcpy(head->config_digest, f->config->digest, sizeof(head->config_digest));
}

int files_make_manifest(struct files *f, struct km_err *err)
{
	char comment[MINISIG_COMMENT_MAX + 1], sig[MINISIG_FILE_MAX];
	struct manifest_head head;
	uint8_t hash[DIGEST_LEN];
	size_t len, sig_len;
	enum km_rc rc;

	head_fill(f, &head);
	batch_entries(f->entries, f->batch);
	rc = manifest_write(f->text, WIRE_MANIFEST_MAX - MINISIG_FILE_MAX - 4, &len, &head,
			    f->entries, f->batch->count);
	if (rc != KM_OK)
		return km_err_set(err, EX_SOFTWARE,
				  "manifest %" PRIu64 " cannot be written: %s", head.number,
				  km_rc_name(rc));
	digest_sha256(hash, f->text, len);
	manifest_comment(comment, head.chain, head.number, hash);
	if (tx_session_sign(f->session, f->text, len, comment, sig, &sig_len, err) != 0 ||
	    outbox_write(f->outbox, head.chain, head.number, f->text, len, sig, sig_len,
			 err) != 0)
		return -1;
	return journal_made(&f->journal, head.number, hash, err);
}
