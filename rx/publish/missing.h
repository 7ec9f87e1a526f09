// SPDX-License-Identifier: ISC
/*
 * missing.h: `katamichi-rx missing`: what was announced and is not here, by name where a
 * begin record or a manifest told it, with its holes, and the tickets that an operator
 * carries to `katamichi-tx resend`. Reads only what is on disk, beside a running daemon
 * or without one; what it prints is as old as the last rows that publish has written.
 */
#ifndef MISSING_H
#define MISSING_H

#include <stdint.h>
#include <stdio.h>

#include "km_err.h"
#include "rx_config.h"

/*
 * Prints every channel (or the one named) to `out`. *missing = objects and manifests
 * that are not here. 0 / -1 (state or root cannot be read).
 */
KM_MUST_CHECK int missing_print(const struct rx_config *config, const char *channel,
				FILE *out, uint64_t *missing, struct km_err *err);

/* The same as a command: errors go to stderr. Returns the exit code: 0,
 * something missing or not, or that of the error. */
int missing_run(const struct rx_config *config, const char *channel, FILE *out);

#endif
