// SPDX-License-Identifier: ISC
/*
 * The wall between tx source and tx signer: typed messages of fixed size over a
 * seqpacket socket (daemon/ipc.h). The source asks, the signer answers every
 * request with exactly one message, in order. The signer keeps the long-term
 * key and the epoch; the source never sees either.
 */
#ifndef SIGN_H
#define SIGN_H

#include <stdint.h>

#include "minisig.h"
#include "wire_limits.h"

enum sign_type {
	SIGN_ASK_SESSION = 1,
	SIGN_SESSION = 2,
	SIGN_ASK_MANIFEST = 3,
	SIGN_MANIFEST = 4,
};

/* A new session. A secret is handed out once: the signer forgets it as soon as it is
 * sent. Before it answers, the epoch is stored and synced. */
struct sign_ask_session {
	uint8_t config_digest[32];
};
struct sign_session {
	int32_t rc; /* enum km_rc; the rest is zero unless KM_OK */
	uint32_t announce_len;
	uint64_t epoch;
	uint8_t secret[32];
	uint8_t announce[WIRE_ANNOUNCE_MAX];
};

/* Sign a manifest: its BLAKE2b-512 and the trusted comment. */
struct sign_ask_manifest {
	uint8_t hash[MINISIG_HASH_LEN];
	uint32_t comment_len;
	char comment[MINISIG_COMMENT_MAX];
};
struct sign_manifest {
	int32_t rc;
	uint8_t key_number[8];
	uint8_t sig[64];
	uint8_t global[64];
};

#endif
