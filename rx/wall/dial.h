// SPDX-License-Identifier: ISC
/*
 * The wall between rx stream, whose consumers are connected to while it works, and the supervisor,
 * which alone makes sockets: a socket pair with messages of ipc.h. The role asks for a way to the
 * consumer of a channel; the supervisor answers with a descriptor, or with the errno of what
 * prevented one. Where it leads, and by which interface, is the supervisor's and the
 * configuration's business alone.
 *
 * An address: a TCP socket bound to the interface that leads there, connecting, and closed by a
 * reset unless shutdown() went before. A path: a connected stream socket, or the writing end of a
 * FIFO that has a reader. All non-blocking.
 */
#ifndef DIAL_H
#define DIAL_H

#include <stdint.h>

#include "ipc.h"

enum dial_type {
	DIAL_ASK = IPC_TYPE_OWN,      /* struct dial; error is 0 */
	DIAL_HERE = IPC_TYPE_OWN + 1, /* struct dial, one descriptor */
	DIAL_NONE = IPC_TYPE_OWN + 2, /* struct dial */
};

struct dial {
	uint32_t place;	 /* of the channel among the live channels of the configuration */
	uint32_t ticket; /* the role's; comes back with the answer */
	int32_t error;	 /* an errno */
};

/* Asked so often in one go; the others wait for the next. */
#define DIAL_BATCH 32u

#endif
