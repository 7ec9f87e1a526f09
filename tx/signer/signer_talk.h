// SPDX-License-Identifier: ISC
/*
 * signer_talk: what the source may ask of the signer (tx/wall/sign.h), and the answers. The
 * source may be hostile: it gets sessions and signatures, never the key, and no epoch twice.
 * Knows no socket and no process, so that tests and the fuzz target can have it. One thread.
 */
#ifndef SIGNER_TALK_H
#define SIGNER_TALK_H

#include "epoch.h"
#include "keys.h"
#include "sign.h"
#include "stats.h"

#define SIGNER_STATS(X)                                                                    \
	X(SIGNER_SESSIONS, "sessions")                                                     \
	X(SIGNER_MANIFESTS, "manifests_signed")                                            \
	X(SIGNER_REFUSED, "requests_refused")                                              \
	X(SIGNER_EPOCH, "epoch")                                                           \
	X(SIGNER_PRINT_0, "key_print_0") /* keys_fingerprint_words() */                    \
	X(SIGNER_PRINT_1, "key_print_1")                                                   \
	X(SIGNER_PRINT_2, "key_print_2")                                                   \
	X(SIGNER_EXPIRES, "key_expires_day") /* days since 1970; 0: never */               \
	X(SIGNER_PEERS, "peer_keys")                                                       \
	X(SIGNER_PEER_EXPIRES, "peer_expires_day") /* the first of them */

enum signer_stat { SIGNER_STATS(STATS_ENUM_ROW) SIGNER_STAT_COUNT };

struct signer_talk {
	struct keys_sign_secret *identity; /* sodium_malloc: locked, and in no core dump */
	struct keys_box_public receivers[WIRE_ANNOUNCE_RECEIVERS_MAX];
	unsigned receiver_count;
	uint16_t environment;
	struct epoch epoch;
	struct stats_writer stats;
};

/* A new session, its epoch stored before; refusals stand in answer->rc. The caller wipes ANSWER. */
void signer_talk_session(struct signer_talk *s, const struct sign_ask_session *ask,
			 struct sign_session *answer);
void signer_talk_manifest(struct signer_talk *s, const struct sign_ask_manifest *ask,
			  struct sign_manifest *answer);

#endif
