// SPDX-License-Identifier: ISC
/*
 * tickets: the request directory, through which `katamichi-tx resend` asks the running
 * daemon: it puts STATE/requests/<name>.ticket there by rename; the answer appears beside it
 * as <name>.result and the ticket file goes. Rate-limited, and parsed here, in the source's
 * cage. It does not work tickets off (resend.h). One thread.
 */
#ifndef TICKETS_H
#define TICKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "km_err.h"
#include "ticket.h"

#define TICKETS_LOOK_NS UINT64_C(250000000)
#define TICKETS_PER_MINUTE 10u
#define TICKETS_FILE_MAX 512u /* bytes of a ticket file */

struct tickets {
	int dir; /* STATE/requests, owned */
	uint64_t look_ns;
	uint64_t minute_ns; /* start of the present minute */
	unsigned in_minute;
	char name[256]; /* of the ticket in hand, without its ending; "" none */
};

/* Open (and make) requests/ below state_fd. */
KM_MUST_CHECK int tickets_open(struct tickets *tickets, int state_fd, struct km_err *err);
void tickets_close(struct tickets *tickets);

/*
 * Take the next ticket if there is one and the limit allows; nothing while one is in hand.
 * True: *ticket is to be worked off and answered. A file that is no ticket is answered here.
 */
bool tickets_next(struct tickets *tickets, struct ticket *ticket, uint64_t now_ns);

/* Answer the ticket in hand; text of len bytes, whole lines. */
void tickets_answer(struct tickets *tickets, const char *text, size_t len);

#endif
