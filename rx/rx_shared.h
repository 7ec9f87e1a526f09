// SPDX-License-Identifier: ISC
/*
 * What the roles of katamichi-rx share, as the supervisor makes it: the ring of deliver
 * messages, the two ask rings, the window segment, the ring of the sink. Layouts are rx/wall's.
 */
#ifndef RX_SHARED_H
#define RX_SHARED_H

#include "rx_config.h"
#include "shm.h"

struct rx_shared {
	int fd_ask, fd_deliver, fd_segment, fd_segment_ro;
	int fd_sink;		     /* -1: there is no live channel */
	struct shm_map ask, deliver; /* the supervisor formats them and looks at indices */
	struct shm_map sink;
};

#define RX_SHARED_INIT                                                                     \
	{                                                                                  \
		-1, -1, -1, -1, -1, {NULL, 0}, {NULL, 0},                                  \
		{                                                                          \
			NULL, 0                                                            \
		}                                                                          \
	}

/* Makes all of it; the segment's memory is allocated at once, so that it is there or not. */
KM_MUST_CHECK int rx_shared_make(struct rx_shared *shared, const struct rx_config *config,
				 struct km_err *err);

/* Empty rings. No role may run. */
KM_MUST_CHECK int rx_shared_format(struct rx_shared *shared, struct km_err *err);

/* True when publish has released every message. */
bool rx_shared_delivered(const struct rx_shared *shared);

void rx_shared_free(struct rx_shared *shared);

#endif
