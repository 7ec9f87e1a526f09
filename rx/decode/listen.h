// SPDX-License-Identifier: ISC
/*
 * Entry of the role listen: the receiving half of a link test. Foreign bytes are read here, so
 * it lives in the cage of decode: no path, no key, no object, no socket but the locked
 * receive ring, no call that writes. It never answers anything.
 *
 * Descriptors: RX_FD_CONFIG, RX_FD_INTAKE (rx/wall/deliver.h), LINKTEST_FD_HEARD. Argument:
 * `--mtu N`.
 */
#ifndef LISTEN_H
#define LISTEN_H

#include "role.h"

/* Returns a sysexits code: 0 when asked to stop; the page is then final. */
int listen_main(struct role_ctx *ctx);

#endif
