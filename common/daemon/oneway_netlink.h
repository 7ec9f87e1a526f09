// SPDX-License-Identifier: ISC
/*
 * oneway_netlink.h: one question to the kernel by netlink whose answer is a list, for
 * oneway.h. The kernel's bytes are trusted to be the kernel's, their lengths are checked.
 */
#ifndef ONEWAY_NETLINK_H
#define ONEWAY_NETLINK_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "km_err.h"

/* One entry of the list: its fixed part and its attributes, LEN bytes. */
typedef void oneway_netlink_fn(void *ctx, const void *body, size_t len);

/*
 * Asks by FAMILY (NETLINK_SOCK_DIAG, ...) for TYPE with the fixed part BODY, and calls EACH for
 * every answer of a type at or above NLMSG_MIN_TYPE. -1: the kernel refuses, or cannot.
 */
KM_MUST_CHECK int oneway_netlink_list(int family, uint16_t type, const void *body,
				      size_t len, oneway_netlink_fn *each, void *ctx);

/* The attributes in the LEN bytes at *p, one after another: false at the end. A nested
 * attribute is such a list again. */
struct oneway_attribute {
	unsigned type;
	const void *p;
	size_t len;
};
bool oneway_netlink_next(const uint8_t **p, size_t *len, struct oneway_attribute *found);

/* The content of the attribute TYPE among those at P, and its length in *got; NULL: it is not
 * there, or is shorter than LEAST. */
const void *oneway_netlink_find(const void *p, size_t len, unsigned type, size_t least,
				size_t *got);

#endif
