// SPDX-License-Identifier: ISC
/*
 * stream.h: what a message of a `stream` channel says. Byte streams of several producers share
 * a channel; each is a connection with a number of its own, and each piece of one carries the
 * offset of its first byte, so that what is missing is known to the byte.
 *
 * Bytes (docs/wire.md): u8 version, u8 op, u32 run, u64 newest, then by op
 *   OPEN   u64 connection, u8 length of the source (0 or 6), source: IPv4 address and port
 *   DATA   u64 connection, u64 offset, one byte or more
 *   CLOSE  u64 connection, u64 offset (bytes of the whole stream), u8 how it ended
 *   ALIVE  u8 count, for each open connection, rising: u64 connection, u64 offset of its next byte
 *
 * `run` is drawn by each process of tx's role: numbers of another run mean other connections.
 * Connections count from 1 and never go back within a run; `newest` is the last one opened.
 * ALIVE comes every second: what is not named there is over. Pure layout; nothing is allocated.
 */
#ifndef STREAM_H
#define STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "km_err.h"

#define STREAM_VERSION 1u
#define STREAM_HEAD 14u	     /* version, op, run, newest */
#define STREAM_DATA_HEAD 30u /* before the bytes of DATA */
#define STREAM_SOURCE 6u
#define STREAM_OPEN_MAX 64u /* connections of one channel at a time */
/* The longest that is no DATA: a full ALIVE. */
#define STREAM_MARKS_MAX (STREAM_HEAD + 1u + 16u * STREAM_OPEN_MAX)
/* Beyond any stream: 2^63 bytes. */
#define STREAM_OFFSET_MAX (UINT64_MAX >> 1)

enum stream_op { STREAM_OPEN = 1, STREAM_DATA, STREAM_CLOSE, STREAM_ALIVE };

/* How a stream ended on tx. */
enum stream_end {
	STREAM_END_WHOLE,   /* its producer said so */
	STREAM_END_BROKEN,  /* its producer went away, or reset it */
	STREAM_END_STOPPED, /* tx stopped */
	STREAM_ENDS
};

struct stream_mark {
	uint64_t connection, offset;
};

struct stream_msg {
	uint8_t op; /* enum stream_op */
	uint8_t end;
	uint8_t source_len;
	uint8_t source[STREAM_SOURCE];
	uint32_t run;
	uint64_t newest;
	uint64_t connection, offset;
	const uint8_t *data; /* of DATA: borrowed from what is read or written */
	size_t len;
	unsigned marks;
	struct stream_mark mark[STREAM_OPEN_MAX];
};

/* M into BUF; *LEN: its bytes. KM_ERR_FULL when it does not fit into SIZE. KM_ERR_RANGE: a message
 * that stream_read() would refuse. */
KM_MUST_CHECK enum km_rc stream_write(const struct stream_msg *m, void *buf, size_t size,
				      size_t *len);

/* The head of DATA alone: STREAM_DATA_HEAD bytes, before data that stands elsewhere. */
void stream_write_data_head(const struct stream_msg *m, uint8_t head[STREAM_DATA_HEAD]);

/* KM_ERR_VERSION; KM_ERR_MALFORMED: anything but exactly one well-formed message. */
KM_MUST_CHECK enum km_rc stream_read(struct stream_msg *m, const void *bytes, size_t len);

#endif
