// SPDX-License-Identifier: ISC
/*
 * files: the state machine of one files channel, from the spool to `sent/`:
 *
 *	ready -> claim (journal, rename) -> records while hashing -> manifest (sign, outbox,
 *	journal) -> ledger windows -> all frames released by the sender -> `left` -> sent/
 *
 * After a restart every batch without `left` is sent again whole, with the same numbers and,
 * when its manifest was made, the same manifest. It also gives resends their turn between
 * windows and runs retention. Errors of disk or signer stop the channel, never the role: the
 * same step is tried again every second, and nothing is lost.
 * One thread of the source role. It never waits for the lane or for producers; it does
 * block on the disk and on the signer.
 */
#ifndef FILES_H
#define FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "batch.h"
#include "channel.h"
#include "control.h"
#include "dirmark.h"
#include "feed.h"
#include "journal.h"
#include "ledger_out.h"
#include "resend.h"
#include "retain.h"
#include "spool.h"
#include "spread.h"
#include "tx_config.h"
#include "tx_session.h"

/* A step that failed (disk full, signer away) is tried again after this. */
#define FILES_RETRY_NS UINT64_C(1000000000)
/* The spool is looked over at most this often. */
#define FILES_LOOK_NS UINT64_C(10000000)
#define FILES_SPOOL_NS UINT64_C(2000000)
/* Repairs or ledger frames per go, so that nothing holds the lane for long. */
#define FILES_FRAMES 32u

enum files_phase {
	FILES_NEXT,	/* no batch in hand */
	FILES_SEND,	/* its objects are going into symbols */
	FILES_MANIFEST, /* all are in: manifest to be made and sent */
};

/* A batch whose frames are on their way out. */
struct files_leaving {
	uint64_t manifest, first, last;
	uint64_t serial; /* data window with its last record */
	bool announced;	 /* the manifest is in the ledger stream completely */
	bool marked;
	uint64_t mark[LANE_WORKERS_MAX]; /* lane counts that the sender must reach */
	uint8_t reason[WIRE_BATCH_OBJECTS_MAX];
};

struct files {
	const struct tx_config *config;
	const struct tx_config_channel *channel;
	struct lanes *lanes;
	struct lane_out *out; /* the loop's */
	struct crew *crew;
	struct control *control;
	struct tx_session *session;
	struct counts *counts;
	struct readahead *readahead;
	unsigned place; /* in the heads */
	const char *software;

	int state; /* STATE/<channel>, owned */
	int outbox;
	struct journal journal;
	struct dirmark marks;
	struct spool spool;
	struct retain retain;
	struct channel data;
	struct ledger_out ledger;
	struct resend resend;
	struct feed feed;
	struct spread
		spread; /* the object in hand, when it is large and there are workers */

	struct batch *batch;
	char *text; /* scratch: journal text, manifest text */
	struct manifest_entry *entries;
	enum files_phase phase;
	bool made;	     /* the batch's manifest was in the outbox already */
	unsigned live;	     /* batches of the journal already taken up, leaving included */
	unsigned object;     /* next of the batch */
	bool withdraw;	     /* the object in hand must be told withdrawn */
	uint64_t claimed_ns; /* when the batch in hand was claimed */
	struct files_leaving leaving[JOURNAL_LIVE_MAX];
	unsigned leaving_count;

	uint64_t objects_told; /* highest number whose records are out */
	uint64_t retry_ns;     /* nothing is tried before */
	uint64_t look_ns;
	uint64_t spool_ns; /* the spool is not looked at before */
	uint64_t spool_next_ns;
	uint64_t prune_ns;
	uint64_t active_ns; /* data was last put */
	int64_t deficit;    /* of the scheduler in source.c */
	bool in_turn;	    /* has its quantum of this round */
	bool resend_turn;   /* the open window belongs to the resend */
};

/* Everything of one channel, from its state on disk. state_fd: STATE, borrowed. NULL: with
 * err; what fails here is set-up (permissions, wrong directories). */
struct files *files_open(const struct tx_config *config,
			 const struct tx_config_channel *channel, int state_fd,
			 struct lanes *lanes, struct crew *crew, struct control *control,
			 struct tx_session *session, struct counts *counts,
			 struct readahead *readahead, const char *software,
			 struct km_err *err);
/* Let everything go. Writes nothing: what is on disk is what a restart finds. */
void files_close(struct files *files);

/* The first session is there: a channel without state begins its chain. -1: not stored. */
KM_MUST_CHECK int files_start(struct files *files, struct km_err *err);

/* A new session: windows begin anew. rewind: frames of the old one may be worthless (clock
 * step), so the batch in hand and those leaving are sent again whole. */
void files_session(struct files *files, bool rewind);

/* Bytes of pool (FEC windows) this channel holds, for the start-up line. */
size_t files_pool_bytes(const struct files *files);

/*
 * Put about `budget` bytes of frames into the lane. drain: nothing new is begun, open
 * windows are ended. Returns the bytes put; 0: nothing to do, or no room.
 */
uint64_t files_step(struct files *files, uint64_t budget, bool drain, uint64_t now_ns);

/* Housekeeping: spool, left marks, retention, repeats. Returns when to call again. */
uint64_t files_tick(struct files *files, bool drain, uint64_t now_ns);

/* True while a window is open, repairs are leaving or a manifest is on its way. */
bool files_busy(const struct files *files);

/* True when files_step() could put something if there were room. */
bool files_wants(const struct files *files, uint64_t now_ns);

/* Begin a resend; resend_busy(&files->resend) tells when it is done. */
void files_resend(struct files *files, const struct ticket *ticket);

/* Objects claimed, now or before a restart, whose records are not out yet. */
uint64_t files_in_hand(const struct files *files);

/* Seconds that the oldest object waiting or on its way is old. */
uint64_t files_age_s(const struct files *files, uint64_t now_ns);

/* ---- between the files of this module ----------------------------------------------------- */

/* Put back what the work directory holds and the journal does not know. */
void files_recover_work(struct files *files);
/* The batch in hand, just loaded: bring its files where they belong. */
void files_recover_batch(struct files *files);
/* Move what has left to sent/. */
void files_settle_left(struct files *files, const struct files_leaving *left);
/* Give the object up: journal, file back into the spool. -1: state cannot be stored. */
KM_MUST_CHECK int files_withdraw(struct files *files, unsigned object, uint8_t reason);
/* Make, sign and store the manifest of the batch in hand. */
KM_MUST_CHECK int files_make_manifest(struct files *files, struct km_err *err);

#endif
