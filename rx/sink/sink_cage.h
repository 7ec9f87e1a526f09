// SPDX-License-Identifier: ISC
/* sink_cage.h: what role sink may do once it is ready. */
#ifndef SINK_CAGE_H
#define SINK_CAGE_H

#include "cage.h"
#include "rx_config.h"

/* Fills CAGE. FDS: N sockets, -1 where a consumer has no route. */
void sink_cage(struct cage *cage, const struct rx_config *config, const int *fds,
	       unsigned n);

#endif
