// SPDX-License-Identifier: ISC
/*
 * stream_role.h: role stream of tx: byte streams of producers become messages. It holds listening
 * sockets and one end of a pair for each stream channel, and nothing else. Knows wall and
 * configuration.
 */
#ifndef STREAM_ROLE_H
#define STREAM_ROLE_H

#include "role.h"

int stream_main(struct role_ctx *ctx);

#endif
