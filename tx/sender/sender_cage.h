// SPDX-License-Identifier: ISC
/* sender_cage.h: what roles sender and load may do once they are ready. */
#ifndef SENDER_CAGE_H
#define SENDER_CAGE_H

#include "cage.h"
#include "tx_config.h"

/* Fills CAGE. LINK: the packet socket; XSK: the AF_XDP socket beside it, or -1. */
void sender_cage(struct cage *cage, const struct tx_config *config, int link, int xsk);

#endif
