// SPDX-License-Identifier: ISC
/* inlet_cage.h: what role stream may do once it is ready. */
#ifndef INLET_CAGE_H
#define INLET_CAGE_H

#include "cage.h"
#include "tx_config.h"

void inlet_cage(struct cage *cage, const struct tx_config *config);

#endif
