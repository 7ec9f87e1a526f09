// SPDX-License-Identifier: ISC
/*
 * root.h: the directory of a channel, ROOT/{.incoming,.quarantine,generations,manifests,
 * tree}, opened once and held by descriptors. Making it does every step of a publication
 * with a probe file first, so that a file system (or a pair of mounts) that cannot do
 * one of them is refused at start with the name of the step, not in the night. The probe
 * never shows itself under tree/. Not a path library.
 *
 * rx publish, `check` and the reading commands. Set-up time.
 */
#ifndef ROOT_H
#define ROOT_H

#include <stdbool.h>

#include "km_err.h"
#include "rx_config.h"

struct root {
	int dir, incoming, quarantine, generations, manifests, tree; /* -1 = closed */
	bool leases; /* read leases work here: used as an assertion before a name appears */
};

#define ROOT_INIT                                                                          \
	{                                                                                  \
		-1, -1, -1, -1, -1, -1, false                                              \
	}

/* Makes what is missing, opens everything, does the dance. EX_CANTCREAT / EX_IOERR /
 * EX_NOPERM with the failing step. */
KM_MUST_CHECK int root_open(struct root *root, const struct rx_config_channel *conf,
			    struct km_err *err);

/*
 * Opens what is there, makes and changes nothing; EX_NOINPUT when something is
 * missing.
 */
KM_MUST_CHECK int root_open_existing(struct root *root,
				     const struct rx_config_channel *conf,
				     struct km_err *err);

void root_close(struct root *root);

#endif
