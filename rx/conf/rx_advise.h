// SPDX-License-Identifier: ISC
/*
 * Whether this host is set so that frames get lost on it or something could leave by the diode
 * port, for `check` and the start of the daemon. Not for roles.
 */
#ifndef RX_ADVISE_H
#define RX_ADVISE_H

#include "advice.h"
#include "rx_config.h"

/* What the receive ring should hold at the speed of the link: scheduling delays of decode. A
 * shorter one is warned of; the advice is for more than that. */
#define RX_ADVISE_RING_LEAST_NS UINT64_C(20000000)
#define RX_ADVISE_RING_NS UINT64_C(50000000)
/* What the NIC's descriptors should hold: a soft interrupt that waits its turn. */
#define RX_ADVISE_NIC_NS UINT64_C(2000000)

/* Adds to LIST what FACTS give reason for. config->mtu must be resolved. Pure. */
void rx_advise(struct advice_list *list, const struct rx_config *config,
	       const struct host_facts *facts);

/* The same of this machine. */
void rx_advise_host(struct advice_list *list, const struct rx_config *config);

#endif
