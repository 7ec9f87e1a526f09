// SPDX-License-Identifier: ISC
/*
 * door.h: publish's end of rx/wall/scan.h. An object of a channel with `scan` that is whole,
 * durable and what its signed manifest says stands at the door until role scan has answered for
 * it; place_judge.c lets nothing through that has not been answered with pass. Of each channel
 * at most scan_jobs objects are with role scan at once, the others wait here in order, so that a
 * program that hangs holds up its own channel alone.
 *
 * Verdicts are kept in memory: after a restart of publish, objects that are not placed yet are
 * looked at again. After one of role scan, those it had not answered are.
 *
 * rx publish; one thread.
 */
#ifndef DOOR_H
#define DOOR_H

#include <stdbool.h>
#include <stdint.h>

#include "flow.h"

/* Opens the door of all channels: SOCK is scan.h's, not looked at when none has `scan`. */
KM_MUST_CHECK int door_init(struct flow_shared *shared, const struct rx_config *config,
			    int sock, struct km_err *err);

/* While programs are at work, so long may pass until their answer is seen. */
#define DOOR_LOOK_NS UINT64_C(1000000)

/* What is known of O: an enum scan_verdict. SCAN_NONE: it waits, and is queued again by its
 * number when there is an answer. SCAN_PASS where the channel has no scan. */
uint8_t door_judge(struct flow *flow, struct object *o);

/* Takes answers and asks what may be asked. True when something was done. */
bool door_step(struct flow *flow, unsigned flows, struct flow_shared *shared);

/* Some program is at work, or objects wait for one. */
bool door_is_busy(const struct flow_shared *shared);

/* Objects that stand at the door of a channel. */
uint64_t door_count(const struct flow *flow);

#endif
