// SPDX-License-Identifier: ISC
/*
 * Whether this machine can serve the configuration, and what that costs: for `check` and the
 * start of the daemon. Looks, changes nothing. Not for roles.
 */
#ifndef RX_PROBE_H
#define RX_PROBE_H

#include <stdio.h>

#include "host.h"
#include "rx_table.h"

/*
 * Resolves config->mtu and judges the pool by it. Adds a finding to parse->report for an MTU
 * larger than the interface's; a missing interface is -1 with EX_UNAVAILABLE. port (may be
 * NULL) gets what was found.
 */
KM_MUST_CHECK int rx_probe_link(struct rx_parse *parse, struct host_interface *port,
				struct km_err *err);

/* Framing udp: adds a finding when this host has the destination address. */
void rx_probe_address(struct rx_parse *parse);

enum rx_deliver {
	RX_DELIVER_OK,
	RX_DELIVER_NONE,  /* no route now; errno says why */
	RX_DELIVER_DIODE, /* the diode port would send */
};

/* By which interface the consumer of a channel would be reached now; its name into
 * interface[16], which a path leaves as it is. */
enum rx_deliver rx_probe_deliver(const struct rx_config_live *conf, const char *diode,
				 char interface[16]);

/* Adds a finding for a consumer that is reached by the diode port. */
void rx_probe_consumers(struct rx_parse *parse);

/* Adds a finding when the erasure coder asked for cannot be had on this processor. */
void rx_probe_kernel(struct rx_parse *parse);

/* Adds a finding when the sums below are more than this machine has at all. */
void rx_probe_size(struct rx_parse *parse);

/* Directories and key files: findings go to parse->report with the line of their key. */
void rx_probe_files(struct rx_parse *parse);

/* Bytes that the roles will take, by part; config->mtu must be resolved. */
struct rx_memory {
	uint64_t ring, pool, hold, messages;
	uint64_t total;
};
void rx_probe_memory(const struct rx_config *config, struct rx_memory *memory);

/* The sums and what is worth knowing, as lines for people. */
void rx_probe_report(const struct rx_config *config, const struct host_interface *port,
		     FILE *out);

#endif
