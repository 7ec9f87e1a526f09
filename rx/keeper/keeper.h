// SPDX-License-Identifier: ISC
/*
 * rx keeper: the only process that holds rx's static secret, in locked memory. It
 * checks announces (signature, environment, epoch), opens its box and hands out
 * session secrets; it remembers epochs and lane numbers in one directory. It
 * sees no frame, no object and no network: fixed-size messages in shared memory
 * are its only input.
 */
#ifndef KEEPER_H
#define KEEPER_H

#include "role.h"

/* The role's entry, called by main() after role_enter(). Returns a sysexits code. */
int keeper_main(struct role_ctx *ctx);

#endif
