// SPDX-License-Identifier: ISC
/* outlet_cage.h: what role stream may do once it is ready. */
#ifndef OUTLET_CAGE_H
#define OUTLET_CAGE_H

#include "cage.h"
#include "rx_config.h"

void outlet_cage(struct cage *cage, const struct rx_config *config);

#endif
