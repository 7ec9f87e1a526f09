// SPDX-License-Identifier: ISC
/*
 * tx sender: takes sealed frames from the lanes and hands them to the link, paced
 * and scheduled. It holds the one descriptor of the diode port, which can only
 * send; it has no key, opens no file, and reads of a frame only its length.
 */
#ifndef SENDER_H
#define SENDER_H

#include "role.h"

/* The role's entry, called by main() after role_enter(). Returns a sysexits code. */
int sender_main(struct role_ctx *ctx);

#endif
