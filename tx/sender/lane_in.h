// SPDX-License-Identifier: ISC
/*
 * lane_in: frames of a lane as the source filled it (tx/wall/lane.h), judged before the kernel
 * gets them. The source may be hostile: a descriptor is read once, and what it says is held
 * against our own plan. One thread of tx sender.
 */
#ifndef LANE_IN_H
#define LANE_IN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "km_err.h"
#include "lane.h"

struct lane_in_limits {
	uint32_t least, most; /* bytes of a frame in its slot */
	uint32_t head_len;    /* on the wire before what a slot holds */
	uint32_t batch;	      /* frames at once; FRAMES has as many */
};

/*
 * Up to ALLOWANCE bytes on the wire worth of frames from the lane, at least one; they stay peeked. Returns
 * how many, 0 or -1: a violation by the source. *ANNOUNCE: the first is one.
 */
KM_MUST_CHECK int lane_in_gather(struct ring *ring, const struct lane_plan *plan,
				 const struct lane_in_limits *limits, uint64_t allowance,
				 struct iovec *frames, bool *announce);

#endif
