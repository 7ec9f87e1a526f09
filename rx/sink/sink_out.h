// SPDX-License-Identifier: ISC
/*
 * sink_out: from the ring of rx/wall/sink.h to sockets, batch by batch: the bytes of a message to
 * a consumer, its head and its bytes to a role. The ring is hostile:
 * a head is read once and judged, a message that is not wholly there is a violation. One
 * thread of rx sink.
 */
#ifndef SINK_OUT_H
#define SINK_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "km_err.h"
#include "ring.h"
#include "sink.h"
#include "stats.h"

/* Per channel; messages where nothing else is said. */
#define SINK_COUNTS(X)                                                                     \
	X(SINK_SENT, "sent")	     /* the kernel has taken them */                       \
	X(SINK_BYTES, "bytes")	     /* of these */                                        \
	X(SINK_REFUSED, "refused")   /* times the consumer's host said: nobody listens */  \
	X(SINK_BUSY, "busy")	     /* dropped: the socket's queue was full */            \
	X(SINK_FAILED, "failed")     /* dropped: any other error */                        \
	X(SINK_NO_ROUTE, "no_route") /* dropped: nobody to send it to, see sink.route */
enum sink_count { SINK_COUNTS(STATS_ENUM_ROW) SINK_COUNT };

#define SINK_PIECES ((WIRE_MESSAGE_MAX + sizeof(struct sink_head)) / SINK_SLOT + 1u)

struct sink_out {
	struct ring ring;
	int fd[SINK_CHANNELS];	    /* -1: none */
	bool headed[SINK_CHANNELS]; /* the head goes with the message: to a role of ours */
	unsigned channels;
	uint64_t count[SINK_CHANNELS][SINK_COUNT];
	int error
		[SINK_CHANNELS]; /* the last one of the kernel, 0: none since it was told */
	/* the batch in hand: consecutive messages of one channel */
	unsigned batch;
	uint16_t place;
	struct mmsghdr head[SINK_BATCH];
	struct iovec piece[SINK_BATCH][SINK_PIECES + 1u];
	struct sink_head judged[SINK_BATCH];
};

/* Attach to the ring in MEM. KM_ERR_* as ring_attach(). fd[] and channels are the caller's to fill. */
KM_MUST_CHECK enum km_rc sink_out_attach(struct sink_out *out, void *mem, size_t len);

/* Send what waits, at most a ring's worth. KM_OK: something was sent; KM_ERR_EMPTY: nothing
 * waited; KM_ERR_STATE or KM_ERR_MALFORMED: a violation. */
KM_MUST_CHECK enum km_rc sink_out_run(struct sink_out *out);

#endif
