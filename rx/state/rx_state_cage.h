// SPDX-License-Identifier: ISC
/* rx_state_cage.h: what role state of rx may do once it is ready. */
#ifndef RX_STATE_CAGE_H
#define RX_STATE_CAGE_H

#include "cage.h"
#include "rx_config.h"

/*
 * Connections of consumers get numbers from RX_STATE_FD_FIRST up to the one below twice that, so
 * that a filter of system calls can tell them from everything else that the role holds: all lower
 * numbers are taken. Before the cage.
 */
#define RX_STATE_FD_FIRST 128
KM_MUST_CHECK int rx_state_cage_take_numbers(struct km_err *err);

/* Fills CAGE. */
void rx_state_cage(struct cage *cage, const struct rx_config *config);

#endif
