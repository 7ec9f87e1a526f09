// SPDX-License-Identifier: ISC
/*
 * What rx remembers so that a recording is never taken for the present: per tx
 * identity an epoch floor, and for its two newest sessions the highest lane
 * numbers opened. Judging and storing; no key, no clock of its own.
 *
 * One file, replaced atomically: "KMFLOOR1", then per identity its records, then
 * SHA-256 of all before. Read through the checked cursor.
 */
#ifndef FLOORS_H
#define FLOORS_H

#include <stdbool.h>
#include <stdint.h>

#include "ask.h"
#include "km_err.h"

#define FLOORS_IDENTITIES 16u /* as many as may be trusted */
#define FLOORS_SESSIONS 2u    /* newest, and its predecessor */
#define FLOORS_FAR_S (24u * 3600u)

struct floors_session {
	uint32_t tag; /* with the epoch: which session */
	uint64_t epoch;
	uint32_t lanes;
	struct {
		uint16_t lane;
		uint64_t seq;
	} lane[WIRE_LANES_MAX];
};

struct floors_identity {
	uint8_t key[32];
	bool stored;	/* a floor exists */
	uint64_t floor; /* epochs at or below are refused, but for the sessions below */
	struct floors_session session[FLOORS_SESSIONS]; /* newest first; epoch 0 = none */
};

struct floors {
	unsigned count;
	struct floors_identity identity[FLOORS_IDENTITIES];
};

/*
 * Judge a checked announce of KEY with TAG and EPOCH against our clock (seconds).
 * ASK_ACCEPTED, ASK_OLD_EPOCH or ASK_FAR_EPOCH; *FAR tells that it was accepted
 * although more than 24 h from our clock. ALLOWED is an epoch that the operator
 * let in by `accept-session` (0 = none). Changes nothing.
 */
enum ask_verdict floors_judge(const struct floors *f, const uint8_t key[32], uint32_t tag,
			      uint64_t epoch, uint64_t now_s, uint64_t allowed, bool *far);

/* Enter an accepted session; the floor rises to EPOCH, but never beyond NOW_S + 24 h.
 * Returns the session's record (an old one if it is known), or NULL when there
 * is no room for another identity. */
struct floors_session *floors_accept(struct floors *f, const uint8_t key[32], uint32_t tag,
				     uint64_t epoch, uint64_t now_s);

/* Raise the highest number of LANE in the session TAG. False: no such session. */
bool floors_raise(struct floors *f, uint32_t tag, uint16_t lane, uint64_t seq);

/* Load from DIRFD/floors (absent = empty) and store back. A damaged file is
 * EX_DATAERR: without floors a recording would be taken for the present. */
KM_MUST_CHECK int floors_load(struct floors *f, int dirfd, struct km_err *err);
KM_MUST_CHECK int floors_store(const struct floors *f, int dirfd, struct km_err *err);

#endif
