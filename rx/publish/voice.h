// SPDX-License-Identifier: ISC
/*
 * voice.h: publish speaks for the whole receiver: its counters, the events that decode
 * may not write itself (it has no descriptor to write to), the list of lost frames, what
 * is known of the sender, and the summary line. Names from outside only through
 * log_quote().
 *
 * STATE/publish/link says in one line what is known of the sender now; STATE/publish/losses
 * has one line per lost range of frames, complete where the log is limited in rate.
 *
 * rx publish; one thread.
 */
#ifndef VOICE_H
#define VOICE_H

#include <stdint.h>

#include "bout.h"
#include "deliver.h"
#include "return_watch.h"
#include "rx_config.h"
#include "stats.h"

#define VOICE_STATS(X)                                                                     \
	X(VOICE_OBJECTS_PUBLISHED, "objects_published")                                    \
	X(VOICE_OBJECTS_QUARANTINED, "objects_quarantined")                                \
	X(VOICE_OBJECTS_WITHDRAWN, "objects_withdrawn")                                    \
	X(VOICE_OBJECTS_MISSING, "objects_missing")                                        \
	X(VOICE_OBJECTS_ANNOUNCED, "objects_announced")                                    \
	X(VOICE_OBJECTS_PARTIAL, "objects_partial")                                        \
	X(VOICE_BYTES_PUBLISHED, "bytes_published")                                        \
	X(VOICE_MANIFESTS_STORED, "manifests_stored")                                      \
	X(VOICE_MANIFESTS_REFUSED, "manifests_refused")                                    \
	X(VOICE_MANIFESTS_MISSING, "manifests_missing")                                    \
	X(VOICE_MESSAGES, "messages")                                                      \
	X(VOICE_VIOLATIONS, "violations")                                                  \
	X(VOICE_DUPLICATES, "duplicates")                                                  \
	X(VOICE_WRITE_ERRORS, "write_errors")                                              \
	X(VOICE_GENERATIONS, "generations")                                                \
	X(VOICE_REFUSED, "records_refused")                                                \
	X(VOICE_HELD_BACK, "fragments_held_back")                                          \
	X(VOICE_UNKNOWN_CHANNEL, "unknown_channel")                                        \
	X(VOICE_FORKS, "chain_forks")                                                      \
	X(VOICE_BREAKS, "chain_breaks")                                                    \
	X(VOICE_CHAINS_RESTARTED, "chains_restarted")                                      \
	X(VOICE_LOST_RANGES, "lost_ranges")                                                \
	X(VOICE_WINDOWS_INCOMPLETE, "windows_incomplete")                                  \
	X(VOICE_LINK_STATE, "link_state")                                                  \
	X(VOICE_UNKNOWN_SINCE, "unknown_since_ns")                                         \
	X(VOICE_SCAN_WAITING, "scan_waiting")                                              \
	X(VOICE_SCAN_PASSED, "scan_passed")                                                \
	X(VOICE_SCAN_REJECTED, "scan_rejected")                                            \
	X(VOICE_SCAN_ERRORS, "scan_errors")                                                \
	X(VOICE_SCAN_TIMEOUTS, "scan_timeouts")                                            \
	X(VOICE_DISK_FULL, "disk_full")                                                    \
	X(VOICE_TX_RECEIVED, "tx_port_received") /* as the sender's heartbeat says */
enum voice_stat { VOICE_STATS(STATS_ENUM_ROW) VOICE_COUNT };

/* More than there are kinds in enum deliver_alarm, and verdicts on an announce. */
#define VOICE_ALARMS 16u

/* What is known of the sender; the value of link_state. */
enum voice_link {
	VOICE_LINK_NEVER = 0, /* nothing heard yet */
	VOICE_LINK_ALIVE = 1,
	VOICE_LINK_FAREWELL = 2, /* it said that it stops */
	VOICE_LINK_UNKNOWN = 3,	 /* it vanished: unknown since unknown_since_ns */
};

/* Below state_dir, where no channel has this name. */
#define VOICE_DIR "publish"

struct voice {
	uint64_t count[VOICE_COUNT];
	struct stats_map *map;		/* NULL = none */
	const struct rx_config *config; /* names of channels; the caller sets it */
	struct stats_writer writer;	/* no entries = none */
	int dir;			/* STATE/publish; -1 = none */
	int losses;			/* file in it */
	uint64_t losses_len;
	char *lost; /* lines not yet written */
	size_t lost_len;
	uint64_t session, epoch;
	uint64_t summary_ns, next_summary_ns;
	uint64_t last_frames, last_lost, last_repaired, last_bytes, last_summary_ns;
	struct return_watch tx_received, rx_sent;
	struct bout bout[VOICE_ALARMS], announce[VOICE_ALARMS];
	bool link_changed;
};

/* Claims the block of publish in the page when map is not NULL; makes STATE/publish and
 * opens what is in it; STATE is borrowed for the call. */
KM_MUST_CHECK int voice_init(struct voice *v, struct stats_map *map, int state_dir,
			     uint64_t summary_ns, struct km_err *err);
void voice_free(struct voice *v);

void voice_add(struct voice *v, enum voice_stat id, uint64_t delta);
void voice_set(struct voice *v, enum voice_stat id, uint64_t value);

/* Messages DELIVER_SESSION .. DELIVER_ALARM: said, counted, remembered. `channel` is the
 * channel's name or NULL. M is a private copy. False: the message makes no sense. */
bool voice_tell(struct voice *v, const struct deliver_msg *m, const char *channel);

/* Writes what voice_tell() gathered: losses and the link line (a failure is retried), and says
 * what of a flood has come since it was said last. */
void voice_flush(struct voice *v);

/* The summary line when its time has come; `ages` is "name=12s other=never". */
bool voice_summary_due(const struct voice *v, uint64_t now_ns);
void voice_summary(struct voice *v, uint64_t now_ns, const char *ages);

#endif
