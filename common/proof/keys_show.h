// SPDX-License-Identifier: ISC
/*
 * The keys that a configuration names, as rows for `keys list` and `check`. Printing only;
 * who fills the rows reads the files. Not for roles.
 */
#ifndef KEYS_SHOW_H
#define KEYS_SHOW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "keys.h"

struct keys_row {
	const char *role; /* "own", "receiver", "transmitter", "retired" */
	const char *kind; /* "Ed25519", "X25519" */
	const char *conf; /* key of the configuration that names it */
	const char *path;
	char print[KEYS_FINGERPRINT_MAX]; /* "": it cannot be read */
	struct keys_facts facts;
	bool locked;
	char problem[KM_ERR_TEXT_MAX]; /* "": none */
};

/* Fills the row of a secret of ours: owner must be OWNER. */
void keys_row_own_sign(struct keys_row *row, const char *path, uint32_t owner,
		       uint16_t environment);
void keys_row_own_box(struct keys_row *row, const char *path, uint32_t owner,
		      uint16_t environment);
/* ... and of a peer's public key. row->role and ->conf stay. */
void keys_row_sign(struct keys_row *row, const char *path, uint16_t environment);
void keys_row_box(struct keys_row *row, const char *path, uint16_t environment);

/* All rows as a table, below each its problem. Returns the number of problems. */
unsigned keys_rows_print(const struct keys_row *row, unsigned n, uint32_t today,
			 uint32_t warn_days, FILE *out);

/* What `check` says of dates: one line for each key that is due or past. */
void keys_rows_print_due(const struct keys_row *row, unsigned n, uint32_t today,
			 uint32_t warn_days, FILE *out);

/* For `status`: own fingerprint and dates from the counters of the running daemon. */
void keys_print_status(const uint64_t words[KEYS_PRINT_WORDS], uint64_t expires_day,
		       uint64_t peers, uint64_t peers_day, uint32_t today, FILE *out);

#endif
