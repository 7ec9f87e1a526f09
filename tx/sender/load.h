// SPDX-License-Identifier: ISC
/*
 * Entry of the role load: the sending half of a link test. It lives in the cage of the
 * sender: one socket that can only send, no key, no file. Sends the schedule of its page
 * (tx/wall/linktest_sent.h) from the first frame to the last, whether anybody listens or not.
 *
 * Descriptors: TX_FD_CONFIG, LINKTEST_FD_SENT. Argument: `--mtu N`.
 */
#ifndef LOAD_H
#define LOAD_H

#include "role.h"

/* Returns a sysexits code: 0 when the schedule is over or it was asked to stop. */
int load_main(struct role_ctx *ctx);

#endif
