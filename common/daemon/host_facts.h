// SPDX-License-Identifier: ISC
/*
 * host_facts.h: how the machine and the NIC are set, as far as it decides whether frames get
 * lost: for advice (advice.h). Only looks; for supervisors and commands before they give up
 * rights, no role calls it. What cannot be read is "unknown" and judged by nobody.
 */
#ifndef HOST_FACTS_H
#define HOST_FACTS_H

#include <stdbool.h>
#include <stdint.h>

struct host_facts {
	int up, carrier;       /* 1, 0; -1 unknown (carrier: also while it is down) */
	uint32_t flags;	       /* IFF_..., 0 unknown */
	uint64_t speed_bps;    /* of the interface; 0 unknown */
	uint64_t tx_queue_len; /* frames; 0: none, or unknown */
	uint64_t wmem_max;     /* net.core.wmem_max, bytes; 0 unknown */
	int spread;	       /* number of a receive queue with rps_cpus; -1 none */
	char governor
		[32]; /* of the processors, the first that is "powersave"; "" unknown */
	int pause_rx, pause_tx; /* Ethernet flow control, by ethtool; 1, 0; -1 unknown */
	uint32_t nic_ring, nic_ring_max; /* receive descriptors; 0 unknown */
};

/* Nothing known. */
#define HOST_FACTS_INIT                                                                    \
	{                                                                                  \
		.up = -1, .carrier = -1, .spread = -1, .pause_rx = -1, .pause_tx = -1      \
	}

/* From /sys and /proc. ROOT is put before these paths: "" but in tests. INTERFACE is plain
 * (host_name_is_plain()). Sets only what it finds. */
void host_facts_files(struct host_facts *facts, const char *root, const char *interface);

/* From the driver, by SIOCETHTOOL. Sets only what the driver tells. */
void host_facts_nic(struct host_facts *facts, const char *interface);

#endif
