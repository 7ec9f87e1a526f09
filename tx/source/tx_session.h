// SPDX-License-Identifier: ISC
/*
 * tx_session: the source's side of a session. Asks the signer for one, keys the lanes with
 * its secret (which is wiped at once), watches for what ends it (age, sequence space, a step
 * between the wall clock and the boot clock), and asks for signatures of manifests. It does
 * not decide what becomes of open windows (source.c).
 * One thread of the source role; blocks on the signer, at most TX_SESSION_WAIT_NS.
 */
#ifndef TX_SESSION_H
#define TX_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "km_err.h"
#include "lanes.h"
#include "sign.h"

/* Storing the epoch means a sync of the signer's disk. */
#define TX_SESSION_WAIT_NS UINT64_C(10000000000)
/* A larger step between the clocks means a snapshot, a restore or a clock set by hand. */
#define TX_SESSION_STEP_NS UINT64_C(1000000000)
/* A new session is begun this far before the sequence space of a lane ends. */
#define TX_SESSION_FRAMES_SPARE (UINT64_C(1) << 24)

struct tx_session {
	int sock; /* borrowed */
	struct lanes *lanes;
	uint8_t config_digest[32];
	uint64_t length_ns;
	uint64_t epoch; /* 0: none yet */
	uint64_t begun_ns;
	uint8_t announce[WIRE_ANNOUNCE_MAX];
	size_t announce_len;
	char fingerprint[48];	 /* of the signing key, as manifests name it */
	int64_t clock_offset_ns; /* real minus boot at the last look */
};

void tx_session_init(struct tx_session *session, int sock, struct lanes *lanes,
		     const uint8_t config_digest[32], uint64_t length_ns);

/* Ask for a new session and key the lanes. -1: the signer refused or has gone. */
KM_MUST_CHECK int tx_session_begin(struct tx_session *session, struct km_err *err);

/* True when the session has served its time or its numbers. */
bool tx_session_spent(const struct tx_session *session, uint64_t now_ns);

/* True when the clocks have moved apart since the last call: no frame may be sealed before
 * a new session. step_ns tells how far. */
bool tx_session_stepped(struct tx_session *session, int64_t *step_ns);
/* Its pure part. */
bool tx_session_step(int64_t before_ns, int64_t after_ns);

/* Have a text signed: SIG gets the minisign file (MINISIG_FILE_MAX bytes), *sig_len its
 * length. */
KM_MUST_CHECK int tx_session_sign(struct tx_session *session, const char *text, size_t len,
				  const char *comment, char *sig, size_t *sig_len,
				  struct km_err *err);

#endif
