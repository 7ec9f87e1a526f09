// SPDX-License-Identifier: ISC
/* publish_cage.h: what role publish may do once it is ready. */
#ifndef PUBLISH_CAGE_H
#define PUBLISH_CAGE_H

#include "cage.h"
#include "rx_config.h"

/* Its directories below state_dir, which it may not make once it is in its cage. */
KM_MUST_CHECK int publish_cage_make_dirs(const struct rx_config *config,
					 struct km_err *err);

/* Fills CAGE; call role_cage() with it before the first thread and before anything is opened. */
void publish_cage(struct cage *cage, const struct rx_config *config);

#endif
