// SPDX-License-Identifier: ISC
/* signer_cage.h: what role signer may do once it is ready. */
#ifndef SIGNER_CAGE_H
#define SIGNER_CAGE_H

#include "cage.h"
#include "tx_config.h"

/* Fills CAGE. EPOCH_FD: the only file it goes on writing. */
void signer_cage(struct cage *cage, const struct tx_config *config, int epoch_fd);

#endif
