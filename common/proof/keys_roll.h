// SPDX-License-Identifier: ISC
/*
 * The keys in force, by fingerprint, in a page that outlives the role that works with them: its
 * successor says by it what was added and what removed. Only processes of that one role have it.
 */
#ifndef KEYS_ROLL_H
#define KEYS_ROLL_H

#include <stdbool.h>
#include <stdint.h>

#include "keys_watch.h"

#define KEYS_ROLL_BYTES 4096u

/* Zero: nobody has entered yet. */
struct keys_roll {
	uint32_t n;
	uint32_t zero;
	struct keys_roll_item {
		char role[16];
		char print[KEYS_FINGERPRINT_MAX];
	} item[KEYS_WATCH_MAX];
};
_Static_assert(sizeof(struct keys_roll) <= KEYS_ROLL_BYTES, "the roll is one page");

/* Whether W may follow while others go on: our own key is the one on the roll. EX_CONFIG. */
KM_MUST_CHECK int keys_roll_judge(const struct keys_roll *roll, const struct keys_watch *w,
				  struct km_err *err);

/* Enters the keys of W. Says keys.reloaded when they are not those on the roll, and when ASKED. */
void keys_roll_enter(struct keys_roll *roll, const struct keys_watch *w, bool asked);

#endif
