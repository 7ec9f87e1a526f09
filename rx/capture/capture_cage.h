// SPDX-License-Identifier: ISC
/* capture_cage.h: what role capture may do once the port is open. */
#ifndef CAPTURE_CAGE_H
#define CAPTURE_CAGE_H

#include "cage.h"
#include "rx_config.h"

/* Fills CAGE. PUMP: libpcap reads on, from the port or a file; else it hands over and ends. */
void capture_cage(struct cage *cage, const struct rx_config *config, bool pump);

#endif
