// SPDX-License-Identifier: ISC
/*
 * rx scan: runs the program of a channel on each object that publish hands over, and tells it
 * the verdict. It holds no path of any object, no key, no frame, no network. It keeps nothing:
 * what it was asked before it died is asked again. Exists only where a channel has `scan`.
 */
#ifndef SCAN_ROLE_H
#define SCAN_ROLE_H

#include "role.h"

/* The role's entry, called by main() after role_enter(). Returns a sysexits code. */
int scan_main(struct role_ctx *ctx);

#endif
