// SPDX-License-Identifier: ISC
/* oneway_rule.h: whether nftables drops all that passes a hook of one interface, for oneway.h. */
#ifndef ONEWAY_RULE_H
#define ONEWAY_RULE_H

#include <stdbool.h>

#include "oneway.h"

enum oneway_hook { ONEWAY_INGRESS, ONEWAY_EGRESS };

/*
 * Adds a line "egress-rule" or "ingress-rule". Passes when a netdev chain of that hook and
 * interface has the policy drop and no rule that could let anything through: rules may count
 * and log, and drop.
 */
void oneway_look_at_rule(struct oneway_report *report, const char *interface,
			 enum oneway_hook hook);

#endif
