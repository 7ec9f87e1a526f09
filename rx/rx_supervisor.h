// SPDX-License-Identifier: ISC
/*
 * The supervisor of katamichi-rx: makes what its roles share, starts them in order, starts
 * again what died, watches the diode port. Holds CAP_NET_RAW only to pass it on to capture;
 * parses no frame, opens no key and no object.
 */
#ifndef RX_SUPERVISOR_H
#define RX_SUPERVISOR_H

#include <stddef.h>

#include "host.h"
#include "rx_config.h"

/*
 * Runs the daemon until it is stopped. config: judged, MTU resolved; bytes[0..len): the file at
 * path, from which it came and which SIGHUP reads again; port: its interface. replay_fd: -1, or a recorded file to be decoded instead
 * of the interface (port is then not looked at): returns when all of it is delivered.
 * Returns the exit code; everything is said in the log.
 */
int rx_supervisor_run(const struct rx_config *config, const char *path, const char *bytes,
		      size_t len, const struct host_interface *port, int replay_fd);

#endif
