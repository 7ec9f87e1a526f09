// SPDX-License-Identifier: ISC
/*
 * The key files that a configuration names, as `keys list` and `check` see them. Reads files;
 * of a secret only what stands for it in public stays. Not for roles.
 */
#ifndef TX_KEYS_H
#define TX_KEYS_H

#include "keys_show.h"
#include "tx_config.h"

#define TX_KEYS_MAX (1u + WIRE_ANNOUNCE_RECEIVERS_MAX)

/* Fills ROW[TX_KEYS_MAX] and returns how many there are. */
unsigned tx_keys_rows(const struct tx_config *config, struct keys_row *row);

#endif
