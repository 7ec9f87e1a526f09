// SPDX-License-Identifier: ISC
/*
 * place.h: putting verified objects under their names. Works on groups, because what costs
 * is the disk, and in stages, because nobody waits for the disk here (syncer.h): all
 * intents go into `names`, which is synced; former content gets its second name and those
 * directories are synced; the names change and their directories are synced; receipts are
 * written. Only objects whose content is on the disk come into a group (durable.h). Every
 * step can be cut off by kill -9 or a power cut: the next start queues the same numbers
 * again, and each one finds out from the disk how far it came.
 *
 * A name is only ever changed in one of two ways: a new name by RENAME_NOREPLACE, or
 * RENAME_EXCHANGE over what our own rows say we put there, whose content has first been
 * linked into generations/. What else stands there stays, and the object goes to
 * quarantine.
 *
 * rx publish; one thread.
 */
#ifndef PLACE_H
#define PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "flow.h"
#include "syncer.h"

/* Objects of one group. */
#define PLACE_GROUP 256u

/* After a failure of the disk, try again so much later. */
#define PLACE_RETRY_NS UINT64_C(1000000000)

/* Queued numbers looked at for one group. */
#define PLACE_LOOK 4096u

struct place *place_new(void);
void place_free(struct place *place);

/* There is a group under way, of whatever flow. */
bool place_busy(const struct place *place);

/*
 * Begins a group of the flow's queued numbers; no other may be under way. What cannot be
 * done for want of disk space stays queued, and flow->retry_ns is set.
 */
void place_begin(struct flow *flow, uint64_t now_ns);

/* Goes on as far as it can without waiting. True when something was done. */
bool place_go_on(struct place *place, uint64_t now_ns);

/* Takes the result of a sync of the group. */
void place_take(struct place *place, const struct syncer_done *done);

#endif
