// SPDX-License-Identifier: ISC
/*
 * The supervisor of katamichi-tx: makes what its roles share, starts them in order, starts
 * again what died, watches the diode port. Holds CAP_NET_RAW only to pass it on to the
 * sender; opens no frame, no key and no file of a producer.
 */
#ifndef TX_SUPERVISOR_H
#define TX_SUPERVISOR_H

#include <stddef.h>

#include "host.h"
#include "tx_config.h"

/*
 * Runs the daemon until it is stopped. config: judged, MTU resolved; bytes[0..len): the file at
 * path, from which it came and which SIGHUP reads again; port: its interface. Returns the exit code; everything is said in the log.
 */
int tx_supervisor_run(const struct tx_config *config, const char *path, const char *bytes,
		      size_t len, const struct host_interface *port);

#endif
