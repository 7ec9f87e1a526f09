// SPDX-License-Identifier: ISC
/*
 * The wall between the listener of a link test (the process that reads foreign bytes) and
 * its supervisor: one page of results, written by the listener alone. The supervisor judges
 * a copy of it and believes nothing: numbers may be any. Layout only.
 */
#ifndef LINKTEST_HEARD_H
#define LINKTEST_HEARD_H

#include <stdatomic.h>
#include <stdint.h>

#include "linktest.h"

/* Ranges of lost frames that are named for each step; more are counted. */
#define LINKTEST_RANGES 256u
/* Descriptor of the page in the listener. */
#define LINKTEST_FD_HEARD 13

struct linktest_range {
	uint32_t first, last; /* positions in the step, from 0 */
};

struct linktest_heard_step {
	uint64_t taken;	 /* different frames of the step */
	uint64_t copies; /* the same frame once more */
	uint64_t late;	 /* when the step was settled already: named as lost before */
	uint64_t drops;	 /* frames that the kernel dropped for want of ring meanwhile */
	uint64_t sent, elapsed_ns; /* as tx says, when it was heard */
	uint32_t end;		   /* 1: it was */
	uint32_t flags;		   /* enum linktest_flags of it */
	uint32_t settled;	   /* 1: the following are final */
	uint32_t top;		   /* frames up to the last that came */
	uint32_t lost;		   /* of those, not taken */
	uint32_t longest;	   /* in a row */
	uint32_t ranges;	   /* of lost frames, named or not */
	struct linktest_range range[LINKTEST_RANGES];
};

enum linktest_heard_state {
	LINKTEST_WAITS = 0, /* no frame yet */
	LINKTEST_HEARS = 1,
	LINKTEST_HEARD_OVER = 2, /* tx says that nothing follows */
};

struct linktest_heard {
	_Atomic uint32_t
		state; /* stored last: what follows is there when it is not WAITS */
	uint32_t run;
	struct linktest_plan plan;
	uint32_t first_whole;  /* the first step of which the beginning was witnessed */
	uint32_t reached;      /* the highest step heard of */
	uint32_t over_steps;   /* HEARD_OVER: steps that tx has run */
	_Atomic uint64_t seen; /* frames of the run, of any kind */
	uint64_t foreign;      /* frames that are none of a link test */
	uint64_t malformed;    /* that claim to be, and are not in order */
	uint64_t other_run;    /* in order, of another run meanwhile */
	uint64_t impossible;   /* in order, and not of the plan they state */
	uint64_t runs;	       /* runs heard; only the last one is told of */
	struct linktest_heard_step step[LINKTEST_STEPS_MAX];
};

#endif
