// SPDX-License-Identifier: ISC
/*
 * retain.h: how long former generations are kept: at most keep_generations of a path,
 * none longer than keep_ns. The sender has no say in it.
 * generations/<chain>-<number>/<path>.
 *
 * rx publish; one thread.
 */
#ifndef RETAIN_H
#define RETAIN_H

#include <stddef.h>
#include <stdint.h>

#include "flow.h"

/* By number, for one path: after one was added. */
void retain_path(struct flow *flow, const uint8_t *path, size_t len);

/* By age, all paths: called at start and each hour. now_real_ns is wall clock time. */
void retain_age(struct flow *flow, uint64_t now_real_ns);

#endif
