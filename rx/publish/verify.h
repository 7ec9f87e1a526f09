// SPDX-License-Identifier: ISC
/*
 * verify.h: `katamichi-rx verify`: walks the stored manifests of every channel, as an
 * auditor does with minisign and coreutils: each signature, the chain of previous hashes,
 * which numbers are missing, and whether every published object still has its digest in
 * tree/ or in generations/. Reads only; one line per finding.
 */
#ifndef VERIFY_H
#define VERIFY_H

#include <stdint.h>
#include <stdio.h>

#include "km_err.h"
#include "rx_config.h"

/*
 * Prints findings and one line of figures per channel (or for the one named).
 * *findings = 0: all is well (exit 0), else exit EX_DATAERR. 0 / -1 (state, root or
 * keys cannot be read).
 */
KM_MUST_CHECK int verify_print(const struct rx_config *config, const char *channel,
			       FILE *out, uint64_t *findings, struct km_err *err);

/* The same as a command: errors go to stderr. Returns the exit code: 0,
 * EX_DATAERR when there is a finding, or that of the error. */
int verify_run(const struct rx_config *config, const char *channel, FILE *out);

#endif
