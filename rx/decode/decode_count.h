// SPDX-License-Identifier: ISC
/*
 * The counters of decode: plain numbers in private memory, copied to the shared stats
 * page by the loop (never per frame). Two sums hold at every moment between two frames:
 *
 *	seen = foreign + ours
 *	ours = opened + every refused_... + held
 *
 * A datagram (framing udp) of several frames counts frame by frame, and as one of `trains`;
 * one whose IP or UDP header is refused (refused_carrier), or whose first clear header is,
 * counts as one frame. `held` is what waits: frames in the hold buffer and announces the
 * keeper looks at. An announce that is (or becomes) that of a session counts as opened.
 * hold_dropped names how many of refused_unknown_session had been held before. Rows from
 * HELD on are gauges: they start anew with the process, all others go on after a restart of
 * the role.
 *
 * Not for other roles: they read the page by name.
 */
#ifndef DECODE_COUNT_H
#define DECODE_COUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "stats.h"

#define DECODE_COUNT_LANES                                                                 \
	5u /* lanes with rows of their own: of the first worker, five classes */

#define DECODE_COUNT_SUMS(X)                                                               \
	X(COUNT_SEEN, "seen")                                                              \
	X(COUNT_FOREIGN, "foreign")                                                        \
	X(COUNT_OURS, "ours")                                                              \
	X(COUNT_OPENED, "opened")                                                          \
	X(COUNT_REFUSED_SHORT, "refused_short")                                            \
	X(COUNT_REFUSED_CARRIER, "refused_carrier")                                        \
	X(COUNT_REFUSED_VERSION, "refused_version")                                        \
	X(COUNT_REFUSED_MALFORMED, "refused_malformed")                                    \
	X(COUNT_REFUSED_RANGE, "refused_range")                                            \
	X(COUNT_REFUSED_UNKNOWN, "refused_unknown_session")                                \
	X(COUNT_REFUSED_AUTH, "refused_auth")                                              \
	X(COUNT_REFUSED_REPLAY, "refused_replay")                                          \
	X(COUNT_REFUSED_DUPLICATE, "refused_duplicate")                                    \
	X(COUNT_REFUSED_ANNOUNCE, "refused_announce")                                      \
	X(COUNT_ANNOUNCES, "announces")                                                    \
	X(COUNT_HOLD_DROPPED, "hold_dropped")                                              \
	X(COUNT_KERNEL_DROPS, "kernel_drops")                                              \
	X(COUNT_REALTIME_SEEN, "realtime_seen")	  /* of seen */                            \
	X(COUNT_REALTIME_DROPS, "realtime_drops") /* of kernel_drops */                    \
	X(COUNT_XDP_FOREIGN, "af_xdp_foreign") /* dropped by the program, not in seen */   \
	X(COUNT_XDP_STARVED, "af_xdp_starved") /* times that no chunk was free */          \
	X(COUNT_TX_PACKETS, "tx_packets_seen")                                             \
	X(COUNT_TAKEN, "taken_total")                                                      \
	X(COUNT_LOST, "lost_total")                                                        \
	X(COUNT_LATE, "late_total")                                                        \
	X(COUNT_SESSIONS, "sessions")                                                      \
	X(COUNT_WINDOWS_DONE, "windows_done")                                              \
	X(COUNT_WINDOWS_INCOMPLETE, "windows_incomplete")                                  \
	X(COUNT_WINDOWS_UNENDED, "windows_unended")                                        \
	X(COUNT_SYMBOLS_TAKEN, "symbols_taken")                                            \
	X(COUNT_SYMBOLS_REPAIR, "symbols_repair_taken")                                    \
	X(COUNT_SYMBOLS_REPAIRED, "symbols_repaired")                                      \
	X(COUNT_SYMBOLS_MISSING, "symbols_missing")                                        \
	X(COUNT_SYMBOLS_SURPLUS, "symbols_surplus")                                        \
	X(COUNT_SYMBOLS_STRAY, "symbols_stray")                                            \
	X(COUNT_SYMBOLS_DISAGREE, "symbols_disagree")                                      \
	X(COUNT_SYMBOLS_MALFORMED, "symbols_malformed")                                    \
	X(COUNT_SYMBOLS_UNREPAIRED, "symbols_no_room")                                     \
	X(COUNT_RECORDS, "records")                                                        \
	X(COUNT_RECORDS_UNKNOWN, "records_unknown")                                        \
	X(COUNT_RECORDS_MISPLACED, "records_misplaced")                                    \
	X(COUNT_CHANNEL_UNKNOWN, "channel_unknown")                                        \
	X(COUNT_POOL_EVICTIONS, "pool_evictions")                                          \
	X(COUNT_MESSAGES, "messages")                                                      \
	X(COUNT_PUBLISH_WAITS, "publish_waits")                                            \
	X(COUNT_HEARTBEATS, "heartbeats")                                                  \
	X(COUNT_ASKED, "asked")                                                            \
	X(COUNT_INTAKE_BAD, "intake_violations")                                           \
	X(COUNT_TRAINS, "trains")

#define DECODE_COUNT_LANE(X, n)                                                            \
	X(COUNT_LANE##n##_HIGHEST, "lane" #n "_highest")                                   \
	X(COUNT_LANE##n##_TAKEN, "lane" #n "_taken")                                       \
	X(COUNT_LANE##n##_PENDING, "lane" #n "_pending")                                   \
	X(COUNT_LANE##n##_LOST, "lane" #n "_lost")                                         \
	X(COUNT_LANE##n##_LATE, "lane" #n "_late")                                         \
	X(COUNT_LANE##n##_DUPLICATE, "lane" #n "_duplicate")                               \
	X(COUNT_LANE##n##_BASE, "lane" #n "_base")

#define DECODE_COUNT_LANE_ROWS 7u

#define DECODE_COUNT_GAUGES(X)                                                             \
	X(COUNT_HELD, "held")                                                              \
	X(COUNT_WINDOWS_OPEN, "windows_open")                                              \
	X(COUNT_MARGIN_WORST, "margin_worst")                                              \
	X(COUNT_POOL_SLOTS, "pool_slots")                                                  \
	X(COUNT_POOL_USED, "pool_used")                                                    \
	X(COUNT_SESSIONS_LIVE, "sessions_live")                                            \
	X(COUNT_SESSION_TAG, "session_tag")                                                \
	X(COUNT_SESSION_EPOCH, "session_epoch")                                            \
	X(COUNT_LAST_FRAME_NS, "last_frame_ns")                                            \
	X(COUNT_RSS_PLAN, "rss_plan_bytes")                                                \
	X(COUNT_TX_PERMISSIVE, "tx_permissive") /* 1: tx runs without its full sandbox */  \
	DECODE_COUNT_LANE(X, 0)                                                            \
	DECODE_COUNT_LANE(X, 1)                                                            \
	DECODE_COUNT_LANE(X, 2)                                                            \
	DECODE_COUNT_LANE(X, 3)                                                            \
	DECODE_COUNT_LANE(X, 4)                                                            \
	/* sums of the lanes of tx's further workers; numbers = base + the next three */   \
	X(COUNT_WORKERS_NUMBERS, "workers_numbers")                                        \
	X(COUNT_WORKERS_TAKEN, "workers_taken")                                            \
	X(COUNT_WORKERS_PENDING, "workers_pending")                                        \
	X(COUNT_WORKERS_LOST, "workers_lost")                                              \
	X(COUNT_WORKERS_LATE, "workers_late")                                              \
	X(COUNT_WORKERS_DUPLICATE, "workers_duplicate")                                    \
	X(COUNT_WORKERS_BASE, "workers_base")

#define DECODE_COUNTS(X) DECODE_COUNT_SUMS(X) DECODE_COUNT_GAUGES(X)

enum decode_count { DECODE_COUNTS(STATS_ENUM_ROW) COUNT_ROWS };

struct decode_counts {
	uint64_t v[COUNT_ROWS];
};

extern const char *const decode_count_names[COUNT_ROWS];

/* Begin: sums from the page (a role that was restarted goes on), gauges at zero; frames
 * that the former process held are gone and counted so. */
void decode_counts_load(struct decode_counts *c, const struct stats_writer *w);

/* Copy every row to the page. */
void decode_counts_store(const struct decode_counts *c, struct stats_writer *w);

/* The two port sums of the head of this file. */
bool decode_counts_check(const struct decode_counts *c);

#endif
