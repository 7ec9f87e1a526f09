// SPDX-License-Identifier: ISC
/*
 * Whether this machine can serve the configuration, and what that costs: for `check` and the
 * start of the daemon. Looks, changes nothing. Not for roles.
 */
#ifndef TX_PROBE_H
#define TX_PROBE_H

#include <stdio.h>

#include "host.h"
#include "tx_table.h"

/*
 * Resolves config->mtu and config->workers. Adds a finding to parse->report for an MTU larger than the
 * interface's; a missing interface is -1 with EX_UNAVAILABLE. port (may be NULL) gets what
 * was found.
 */
KM_MUST_CHECK int tx_probe_link(struct tx_parse *parse, struct host_interface *port,
				struct km_err *err);

/* Adds a finding when the erasure coder asked for cannot be had on this processor. */
void tx_probe_kernel(struct tx_parse *parse);

/* Directories and key files: findings go to parse->report with the line of their key. */
void tx_probe_files(struct tx_parse *parse);

/* Bytes that the roles will take, by part; config->mtu must be resolved. */
struct tx_memory {
	uint64_t lanes;	   /* shared rings of sealed frames */
	uint64_t encoders; /* repair symbols of the open windows of all channels */
	uint64_t workers;  /* the same, and read_ahead, of the workers beyond the first */
	uint64_t total;
};
void tx_probe_memory(const struct tx_config *config, struct tx_memory *memory);

/* The sums and what is worth knowing, as lines for people. */
void tx_probe_report(const struct tx_config *config, const struct host_interface *port,
		     FILE *out);

#endif
