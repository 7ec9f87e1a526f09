// SPDX-License-Identifier: ISC
/*
 * rx capture: opens and locks down the diode port. Ring form: hands the socket
 * over and exits. Pump form (libpcap, or a recorded file): stays and copies
 * frames into the pump ring. It parses nothing and never sends.
 */
#ifndef CAPTURE_H
#define CAPTURE_H

#include "role.h"

/* The role's entry, called by main() after role_enter(). Returns a sysexits code,
 * or INTAKE_EXIT_REFUSED when the kernel refuses the receive ring. */
int capture_main(struct role_ctx *ctx);

#endif
