// SPDX-License-Identifier: ISC
/*
 * keeper_talk: what decode may ask of the keeper (rx/wall/ask.h), and the answers: an announce
 * is checked, opened and its epoch judged; the numbers of lanes are taken down. decode may be
 * hostile: a question is read once, and what no honest decode can ask ends the pair. Knows no
 * socket and no process, so that tests and the fuzz target can have it. One thread.
 */
#ifndef KEEPER_TALK_H
#define KEEPER_TALK_H

#include <stdbool.h>
#include <stdint.h>

#include "floors.h"
#include "keys.h"
#include "ring.h"
#include "rx_config.h"
#include "stats.h"

#define KEEPER_STATS(X)                                                                    \
	X(KEEPER_ACCEPTED, "announces_accepted")                                           \
	X(KEEPER_REFUSED, "announces_refused")                                             \
	X(KEEPER_TOO_MANY, "announces_too_many")                                           \
	X(KEEPER_STORES, "floors_stored")                                                  \
	X(KEEPER_STORE_FAILED, "floors_store_failed")                                      \
	X(KEEPER_EPOCH, "epoch")                                                           \
	X(KEEPER_PRINT_0, "key_print_0") /* keys_fingerprint_words() */                    \
	X(KEEPER_PRINT_1, "key_print_1")                                                   \
	X(KEEPER_PRINT_2, "key_print_2")                                                   \
	X(KEEPER_EXPIRES, "key_expires_day") /* days since 1970; 0: never */               \
	X(KEEPER_PEERS, "peer_keys")                                                       \
	X(KEEPER_PEER_EXPIRES, "peer_expires_day") /* the first of them */

enum keeper_stat { KEEPER_STATS(STATS_ENUM_ROW) KEEPER_STAT_COUNT };

struct keeper_talk {
	struct keys_box_secret *secret; /* sodium_malloc: locked, and in no core dump */
	struct keys_sign_public trusted[RX_TRUSTED_MAX];
	unsigned trusted_count;
	uint16_t environment;
	bool replay;
	int dirfd; /* the keeper's own directory */
	char dir[RX_PATH_LEN + 16];
	struct floors floors;
	bool dirty;	    /* floors not yet stored */
	uint64_t second_ns; /* start of the second that `checks` counts */
	unsigned checks;
	struct ring questions, answers; /* attached by the owner */
	struct stats_writer stats;
};

/* One question of those that wait. 0, or -1: decode broke the protocol. */
KM_MUST_CHECK int keeper_talk_question(struct keeper_talk *k);

/* Stores the floors. False: counted and said; they stay dirty. */
bool keeper_talk_store(struct keeper_talk *k);

#endif
