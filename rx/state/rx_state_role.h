// SPDX-License-Identifier: ISC
/*
 * rx state: the channels of kind `state`. It keeps the latest value of every key and its age, and
 * serves who connects to `deliver`: each key once, then what changes. It holds one end of a pair
 * with the sink, listening sockets, connections of consumers; no key, no frame. Its table
 * dies with it: tx says every key again within its `refresh`.
 */
#ifndef RX_STATE_ROLE_H
#define RX_STATE_ROLE_H

#include "role.h"

/* The role's entry, called by main() after role_enter(). Returns a sysexits code. */
int rx_state_main(struct role_ctx *ctx);

#endif
