// SPDX-License-Identifier: ISC
/*
 * What a link test means: from the listener's page to a result for each step, and from the
 * results to settings with their reasons. The page comes from the process that reads foreign
 * bytes, so every number of it is bounded here. Pure.
 */
#ifndef LINKTEST_VERDICT_H
#define LINKTEST_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "linktest.h"
#include "linktest_heard.h"

/* Kept free above the proposed rate, of the highest one without loss: a sender makes a delay
 * good at 9/8 of its rate (tx/sender/pace.h). */
#define LINKTEST_HEADROOM_PERCENT 12u
/* FEC reaches so many times the longest loss that was seen. */
#define LINKTEST_FEC_FACTOR 2u
/* The receiver may be off the processor so long: the ring takes what comes meanwhile. */
#define LINKTEST_RIDE_MS 50u

struct linktest_result {
	bool whole;    /* witnessed from its beginning to its end: it counts */
	bool told;     /* tx's own words about it were heard */
	bool slower;   /* tx itself did not reach the rate, or gave up */
	uint64_t sent; /* as told, else as planned */
	uint64_t taken;
	uint64_t lost; /* sent and not taken */
	uint64_t copies, late, drops;
	uint32_t longest; /* lost in a row */
	uint32_t ranges;  /* of lost frames */
	uint32_t named;	  /* of these, in the page */
	uint32_t tail; /* the last of the ranges, behind the last frame that came; or 0 */
	uint64_t bps;  /* at which tx has sent: as told, else as planned */
};

/* What the receiver is configured to now. */
struct linktest_setting {
	uint64_t ring_bytes, pool_bytes;
	uint32_t slot_stride; /* bytes of a symbol in the pool */
};

struct linktest_verdict {
	uint16_t size;	      /* largest size of which anything came; 0: none */
	uint16_t not_through; /* smallest size of which nothing came, or 0 */
	bool found;	      /* a rate at which nothing was lost, at any size up to that */
	uint64_t limit_bps;   /* the highest of them, as far as tx reached it */
	uint64_t rate_bps;    /* proposed */
	bool top;	      /* it was the highest that was tried */
	bool by_tx;	      /* tx could not send faster */
	uint64_t sent_below,
		lost_below; /* at this rate and below; none found: the lowest */
	uint32_t longest;   /* lost in a row there */
	unsigned fec_k, fec_m, fec_depth;
	bool fec_covers;
	uint64_t pool_bytes;
	bool bursts;	       /* there were any */
	uint32_t burst_ridden; /* frames of the longest burst of which nothing was lost */
	uint32_t burst_lost;   /* of the shortest with losses, or 0 */
	bool burst_by_ring;    /* the kernel says that the ring was full */
	uint16_t burst_size;
	uint64_t need_bytes; /* that come in LINKTEST_RIDE_MS at the rate */
	uint64_t ring_bytes;
};

/* Judge PAGE (a private copy, its state not WAITS) into RESULTS; the number of steps, 0 when
 * its plan is not in order. STEPS and RESULTS have LINKTEST_STEPS_MAX. */
unsigned linktest_judge(const struct linktest_heard *page, struct linktest_step *steps,
			struct linktest_result *results);

void linktest_propose(struct linktest_verdict *verdict, const struct linktest_plan *plan,
		      const struct linktest_step *steps,
		      const struct linktest_result *results, unsigned n,
		      const struct linktest_setting *now);

#endif
