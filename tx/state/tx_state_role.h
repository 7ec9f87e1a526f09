// SPDX-License-Identifier: ISC
/*
 * tx state: the channels of kind `state`. Producers bring updates by datagrams; each leaves at
 * once as a message of its channel, and the latest value of every key again within `refresh`. It
 * holds the sockets of its producers and one end of a pair with the source; no file, no key, no
 * frame. Its table dies with it: producers fill the next one's.
 */
#ifndef TX_STATE_ROLE_H
#define TX_STATE_ROLE_H

#include "role.h"

/* The role's entry, called by main() after role_enter(). Returns a sysexits code. */
int tx_state_main(struct role_ctx *ctx);

#endif
