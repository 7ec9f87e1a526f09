// SPDX-License-Identifier: ISC
/*
 * The key files that a configuration names, as `keys list` and `check` see them. Reads files;
 * of a secret only what stands for it in public stays. Not for roles.
 */
#ifndef RX_KEYS_H
#define RX_KEYS_H

#include "keys_show.h"
#include "rx_config.h"

#define RX_KEYS_MAX (1u + 2u * RX_TRUSTED_MAX)

/* Fills ROW[RX_KEYS_MAX] and returns how many there are. */
unsigned rx_keys_rows(const struct rx_config *config, struct keys_row *row);

#endif
