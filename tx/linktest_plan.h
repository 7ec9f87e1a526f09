// SPDX-License-Identifier: ISC
/*
 * From the options of `linktest` to a schedule that both sides can run. Pure.
 */
#ifndef LINKTEST_PLAN_H
#define LINKTEST_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "km_err.h"
#include "linktest.h"

struct linktest_wish {
	bool quick;
	uint64_t seconds;	/* of a step at a rate; 0: the default */
	const char *sizes;	/* "512,1500", or NULL */
	const char *rates;	/* in Mbit/s, or NULL */
	uint64_t max_rate_mbps; /* 0: the link's speed */
	uint64_t burst;		/* frames of the longest burst; 0: none */
	uint32_t mtu;
	uint64_t speed_bps; /* of the link, 0: not known */
	uint64_t rate_bps;  /* configured: the highest rate where the speed is not known */
};

/* *PLAN is checked. -1 with EX_USAGE for what the options cannot mean. */
KM_MUST_CHECK int linktest_plan_make(struct linktest_plan *plan,
				     const struct linktest_wish *wish, struct km_err *err);

/* How long it takes when tx reaches every rate, in ms. */
uint64_t linktest_plan_ms(const struct linktest_plan *plan);

#endif
