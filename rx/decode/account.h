// SPDX-License-Identifier: ISC
/*
 * The account of one lane of one session: which numbers were taken, which are lost. The
 * sum of DESIGN section 4 holds after every call, over the numbers base .. next - 1:
 *
 *	next - base = taken + pending + lost
 *
 * `base` is 0, or the number behind the floor that the keeper gave (what came before was
 * another process's to count). `next` - 1 is the highest number known, from an opened
 * frame or from a heartbeat. A number becomes lost when the window of 65,536 has passed
 * it, when a heartbeat said 1 s ago that it had left tx, or when the session ends; lost
 * never returns: a frame that comes then is `late`, its payload may still be used.
 *
 * Also the replay window: nothing is taken twice. Pure; no clock, no memory of its own.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "wire_limits.h"

#define ACCOUNT_WINDOW WIRE_SEQ_WINDOW
#define ACCOUNT_WORDS (ACCOUNT_WINDOW / 64u)
/* After a heartbeat has named them, frames still under way may take this long. */
#define ACCOUNT_SETTLE_NS UINT64_C(1000000000)

enum account_verdict {
	ACCOUNT_FRESH,	   /* not seen: authenticate it, then account_take() */
	ACCOUNT_DUPLICATE, /* within the window and taken already */
	ACCOUNT_OLD, /* below the window or the floor: it cannot be told from a replay */
};

/* FIRST .. LAST, both included, are lost for ever. Called in rising order, merged. */
typedef void account_lost_fn(void *ctx, uint64_t first, uint64_t last);

struct account {
	uint64_t base;	  /* first number that counts */
	uint64_t low;	  /* lowest number within the window */
	uint64_t settled; /* below: taken or lost, none pending; low <= settled <= next */
	uint64_t next;	  /* highest number known + 1 */
	uint64_t opened;  /* highest number opened + 1, 0 = none */
	uint64_t taken, pending, lost;
	uint64_t late, duplicate;    /* beside the sum: frames, not numbers */
	uint64_t run_first, run_end; /* lost, not yet said; empty when equal */
	uint64_t due_seq, due_ns; /* at due_ns everything below due_seq settles; 0 = none */
	uint64_t queued_seq, queued_ns;
	account_lost_fn *lost_fn;
	void *ctx;
	uint64_t seen[ACCOUNT_WORDS]; /* of [low, low + 65,536): bit number % 65,536 */
};

/* An empty account that begins at BASE. LOST_FN may be NULL. */
void account_start(struct account *a, uint64_t base, account_lost_fn *lost_fn, void *ctx);

/* Before any cryptography; changes nothing. */
enum account_verdict account_judge(const struct account *a, uint64_t seq);

/* The frame SEQ, judged fresh, was opened. True when the number had been given up
 * before. */
bool account_take(struct account *a, uint64_t seq);

/* A copy of a frame taken already was seen. */
void account_duplicate(struct account *a);

/* An authentic heartbeat says that the numbers below ACCEPTED have left tx. */
void account_heard(struct account *a, uint64_t accepted, uint64_t now_ns);

/* Settle what is due and say runs that wait. Call at least every 100 ms. */
void account_tick(struct account *a, uint64_t now_ns);

/* The lane has ended: everything pending is lost, and said. */
void account_end(struct account *a);

/* The sum, with `pending` counted anew from the bitmap. For tests and debug
 * assertions. */
bool account_check(const struct account *a);

#endif
