// SPDX-License-Identifier: ISC
/*
 * advice.h: warnings about a host that is set so that loss is likely, each with the line to
 * type. Nothing is refused for them. Here is what both daemons say; tx/conf and rx/conf judge
 * the rest. Pure but for the two that write.
 */
#ifndef ADVICE_H
#define ADVICE_H

#include <stdio.h>

#include "events.h"
#include "host_facts.h"
#include "km_err.h"
#include "log.h"

#define ADVICE_MAX 16u
#define ADVICE_TEXT_MAX 512u

struct advice {
	enum event event;
	char text
		[ADVICE_TEXT_MAX]; /* what is so, what follows, "type `...`" or "set `...`" */
};

struct advice_list {
	unsigned n;
	struct advice item[ADVICE_MAX];
};

/* Beyond ADVICE_MAX nothing is added. */
void advice_add(struct advice_list *list, enum event event, const char *fmt, ...)
	KM_PRINTF(3, 4);

/* Interface down or without carrier; processors that save power. */
void advice_common(struct advice_list *list, const struct host_facts *facts,
		   const char *interface);

/* What one second of SPEED_BPS at MTU is in frames, and of it what `rate` counts (Ethernet
 * header of LINK_HEADER bytes to the end; preamble, FCS and gap are 24 bytes more). */
uint64_t advice_frames_per_s(uint64_t speed_bps, uint32_t mtu, uint32_t link_header);

/* One log line each, or "warning: ID: TEXT" each. */
void advice_log(const struct advice_list *list);
void advice_print(const struct advice_list *list, FILE *out);

#endif
