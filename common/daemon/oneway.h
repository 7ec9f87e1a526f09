// SPDX-License-Identifier: ISC
/*
 * oneway.h: the evidence that a diode port carries nothing the wrong way, as a list of lines
 * for an inspector: what was looked at, what was found, the verdict, and how to look by hand.
 * Here is the list and what both sides look at; each side's command adds what is its own. Only
 * looks, changes nothing; for commands, no role calls it.
 */
#ifndef ONEWAY_H
#define ONEWAY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "km_err.h"

#define ONEWAY_MAX 24u
#define ONEWAY_TEXT_MAX 320u

enum oneway_verdict {
	ONEWAY_PASS,
	ONEWAY_FAIL,
	ONEWAY_UNKNOWN, /* could not be looked at: rights, a daemon that does not run */
	ONEWAY_NOTE,	/* a hint, judged by nobody */
};

struct oneway_line {
	const char *id; /* stable */
	enum oneway_verdict verdict;
	char found[ONEWAY_TEXT_MAX];
	char by_hand[ONEWAY_TEXT_MAX];
};

struct oneway_report {
	unsigned n;
	struct oneway_line line[ONEWAY_MAX];
};

/* Adds a line; beyond ONEWAY_MAX nothing is added. ID is static, and stands in the manual. */
void oneway_add(struct oneway_report *report, const char *id, enum oneway_verdict verdict,
		const char *fmt, ...) KM_PRINTF(4, 5);

/* How the last line is repeated by hand. */
void oneway_by_hand(struct oneway_report *report, const char *fmt, ...) KM_PRINTF(2, 3);

/* One line per check and one below it; or, JSON, the array of checks. */
void oneway_print(const struct oneway_report *report, FILE *out);
void oneway_print_json(const struct oneway_report *report, FILE *out);

/* The whole answer on stdout: DAEMON, what it PROMISEs of INTERFACE, and the report. INTERFACE is
 * plain (host_name_is_plain()): nothing in it that JSON would want escaped. */
void oneway_tell(const struct oneway_report *report, const char *daemon,
		 const char *promise, const char *interface, bool json);

/* EX_DATAERR when a line failed, else EX_UNAVAILABLE when one is unknown, else EX_OK. */
int oneway_exit_code(const struct oneway_report *report);

/*
 * How the interface is set: addresses, IPv6, ARP, multicast; where LISTENING counts (tx) whether
 * it is promiscuous. From /sys and /proc below ROOT ("" but in tests), but addresses, which the
 * kernel tells of this network namespace. INTERFACE is plain (host_name_is_plain()).
 */
void oneway_look_at_host(struct oneway_report *report, const char *root,
			 const char *interface, bool listening);

/* What driver and NIC tell: flow control, and hints. */
void oneway_look_at_nic(struct oneway_report *report, const char *root,
			const char *interface);

/* The whole life of the interface by its counter ("rx_packets"), and SINCE: what the daemon has
 * counted since it started, UINT64_MAX where none runs. WHAT: "received", "sent". */
void oneway_look_at_counter(struct oneway_report *report, const char *interface,
			    const char *counter, const char *what, uint64_t since);

#endif
