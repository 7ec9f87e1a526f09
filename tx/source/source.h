// SPDX-License-Identifier: ISC
/*
 * tx source: reads the spools, cuts objects into records and windows, adds FEC, seals into
 * the lane rings. The role's entry, and its loop in a form that a test can drive without
 * processes (source_new, source_run). The only role of tx that reads what producers write;
 * it never sees the long-term key (signer) and never the link (sender).
 *
 *	spool -> files -> feed -> channel -> block -> fec -> lane_out -> ring
 *	             `-> spread -> crew: worker (feed -> ... -> ring), a thread each
 *	socket -> datagram (live) -> channel
 *	journal, outbox, retain: state   ledger_out: manifests   control: channel 0
 *
 * Loop: timers and housekeeping, the live channels, then one share of frames per channel:
 * strictly by class, deficit round robin within a class. It sleeps on the lanes' bell while
 * they are full, else in poll() on spools and sockets, never longer than the next deadline.
 */
#ifndef SOURCE_H
#define SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counts.h"
#include "datagram_in.h"
#include "km_err.h"
#include "lane.h"
#include "role.h"
#include "tx_config.h"

/* How long a stop waits for the sender to take what is in the rings. */
#define SOURCE_STOP_NS UINT64_C(10000000000)
/* The same for a planned change of session. */
#define SOURCE_ROTATE_NS UINT64_C(2000000000)
/* Between farewells, so that one burst does not take them all. */
#define SOURCE_FAREWELL_GAP_NS UINT64_C(20000000)
/* A channel's share per round, bytes: some tens of frames, so that timers are looked at
 * every fraction of a millisecond. */
#define SOURCE_QUANTUM (UINT64_C(128) << 10)

/* What the loop needs; all borrowed until source_free(). */
struct source_setup {
	const struct tx_config *config; /* mtu resolved */
	struct lane_plan plan;
	void *index; /* lane index mapping, see lane.h */
	size_t index_len;
	void *slots;
	size_t slots_len;
	const int *
		datagram_fds; /* bound socket of each datagram channel; NULL: there are none */
	int signer;	      /* socket of sign.h */
	int port_fd;	      /* rx_packets of the link interface, or -1 */
	uint8_t flags;	      /* enum record_heartbeat_flags that hold for good */
	const char *software;
};

struct source;

/* Build everything that needs no other role. NULL with err. */
struct source *source_new(const struct source_setup *setup, struct km_err *err);

/* Open the first session and take over what is on disk. Asks the signer, which works only
 * after the supervisor's "go": so after role_ready(), before the first source_run(). */
KM_MUST_CHECK int source_begin(struct source *source, struct km_err *err);

/* Let go. Writes nothing, says no farewell: for the disk and the receiver it is a crash. */
void source_free(struct source *source);

/* One turn of the loop; sleeps at most max_ns when there is nothing to do. -1: the role cannot go
 * on (signer gone, ring dead, session refused). */
KM_MUST_CHECK int source_run(struct source *source, uint64_t max_ns, struct km_err *err);

/* Begin to stop: windows are finished, rings drained, farewells sent. source_stopped() tells
 * when that is done (or SOURCE_STOP_NS have passed). */
void source_stop(struct source *source);
bool source_stopped(const struct source *source);

/* A new session soon, as when the present one has served its time. */
void source_renew(struct source *source);

/* Figures of the datagram channel at place I of the configuration. */
const struct datagram_counts *source_datagram_counts(const struct source *source,
						     unsigned i);
/* A source before this one had counted so far; the socket is the same. Before source_run(). */
void source_datagram_resume(struct source *source, unsigned i,
			    const struct datagram_counts *counts);

/* Figures as of now. */
const struct counts *source_counts(struct source *source);
/* One line for the start: pools in bytes. */
void source_describe(const struct source *source, char *text, size_t len);

/* The role's entry, called by main() after role_enter(). Returns a sysexits code. */
int source_main(struct role_ctx *ctx);

#endif
