// SPDX-License-Identifier: ISC
/*
 * tx signer: the only process that holds tx's long-term key, in locked memory. It
 * opens sessions (draws the secret, signs the announce, stores the epoch) and
 * signs manifests, on request of the source, by messages of fixed size. It opens
 * no file after load and has no network.
 */
#ifndef SIGNER_H
#define SIGNER_H

#include "role.h"

/* The role's entry, called by main() after role_enter(). Returns a sysexits code. */
int signer_main(struct role_ctx *ctx);

#endif
