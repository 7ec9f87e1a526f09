// SPDX-License-Identifier: ISC
/*
 * messages.h: the intake: what decode says, checked field by field, and turned into
 * bytes in part files, facts, heads and words. decode may be hostile: a message that no
 * honest decode can send is a violation and ends the pair; a record that makes no sense
 * is refused and counted; bytes in the segment may change at any moment, so each is
 * copied once and only the copy is looked at, hashed and written.
 *
 * Neighbouring fragments are gathered up to 1 MiB before they are written. So what was
 * taken counts as handled only after messages_settle(), and must not be released before.
 *
 * rx publish; one thread.
 */
#ifndef MESSAGES_H
#define MESSAGES_H

#include <stddef.h>
#include <stdint.h>

#include "deliver.h"
#include "flow.h"

/* Bytes one message may carry: a symbol is shorter. */
#define MESSAGES_DATA_MAX 65536u

#define MESSAGES_GATHER (UINT32_C(1) << 20)

struct messages {
	struct flow *flow; /* borrowed array */
	unsigned flows;
	struct voice *voice;
	const uint8_t *segment; /* hostile, read-only */
	uint64_t segment_len;
	struct flow *by_channel[WIRE_CHANNELS_MAX]; /* small numbers, the usual case */

	struct object *object; /* whose bytes are gathered, NULL = none */
	struct flow *object_flow;
	uint64_t at;
	size_t len;
	uint8_t *to;	 /* where they are gathered: `gather`, or the object's own stage */
	size_t room;	 /* there */
	uint8_t *gather; /* MESSAGES_GATHER */
	uint8_t *copy;	 /* MESSAGES_DATA_MAX, for what is parsed */
	char violation[128];
};

KM_MUST_CHECK int messages_init(struct messages *m, struct flow *flow, unsigned flows,
				struct voice *voice, const uint8_t *segment,
				uint64_t segment_len, struct km_err *err);
void messages_free(struct messages *m);

/* RAW is the message after the one that is taken next: its bytes, which another core has just
 * written, are asked for. */
void messages_expect(const struct messages *m, const struct deliver_msg *raw);

/* One message; RAW is in shared memory. KM_OK: taken (or refused and counted);
 * KM_ERR_AUTH: a violation, m->violation says which. */
KM_MUST_CHECK enum km_rc messages_take(struct messages *m, const struct deliver_msg *raw,
				       uint64_t now_ns);

/*
 * Writes what is gathered, and the rows about it. KM_OK: everything taken so far is in
 * the page cache or given up by name; KM_ERR_FULL: state cannot be written, call again
 * later.
 */
KM_MUST_CHECK enum km_rc messages_settle(struct messages *m, uint64_t now_ns);

#endif
