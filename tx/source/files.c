// SPDX-License-Identifier: ISC
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "fileio.h"
#include "files.h"
#include "log.h"
#include "outbox.h"

/* A step could not be stored: say it, and try again in a second. */
static void stumble(struct files *f, const struct km_err *err, uint64_t now_ns)
{
	f->counts->journal_errors++;
	f->retry_ns = now_ns + FILES_RETRY_NS;
	log_event_limited(
		EVENT_JOURNAL_FAILED,
		"%s: free the disk or mend the state directory, the files wait channel=%s",
		err->text, f->channel->name);
}

static uint64_t lane_bytes(const struct files *f)
{
	return f->out->lane[f->channel->class].bytes;
}

/* ---- a batch ------------------------------------------------------------------------------- */

/* Take up a batch that the journal knows from before. */
static int load_batch(struct files *f, struct km_err *err)
{
	if (journal_load(&f->journal, f->live, f->batch, f->text, err) != 0)
		return -1;
	files_recover_batch(f);
	f->made = f->journal.live[f->live].made;
	return 0;
}

/* Rename the claimed files into work/; one that is not there any more shows when it is read. */
static void take_files(struct files *f)
{
	struct spool_from from = SPOOL_FROM_INIT;

	for (unsigned i = 0; i < f->batch->count; i++) {
		const struct batch_object *o = &f->batch->object[i];
		char name[RETAIN_NAME_MAX];

		retain_name(name, f->batch->chain, f->batch->first + i);
		if (spool_take(&f->spool, &from, f->batch, o, name) != 0 &&
		    errno != ENOENT && errno != ESTALE)
			log_event_limited(
				EVENT_SPOOL_FAILED,
				"a file cannot be taken out of the spool: give the "
				"source's user write permission on its directory "
				"channel=%s error=\"%s\"",
				f->channel->name, strerror(errno));
	}
	spool_from_close(&from);
	spool_took(&f->spool, f->batch);
}

/* Claim what is ready. False: nothing is. */
static bool claim_batch(struct files *f, uint64_t now_ns)
{
	struct km_err err = KM_ERR_INIT;

	if (spool_collect(&f->spool, f->batch, now_ns) == 0) {
		f->look_ns = 0;
		return false;
	}
	if (journal_claim(&f->journal, f->batch, f->text, &err) != 0) {
		stumble(f, &err, now_ns);
		return false;
	}
	take_files(f);
	f->made = false;
	/* What was just claimed waits no more: it must not count twice, in the depth of the
	 * next window or in `backlog_files`. */
	spool_look(&f->spool, now_ns);
	f->counts->files_claimed += f->batch->count;
	log_event(EVENT_BATCH_CLAIMED,
		  "objects claimed channel=%s manifest=%" PRIu64 " objects=%" PRIu64
		  "..%" PRIu64 " bytes=%" PRIu64,
		  f->channel->name, f->batch->manifest, f->batch->first,
		  f->batch->first + f->batch->count - 1, f->batch->bytes);
	return true;
}

/* The next batch in hand, if there is one. */
static bool next_batch(struct files *f, uint64_t now_ns)
{
	struct km_err err = KM_ERR_INIT;

	if (f->live < f->journal.live_count) {
		if (load_batch(f, &err) != 0) {
			stumble(f, &err, now_ns);
			return false;
		}
	} else if (f->journal.live_count == JOURNAL_LIVE_MAX ||
		   !spool_wants(&f->spool, now_ns) || !claim_batch(f, now_ns)) {
		return false;
	}
	f->live++;
	f->phase = FILES_SEND;
	f->object = 0;
	f->withdraw = false;
	f->claimed_ns = now_ns;
	return true;
}

/* ---- an object ------------------------------------------------------------------------------ */

static void begin_of(const struct files *f, unsigned i, struct record_begin *begin)
{
	const struct batch_object *o = &f->batch->object[i];

	*begin = (struct record_begin){
		.chain = f->batch->chain,
		.number = f->batch->first + i,
		.size = o->size,
		.mtime_s = o->mtime_s,
		.mtime_ns = o->mtime_ns,
		.kind = o->kind,
		.path = f->batch->paths + o->path_at,
		.path_len = o->path_len,
	};
}

/* The file is still the one that was claimed, as far as its inode tells. */
static bool as_claimed(const struct batch_object *o, int fd, struct stat *st)
{
	if (fstat(fd, st) != 0 || st->st_ino != o->ino)
		return false;
	/* Times before 1970 are carried as 0. */
	return st->st_mtim.tv_sec < 0 || (st->st_mtim.tv_sec == o->mtime_s &&
					  (uint32_t)st->st_mtim.tv_nsec == o->mtime_ns);
}

/*
 * Give the object up. When its manifest was signed already that is not possible any more:
 * the number then stays with the receiver as an object that never verified.
 */
static void give_up(struct files *f, uint8_t reason, uint64_t now_ns)
{
	feed_end(&f->feed);
	if (f->made) {
		log_event(EVENT_FILE_CHANGED,
			  "a file changed or went after its manifest was signed: send it "
			  "again "
			  "under its name channel=%s object=%" PRIu64,
			  f->channel->name, f->batch->first + f->object);
		f->object++;
		return;
	}
	if (files_withdraw(f, f->object, reason) != 0) {
		f->retry_ns = now_ns + FILES_RETRY_NS;
		return;
	}
	f->withdraw = true;
}

/* Open the object in hand and begin to feed it. */
static void open_object(struct files *f, uint64_t now_ns)
{
	const struct batch_object *o = &f->batch->object[f->object];
	struct record_begin begin;
	char name[RETAIN_NAME_MAX];
	struct stat st;
	int fd = -1;

	begin_of(f, f->object, &begin);
	if (o->kind == RECORD_OBJECT_FILE) {
		retain_name(name, f->batch->chain, begin.number);
		fd = openat(f->spool.work, name,
			    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
			f->retry_ns = now_ns + FILES_RETRY_NS;
			return;
		}
		if (fd < 0 || !as_claimed(o, fd, &st)) {
			const uint8_t reason =
				fd < 0 ? RECORD_WITHDRAWN_GONE : RECORD_WITHDRAWN_CHANGED;

			km_close(&fd);
			give_up(f, reason, now_ns);
			return;
		}
	}
	if (o->kind == RECORD_OBJECT_FILE && spread_fits(&f->spread, o->size))
		spread_begin(&f->spread, fd, &st, &begin, !f->made);
	else if (feed_begin(&f->feed, fd, &st, &begin, 0, o->size, !f->made) != KM_OK)
		give_up(f, RECORD_WITHDRAWN_CHANGED, now_ns);
}

static void object_done(struct files *f)
{
	const uint64_t number = f->batch->first + f->object;

	if (number > f->objects_told)
		f->objects_told = number;
	f->object++;
	f->withdraw = false;
}

/* Tell a withdrawn number in the open window. */
static enum km_rc tell_withdrawn(struct files *f, uint64_t now_ns)
{
	const struct record_withdrawn w = {
		.chain = f->batch->chain,
		.number = f->batch->first + f->object,
		.reason = f->batch->object[f->object].reason,
	};
	const enum km_rc rc = channel_withdrawn(&f->data, &w, now_ns);

	if (rc == KM_OK)
		object_done(f);
	return rc == KM_ERR_STATE ? KM_ERR_EMPTY : rc;
}

/* Some more of the loop's own range of an object that is spread over the workers. */
static enum km_rc feed_own_range(struct files *f, uint64_t bytes, uint64_t now_ns)
{
	const enum km_rc rc = feed_step(&f->feed, bytes, now_ns);

	if (rc == KM_ERR_FULL || rc == KM_ERR_EMPTY)
		return rc;
	if (rc == KM_OK)
		feed_range_end(&f->feed);
	spread_fed(&f->spread, rc);
	feed_end(&f->feed);
	/* a range is a window, as with any worker; without room now, the next one shares it */
	(void)!channel_end(&f->data, now_ns);
	return KM_OK;
}

/* An object that was spread is through, or its file changed. */
static void end_spread(struct files *f, uint64_t now_ns)
{
	const enum km_rc rc = spread_end(&f->spread, f->batch->object[f->object].digest);

	if (rc == KM_OK)
		object_done(f);
	else
		give_up(f,
			rc == KM_ERR_SYS ? RECORD_WITHDRAWN_GONE : RECORD_WITHDRAWN_CHANGED,
			now_ns);
}

/* Put some of the object in hand. */
static enum km_rc feed_object(struct files *f, uint64_t bytes, uint64_t now_ns)
{
	struct batch_object *o = &f->batch->object[f->object];
	enum km_rc rc;

	if (o->reason || f->withdraw)
		return tell_withdrawn(f, now_ns);
	if (f->spread.on)
		return feed_own_range(f, bytes, now_ns);
	if (f->feed.state == FEED_IDLE) {
		open_object(f, now_ns);
		return KM_OK; /* look again at what came of it */
	}
	rc = feed_step(&f->feed, bytes, now_ns);
	if (rc == KM_ERR_FULL || rc == KM_ERR_EMPTY)
		return rc;
	if (rc == KM_OK && f->feed.digest)
		rc = feed_digest(&f->feed, o->digest);
	if (rc != KM_OK) {
		give_up(f,
			rc == KM_ERR_SYS ? RECORD_WITHDRAWN_GONE : RECORD_WITHDRAWN_CHANGED,
			now_ns);
		return KM_OK;
	}
	feed_end(&f->feed);
	object_done(f);
	return KM_OK;
}

/* ---- the ledger ------------------------------------------------------------------------------ */

/* All objects are in symbols: the manifest. */
static void finish_batch(struct files *f, uint64_t now_ns)
{
	struct files_leaving *l = &f->leaving[f->leaving_count];
	struct km_err err = KM_ERR_INIT;

	if (ledger_busy(&f->ledger) || f->leaving_count == JOURNAL_LIVE_MAX)
		return;
	if (!f->made && files_make_manifest(f, &err) != 0) {
		stumble(f, &err, now_ns);
		return;
	}
	f->made = true;
	if (ledger_send(&f->ledger, f->batch->chain, f->batch->manifest, &err) != 0) {
		stumble(f, &err, now_ns);
		return;
	}
	memset(l, 0, sizeof(*l));
	l->manifest = f->batch->manifest;
	l->first = f->batch->first;
	l->last = f->batch->first + f->batch->count - 1;
	l->serial = f->data.serial;
	for (unsigned i = 0; i < f->batch->count; i++)
		l->reason[i] = f->batch->object[i].reason;
	f->leaving_count++;
	f->counts->manifests_sent++;
	ledger_sent(&f->ledger, f->batch->manifest, now_ns);
	f->phase = FILES_NEXT;
}

/* ---- the step -------------------------------------------------------------------------------- */

/* Bytes that wait for windows, records and all: sizes the next one. */
static uint64_t backlog(const struct files *f)
{
	uint64_t bytes = f->spool.ready_bytes, objects = f->spool.ready;

	/* no more than the range: what else there is of the object, others send meanwhile */
	if (f->spread.on)
		return feed_left(&f->feed) +
		       feed_left(&f->feed) / f->data.block.geo.symbol *
			       CHANNEL_FRAGMENT_BYTES +
		       CHANNEL_BEGIN_BYTES + f->feed.begin.path_len;
	for (unsigned i = f->object; f->phase == FILES_SEND && i < f->batch->count; i++) {
		bytes += f->batch->object[i].size;
		objects++;
	}
	if (f->feed.state == FEED_READING)
		bytes -= f->feed.begin.size - feed_left(&f->feed);
	bytes += bytes / f->data.block.geo.symbol * CHANNEL_FRAGMENT_BYTES;
	return bytes + objects * CHANNEL_BEGIN_BYTES;
}

/* A window for the resend or for the batch: they take turns, window by window. */
static enum km_rc data_window(struct files *f, bool resend, uint64_t now_ns)
{
	if (f->data.block.phase == BLOCK_OPEN)
		return f->resend_turn == resend ? KM_OK : channel_end(&f->data, now_ns);
	f->resend_turn = resend;
	return channel_window(&f->data,
			      resend ? feed_left(&f->resend.feed) + 96 : backlog(f),
			      FILES_FRAMES, now_ns);
}

/* One go at the data stream. KM_OK: something was done; KM_ERR_EMPTY: nothing to do now. */
static enum km_rc data_step(struct files *f, uint64_t bytes, bool drain, uint64_t now_ns)
{
	bool resend = resend_feeding(&f->resend);
	enum km_rc rc;

	if (f->data.block.phase == BLOCK_REPAIR)
		return channel_step(&f->data, FILES_FRAMES);
	if (channel_overdue(&f->data, now_ns))
		return channel_end(&f->data, now_ns);
	if (f->phase == FILES_NEXT && !drain && now_ns >= f->retry_ns)
		(void)next_batch(f, now_ns);
	/* Between two objects of a resend its window stays open. */
	if (!drain && f->data.block.phase == BLOCK_OPEN && f->resend_turn && !resend &&
	    (f->resend.state == RESEND_NEXT || f->resend.state == RESEND_CHECK))
		return KM_ERR_EMPTY;
	/* The window in hand goes on with whom it was opened for; a new one is for the other,
	 * if both have something. */
	if (f->phase == FILES_SEND && resend)
		resend = f->data.block.phase == BLOCK_OPEN ? f->resend_turn
							   : !f->resend_turn;
	if (drain || now_ns < f->retry_ns || (!resend && f->phase != FILES_SEND)) {
		if (f->data.block.phase != BLOCK_OPEN)
			return KM_ERR_EMPTY;
		return channel_end(&f->data, now_ns);
	}
	if (!resend && f->spread.on) {
		const enum spread_next next = spread_next(&f->spread, &f->feed);

		if (next == SPREAD_OVER)
			end_spread(f, now_ns);
		if (next != SPREAD_FEED)
			return f->data.block.phase == BLOCK_OPEN
				       ? channel_end(&f->data, now_ns)
			       : next == SPREAD_OVER ? KM_OK
						     : KM_ERR_EMPTY;
	}
	rc = data_window(f, resend, now_ns);
	if (rc != KM_OK || f->data.block.phase != BLOCK_OPEN)
		return rc;
	f->active_ns = now_ns;
	rc = resend ? resend_step(&f->resend, bytes, now_ns)
		    : feed_object(f, bytes, now_ns);
	return rc == KM_ERR_EMPTY ? KM_OK : rc;
}

uint64_t files_step(struct files *f, uint64_t budget, bool drain, uint64_t now_ns)
{
	const uint64_t start = lane_bytes(f);

	while (lane_bytes(f) - start < budget) {
		enum km_rc rc;

		if (lane_out_room(f->out, f->channel->class) == 0)
			break;
		if (f->phase == FILES_SEND && f->object == f->batch->count)
			f->phase = FILES_MANIFEST;
		if (f->phase == FILES_MANIFEST && now_ns >= f->retry_ns)
			finish_batch(f, now_ns);
		rc = ledger_step(&f->ledger, FILES_FRAMES, now_ns);
		if (rc == KM_ERR_FULL)
			continue; /* its share is out, or the room is used up: look again */
		if (rc != KM_OK)
			break;
		if (resend_busy(&f->resend) && !resend_feeding(&f->resend) && !drain)
			(void)!resend_step(&f->resend, budget, now_ns);
		rc = data_step(f, budget, drain, now_ns);
		if (rc != KM_OK && rc != KM_ERR_FULL)
			break;
	}
	return lane_bytes(f) - start;
}

/* ---- housekeeping ----------------------------------------------------------------------------- */

static void heads_tell(struct files *f)
{
	struct record_heads heads = {
		.channel = f->channel->number,
		.chain = f->journal.chain,
		.objects = f->objects_told,
		.manifests = f->journal.left,
	};

	if (f->journal.left > 0)
		memcpy(heads.head, f->journal.left_hash, sizeof(heads.head));
	control_heads(f->control, f->place, &heads);
}

/* The frames of the oldest batch on its way are all released: it has left. */
static void leave(struct files *f, uint64_t now_ns)
{
	struct files_leaving *l = &f->leaving[0];
	struct km_err err = KM_ERR_INIT;

	/* The files' renames are to be on disk before the journal forgets the claim. */
	if (fsync(f->spool.work) != 0 || fsync(f->spool.in) != 0) {
		km_err_set_errno(&err, EX_IOERR, "spool: cannot be synced");
		stumble(f, &err, now_ns);
		return;
	}
	if (journal_left(&f->journal, l->manifest, &err) != 0) {
		stumble(f, &err, now_ns);
		return;
	}
	f->live--;
	f->counts->files_sent += l->last - l->first + 1;
	log_event(EVENT_BATCH_LEFT,
		  "sent channel=%s chain=%" PRIu64 " manifest=%" PRIu64 " objects=%" PRIu64
		  "..%" PRIu64,
		  f->channel->name, f->journal.chain, l->manifest, l->first, l->last);
	files_settle_left(f, l);
	f->leaving_count--;
	memmove(&f->leaving[0], &f->leaving[1], f->leaving_count * sizeof(f->leaving[0]));
	if (journal_compact(&f->journal, false, &err) != 0)
		stumble(f, &err, now_ns);
}

static const struct lane_out_lane *lane_of(const struct files *f, unsigned worker)
{
	return &f->lanes->out[worker].lane[f->channel->class];
}

/* The sender has released all that was submitted when the batch was through. */
static bool is_out(const struct files *f, const struct files_leaving *l)
{
	for (unsigned w = 0; w < f->lanes->count; w++)
		if (!l->marked || lane_of(f, w)->released < l->mark[w])
			return false;
	return true;
}

static void leaving_tick(struct files *f, uint64_t now_ns)
{
	for (unsigned i = 0; i < f->leaving_count; i++) {
		struct files_leaving *l = &f->leaving[i];
		const bool window_out =
			f->data.serial != l->serial || f->data.block.phase == BLOCK_IDLE;

		if (!l->announced)
			l->announced =
				!(f->ledger.data && f->ledger.number == l->manifest &&
				  f->ledger.chain == f->journal.chain &&
				  !f->ledger.is_repeat);
		if (!l->marked && l->announced && window_out) {
			l->marked = true;
			for (unsigned w = 0; w < f->lanes->count; w++)
				l->mark[w] = lane_of(f, w)->submitted;
		}
	}
	while (f->leaving_count > 0 && is_out(f, &f->leaving[0]) && now_ns >= f->retry_ns) {
		const unsigned before = f->leaving_count;

		leave(f, now_ns);
		if (f->leaving_count == before)
			return;
	}
}

uint64_t files_tick(struct files *f, bool drain, uint64_t now_ns)
{
	uint64_t next = CLOCK_NEVER, at;

	lanes_refresh(f->lanes);
	spread_tick(&f->spread);
	leaving_tick(f, now_ns);
	if (f->leaving_count > 0)
		next = now_ns + 2 * CLOCK_NS_PER_MS;
	if (!drain) {
		if (now_ns >= f->spool_ns) {
			f->spool_ns = now_ns + FILES_SPOOL_NS;
			f->spool_next_ns = spool_tick(&f->spool, now_ns);
		}
		/* What is due before the next look waits for it; to wake earlier is to spin. */
		at = f->spool_next_ns > f->spool_ns ? f->spool_next_ns : f->spool_ns;
		next = at < next ? at : next;
		if (now_ns >= f->look_ns) {
			spool_look(&f->spool, now_ns);
			f->look_ns = now_ns + FILES_LOOK_NS;
		}
		at = f->spool.next_ready_ns > f->look_ns ? f->spool.next_ready_ns
							 : f->look_ns;
		next = at < next ? at : next;
		at = retain_tick(&f->retain, now_ns);
		next = at < next ? at : next;
		at = ledger_tick(&f->ledger, f->journal.chain, f->journal.left,
				 f->phase != FILES_NEXT, now_ns);
		next = at < next ? at : next;
	}
	if (now_ns >= f->prune_ns) {
		f->prune_ns = now_ns + 600 * CLOCK_NS_PER_SEC;
		(void)outbox_prune(f->outbox, f->journal.chain, f->journal.manifests,
				   f->channel->keep_ns, clock_real_ns());
	}
	if (f->retry_ns > now_ns && f->retry_ns < next)
		next = f->retry_ns;
	heads_tell(f);
	return next;
}

bool files_busy(const struct files *f)
{
	return channel_busy(&f->data) || ledger_busy(&f->ledger);
}

bool files_wants(const struct files *f, uint64_t now_ns)
{
	if (files_busy(f) || resend_busy(&f->resend))
		return true;
	return now_ns >= f->retry_ns &&
	       (f->phase != FILES_NEXT || f->live < f->journal.live_count ||
		(spool_wants(&f->spool, now_ns) &&
		 f->journal.live_count < JOURNAL_LIVE_MAX));
}

void files_resend(struct files *f, const struct ticket *ticket)
{
	resend_begin(&f->resend, ticket, f->journal.chain, f->journal.left,
		     f->journal.left_objects);
}

uint64_t files_in_hand(const struct files *f)
{
	uint64_t n = f->phase == FILES_SEND ? f->batch->count - f->object : 0;

	for (unsigned i = f->live; i < f->journal.live_count; i++)
		n += f->journal.live[i].last - f->journal.live[i].first + 1;
	return n;
}

uint64_t files_age_s(const struct files *f, uint64_t now_ns)
{
	uint64_t oldest = f->spool.oldest_ns;

	if (f->phase != FILES_NEXT && f->claimed_ns < oldest)
		oldest = f->claimed_ns;
	return oldest < now_ns ? (now_ns - oldest) / CLOCK_NS_PER_SEC : 0;
}
