// SPDX-License-Identifier: ISC
/* waiver_take.h: requests to release objects (waiver.h) are looked for and begun. rx publish. */
#ifndef WAIVER_TAKE_H
#define WAIVER_TAKE_H

#include "flow.h"

/* Once a second. */
void waiver_take(struct flow *flow);

#endif
