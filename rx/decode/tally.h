// SPDX-License-Identifier: ISC
/*
 * The account of a link test: which test frames came, step by step, into the page that the
 * supervisor prints. Lost frames are named by their position in the step.
 *
 * Two steps are open at a time, each with a bit per frame, so that frames that were
 * overtaken find their place; an older one is settled. Test frames are not authenticated: any
 * bytes may come, and nothing here grows or runs away with them. The first run that is
 * heard is told of, until it has been silent for TALLY_SILENT_NS and another one comes.
 *
 * No I/O; memory is taken once. One thread.
 */
#ifndef TALLY_H
#define TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "linktest.h"
#include "linktest_heard.h"

#define TALLY_SILENT_NS UINT64_C(2000000000)
#define TALLY_WORDS (LINKTEST_STEP_FRAMES_MAX / 64u)

struct tally {
	struct linktest_heard *page; /* borrowed */
	struct linktest_known known; /* the plan of the run, as it stands in its frames */
	struct linktest_step step[LINKTEST_STEPS_MAX];
	unsigned steps;
	uint64_t frames;  /* of all steps */
	bool any;	  /* a run is under way */
	uint32_t settled; /* steps below are settled */
	uint64_t last_ns;
	uint64_t *bits[2]; /* TALLY_WORDS each: of steps with even and odd numbers */
};

/* PAGE is zero. Takes 1 MiB; KM_ERR_NOMEM. */
KM_MUST_CHECK enum km_rc tally_init(struct tally *t, struct linktest_heard *page);
void tally_free(struct tally *t);

/*
 * A frame of type test whose header is HEADER, FRAME from the clear header on. Returns how
 * long the reader should stay away from its ring now, in ms: not 0 with the first frame of a
 * burst.
 */
uint32_t tally_take(struct tally *t, const struct frame_header *header,
		    const uint8_t *frame, uint64_t now_ns);

/* The kernel has dropped so many since the last call. */
void tally_drops(struct tally *t, uint64_t drops);

/* Nothing more comes: every step that was reached is settled. */
void tally_end(struct tally *t);

#endif
