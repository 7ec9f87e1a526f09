// SPDX-License-Identifier: ISC
/*
 * The keys a role works with, as people hear of them: key.loaded when they come into force,
 * key.expires and key.expired then and every day. Nothing stops for a date: a link that
 * carries what others depend on must not end at midnight, nor because a clock is wrong.
 * One per process; public parts only.
 */
#ifndef KEYS_WATCH_H
#define KEYS_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "keys.h"

#define KEYS_WATCH_MAX 40u

struct keys_watch {
	struct keys_watch_item {
		bool own;
		bool retired;	  /* its dates do not matter any more */
		const char *role; /* "own", "receiver", ...: static text */
		const char *kind; /* "Ed25519", "X25519" */
		const char *path; /* borrowed, as long as the watch lives */
		char print[KEYS_FINGERPRINT_MAX];
		struct keys_facts facts;
	} item[KEYS_WATCH_MAX];
	unsigned n;
	uint32_t warn_days;
	uint64_t next_ns; /* monotonic */
};

/* KIND: "Ed25519", "X25519". The first one is our own. */
void keys_watch_add(struct keys_watch *w, const char *role, const char *kind,
		    const uint8_t pk[32], const struct keys_facts *facts, const char *path);
/* A key of the other side that opens nothing any more; role "retired". */
void keys_watch_add_retired(struct keys_watch *w, const char *kind, const uint8_t pk[32],
			    const struct keys_facts *facts, const char *path);

/* key.loaded for all of them: they are in force from now on. */
void keys_watch_say(const struct keys_watch *w);

/* Call as often as you like: once a day it says what is to be said. */
void keys_watch_tick(struct keys_watch *w, uint64_t mono_ns, uint64_t real_ns);

/* The earliest last day of our own key, or of all others; 0: none has one. */
uint32_t keys_watch_first(const struct keys_watch *w, bool own);

#endif
