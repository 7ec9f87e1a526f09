// SPDX-License-Identifier: ISC
/*
 * stream_role.h: role stream of rx: messages become byte streams again, each to a consumer. It
 * holds its end of a pair with the sink for each stream channel, and the sockets of consumers that
 * the supervisor gave it (dial.h). Knows wall and configuration.
 */
#ifndef STREAM_ROLE_H
#define STREAM_ROLE_H

#include "role.h"

int stream_main(struct role_ctx *ctx);

#endif
