// SPDX-License-Identifier: ISC
/* What `keygen` and `keys passphrase` of either program have in common. Set-up time only. */
#ifndef KEYS_MAKE_H
#define KEYS_MAKE_H

#include "keys.h"

/* "tx.key" -> "tx.pub"; any other name gets ".pub" behind it. False: it does not fit. */
bool keys_make_public_path(char *out, size_t len, const char *key);

/* Facts of a key made TODAY. EXPIRES: NULL, a day as 2028-11-28, or a number of days from
 * now; it lies in the future. EX_USAGE. */
KM_MUST_CHECK int keys_make_facts(struct keys_facts *facts, const char *expires,
				  uint16_t environment, uint32_t today, struct km_err *err);

/* Runs MAKE with SAVE; where LOCKED with a new passphrase, from PASS_FILE or else asked for. */
KM_MUST_CHECK int keys_make_run(struct keys_save *save, bool locked, const char *pass_file,
				int (*make)(const struct keys_save *save,
					    struct km_err *err),
				struct km_err *err);

/* What was made, for the one who made it. */
void keys_make_print(const struct keys_save *save, const uint8_t pk[32]);

/* Another passphrase for a secret file, or none. */
struct keys_repass {
	const char *path;
	bool locked;	      /* it is under one now */
	const char *was_file; /* holds that one; NULL: it is asked for */
	const char *now_file; /* holds the new one; NULL: it is asked for, twice */
	bool remove;	      /* there shall be none */
};

/* Gets the passphrases and runs DO_IT with them. EX_USAGE, and as keys_pass.h and keys.h. */
KM_MUST_CHECK int
keys_make_repass(const struct keys_repass *r,
		 int (*do_it)(const char *path, const struct keys_pass *was,
			      const struct keys_pass *now, struct km_err *err),
		 struct km_err *err);

#endif
