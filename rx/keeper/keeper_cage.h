// SPDX-License-Identifier: ISC
/* keeper_cage.h: what role keeper may do once it is ready. */
#ifndef KEEPER_CAGE_H
#define KEEPER_CAGE_H

#include "cage.h"
#include "rx_config.h"

/* Fills CAGE. */
void keeper_cage(struct cage *cage, const struct rx_config *config);

#endif
