// SPDX-License-Identifier: ISC
/*
 * return_watch.h: when a count of frames that went the wrong way is worth a line. It says so
 * once when frames begin, however many follow, and again only after they had stopped for
 * RETURN_WATCH_QUIET_NS. It reads nothing and writes nothing: whoever has the count asks.
 */
#ifndef RETURN_WATCH_H
#define RETURN_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#define RETURN_WATCH_QUIET_NS UINT64_C(60000000000)

enum return_news {
	RETURN_SAME,   /* nothing to say */
	RETURN_BEGINS, /* frames have begun to go the wrong way */
	RETURN_ENDS,   /* none for RETURN_WATCH_QUIET_NS */
};

/* Begins with {.last = the count that is no news}. */
struct return_watch {
	uint64_t last;	   /* the count when it was looked at last */
	uint64_t moved_ns; /* when it was seen to move last */
	bool on;
};

/* COUNT is what has gone the wrong way by NOW_NS (monotonic). A count that went back is that
 * of another counter: what stands there is no news. */
enum return_news return_watch_note(struct return_watch *watch, uint64_t count,
				   uint64_t now_ns);

#endif
