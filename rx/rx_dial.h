// SPDX-License-Identifier: ISC
/*
 * rx_dial: the supervisor's end of dial.h: it makes ways to the consumers of stream channels when
 * their role asks for one. As with the sink's sockets: bound to the interface by which the consumer
 * is reached now, which is never the diode port.
 */
#ifndef RX_DIAL_H
#define RX_DIAL_H

#include "rx_config.h"

struct rx_dial {
	int pair[2]; /* ours, the role's; -1 */
};

#define RX_DIAL_INIT                                                                       \
	{                                                                                  \
		.pair = { -1, -1 }                                                         \
	}

/* FIFOs of consumers are there from now on. UID and GID: whose those are that are made. */
KM_MUST_CHECK int rx_dial_prepare(const struct rx_config *config, uid_t uid, gid_t gid,
				  struct km_err *err);

/* A fresh pair, for each process of the role. */
KM_MUST_CHECK int rx_dial_renew(struct rx_dial *dial, struct km_err *err);

/* Answers what was asked, or some of it. -1: the role asks what it cannot ask: end it. */
KM_MUST_CHECK int rx_dial_answer(struct rx_dial *dial, const struct rx_config *config);

void rx_dial_close(struct rx_dial *dial);

#endif
