// SPDX-License-Identifier: ISC
/* decode_cage.h: what roles decode and listen may do once they are ready. */
#ifndef DECODE_CAGE_H
#define DECODE_CAGE_H

#include "cage.h"
#include "rx_config.h"

/* Fills CAGE. */
void decode_cage(struct cage *cage, const struct rx_config *config);

#endif
