// SPDX-License-Identifier: ISC
/* tx_state_cage.h: what role state of tx may do once it is ready. */
#ifndef TX_STATE_CAGE_H
#define TX_STATE_CAGE_H

#include "cage.h"
#include "tx_config.h"

/* Fills CAGE. */
void tx_state_cage(struct cage *cage, const struct tx_config *config);

#endif
