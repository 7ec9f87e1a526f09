// SPDX-License-Identifier: ISC
/* source_cage.h: what role source may do once it is ready. */
#ifndef SOURCE_CAGE_H
#define SOURCE_CAGE_H

#include "cage.h"
#include "tx_config.h"

/* The channels' directories below state_dir, of which alone the cage lets it change anything. */
KM_MUST_CHECK int source_cage_make_dirs(const struct tx_config *config, struct km_err *err);

/* Fills CAGE; call role_cage() with it before anything of the spool is opened. */
void source_cage(struct cage *cage, const struct tx_config *config);

#endif
