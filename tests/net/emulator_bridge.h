// SPDX-License-Identifier: ISC
/*
 * The running emulator: takes frames from one interface, has the model decide, and sends
 * what is left to the other. One way only: it sends nothing on the interface it reads and
 * reads nothing from the interface it sends on. One thread, one loop; ends on SIGTERM,
 * SIGINT or, with control, at the end of standard input, after everything inside has been
 * forwarded.
 */
#ifndef EMULATOR_BRIDGE_H
#define EMULATOR_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "emulator_list.h"
#include "emulator_model.h"

struct emulator_bridge_options {
	const char *in, *out; /* interface names */
	const char *pcap;     /* or NULL */
	const char *summary;  /* where the summary goes at the end */
	bool any_ethertype;
	uint16_t ethertype;
	uint16_t
		udp_port; /* our frames stand in UDP datagrams to this port; 0 = they do not */
	bool forward_all;  /* let frames of other EtherTypes through, unimpaired */
	bool control;	   /* read lines from standard input */
	uint64_t delay_ns; /* for every frame */
	uint64_t rate_bps; /* 0 = as fast as the link takes it */
	size_t ring_mib;
};

/* Run to the end. @m is borrowed and changed by control lines; @list is borrowed. Returns
 * the exit code: 0, 1 when the emulator itself lost a frame (own_drops, send_failed,
 * abandoned), 69 when an interface cannot be used, 71 or 77 when the kernel refused
 * something, 74 when the pcap file or the summary could not be written. */
int emulator_bridge_run(const struct emulator_bridge_options *o, struct emulator_model *m,
			FILE *list);

#endif
