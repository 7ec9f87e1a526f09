// SPDX-License-Identifier: ISC
/*
 * What the source counts: one plain struct that every module of this folder adds to, and
 * the names under which source.c shows it on the counters page. Not shared memory itself.
 */
#ifndef COUNTS_H
#define COUNTS_H

#include <stdint.h>

/* X(field, meaning); the field's name is the counter's name. */
#define COUNTS(X)                                                                          \
	X(files_claimed, "objects taken from the spool (files and empty directories)")     \
	X(files_sent, "objects whose last frame was released by the sender")               \
	X(files_refused, "names refused by policy")                                        \
	X(files_withdrawn, "numbers given up after the claim")                             \
	X(bytes_read, "bytes of objects read and sealed")                                  \
	X(objects_announced, "highest object numbers told in heads, all channels")         \
	X(manifests_sent, "manifests sealed for the first time")                           \
	X(manifests_repeated, "manifests sealed again")                                    \
	X(windows, "windows closed")                                                       \
	X(symbols_source, "source symbols of objects sealed")                              \
	X(symbols_repair, "repair symbols of objects sealed")                              \
	X(ledger_source, "source symbols of manifests sealed")                             \
	X(ledger_repair, "repair symbols of manifests sealed")                             \
	X(spool_age_s, "age of the oldest object waiting or being sent")                   \
	X(backlog_files, "objects in the spool, or claimed and not yet told")              \
	X(backlog_bytes, "bytes waiting in the spool")                                     \
	X(kept_files, "sent files still kept")                                             \
	X(kept_bytes, "their bytes")                                                       \
	X(yielded_files, "sent files removed before keep_days because of room")            \
	X(sessions, "sessions begun")                                                      \
	X(resends, "tickets worked off")                                                   \
	X(announces, "announce frames")                                                    \
	X(heartbeats, "heartbeats")                                                        \
	X(port_received, "frames the link interface ever received")                        \
	X(journal_errors, "writes of state that failed and were tried again")

#define COUNTS_FIELD(field, meaning) uint64_t field;
struct counts {
	COUNTS(COUNTS_FIELD)
};
#undef COUNTS_FIELD

#endif
