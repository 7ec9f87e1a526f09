// SPDX-License-Identifier: ISC
/*
 * scan_cage.h: what role scan may do once it is ready, and what the programs may that it runs.
 * A program is one process: it may have threads, but starts no other, so that its end is the
 * end of all of it. It reads what is named here, writes no file, and has no socket but Unix
 * ones, by which a scanner's daemon is asked.
 */
#ifndef SCAN_CAGE_H
#define SCAN_CAGE_H

#include "cage.h"
#include "rx_config.h"

/* Fills CAGE; cage_close_program() of it is the programs'. */
void scan_cage(struct cage *cage, const struct rx_config *config);

#endif
