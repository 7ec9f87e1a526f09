// SPDX-License-Identifier: ISC
/*
 * publish.h: rx publish, the only process that ever holds a descriptor of an object. It
 * takes what decode delivers (deliver.h, segment.h), keeps it in part files, and lets a
 * name appear only when the content is what a signed manifest says. It is also the
 * receiver's voice and memory. Not a network role: it has no socket but its
 * supervisor's.
 *
 * The role's entry is publish_main(). The rest is the same machine in pieces, for tests
 * that drive it in one process: open, step until idle, close.
 */
#ifndef PUBLISH_H
#define PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "km_err.h"
#include "ring.h"
#include "role.h"
#include "rx_config.h"
#include "stats.h"

/*
 * Exit code when decode broke the protocol: the pair must end, decode too
 * (EX_PROTOCOL).
 */
#define PUBLISH_EXIT_VIOLATION 76

struct publish;
struct syncer;

struct publish_setup {
	const struct rx_config *config; /* borrowed as long as the machine lives */
	void *deliver;			/* mapping of deliver_bytes() */
	size_t deliver_len;
	const void *segment; /* mapping of the window segment, read-only */
	uint64_t segment_len;
	struct stats_map *stats; /* NULL = no page */
	int scan; /* socket of scan.h; not looked at without a channel that scans */
};

/* Opens state and roots of all channels and loads the trusted keys. NULL: see err. */
struct publish *publish_open(const struct publish_setup *setup, struct km_err *err);

/*
 * One round: a batch of messages, then a slice of the other work. 1: did something, 0:
 * idle, -1: decode broke the protocol (said).
 */
KM_MUST_CHECK int publish_step(struct publish *publish);

/* Sleeps until a message comes, work is due, or limit_ns passes. */
void publish_wait(struct publish *publish, uint64_t limit_ns);

/* Writes everything to disk that is still open and ends. */
void publish_close(struct publish *publish);

/* Something waits to be written, or is on its way to the disk: a step may have nothing to do, and yet more comes. */
bool publish_pending(const struct publish *publish);

/* For tests, which hold it or break it. */
struct syncer *publish_syncer(struct publish *publish);

/* Counter by its name, for tests. */
uint64_t publish_count(const struct publish *publish, const char *name);

/* Ends without writing anything more: what a kill leaves behind. For tests. */
void publish_abandon(struct publish *publish);

/* The role's entry, called by main() after role_enter(). Returns a sysexits code. */
int publish_main(struct role_ctx *ctx);

#endif
