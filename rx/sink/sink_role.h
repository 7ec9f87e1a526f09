// SPDX-License-Identifier: ISC
/*
 * rx sink: sends the messages of datagram channels to their consumers. It holds one connected
 * UDP socket for each, made by the supervisor, and the ring that decode fills; no file, no key,
 * no frame. It never waits for a consumer: what the kernel does not take at once is dropped,
 * counted and told.
 */
#ifndef SINK_ROLE_H
#define SINK_ROLE_H

#include "role.h"

/* The role's entry, called by main() after role_enter(). Returns a sysexits code. */
int sink_main(struct role_ctx *ctx);

#endif
