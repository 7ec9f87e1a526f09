// SPDX-License-Identifier: ISC
/*
 * Whether this host is set so that frames of the transmitter get lost or something could come
 * back, for `check` and the start of the daemon. Not for roles.
 */
#ifndef TX_ADVISE_H
#define TX_ADVISE_H

#include "advice.h"
#include "tx_config.h"

/* Frames whose bytes the send buffer lets out before the device has let go of them: each costs
 * its own and the kernel's about 768 (92 frames of MTU 1,500 were seen in 212,992 bytes). */
#define TX_ADVISE_OVERHEAD 768u
/* The send buffer should last so long at the rate. */
#define TX_ADVISE_BUFFER_NS UINT64_C(200000)

/* Adds to LIST what FACTS give reason for. config->mtu must be resolved. Pure. */
void tx_advise(struct advice_list *list, const struct tx_config *config,
	       const struct host_facts *facts);

/* The same of this machine. */
void tx_advise_host(struct advice_list *list, const struct tx_config *config);

#endif
