// SPDX-License-Identifier: ISC
/*
 * The configuration of a daemon at work, read again: only the keys of the other side, and what
 * goes with keys, may have changed. Everything else is what rings, sockets and roles were made by.
 */
#ifndef TX_RELOAD_H
#define TX_RELOAD_H

#include <stddef.h>

#include "km_err.h"

/* BEFORE: the file as it is in force. *BYTES is the caller's (free). EX_NOINPUT, EX_CONFIG. */
KM_MUST_CHECK int tx_reload_config(const char *path, const char *before, size_t before_len,
				   char **bytes, size_t *len, struct km_err *err);

#endif
