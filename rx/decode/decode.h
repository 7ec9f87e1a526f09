// SPDX-License-Identifier: ISC
/*
 * Entry of the role decode: the process that reads foreign bytes. It holds no path, no
 * object, no long-term key and no socket but the locked receive ring; after set-up it
 * makes no call but futex, poll, clock_nanosleep, getsockopt (ring counters), pread (the
 * port's transmit counter) and recvmsg on its control socket (stop), and it allocates
 * nothing per frame.
 *
 * Descriptors: rx/wall/deliver.h. Arguments: `--mtu N`, `--replay`.
 */
#ifndef DECODE_H
#define DECODE_H

#include "role.h"

/* Returns a sysexits code: 0 when asked to stop. At the end of a recording everything is
 * made final and the role waits for that. */
int decode_main(const struct role_ctx *ctx);

#endif
