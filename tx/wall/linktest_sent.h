// SPDX-License-Identifier: ISC
/*
 * The wall between the loader of a link test (the process with the socket of the diode port)
 * and its supervisor: what is to be sent, and what became of it. Layout only. Run and plan are
 * the supervisor's, all else the loader's.
 */
#ifndef LINKTEST_SENT_H
#define LINKTEST_SENT_H

#include <stdatomic.h>
#include <stdint.h>

#include "linktest.h"

/* Descriptor of the page in the loader. */
#define LINKTEST_FD_SENT 11

struct linktest_sent_step {
	uint64_t sent, elapsed_ns;
	uint64_t enobufs; /* frames that the device refused and that were sent again */
	uint32_t flags;	  /* enum linktest_flags */
	uint32_t trains;  /* framing udp: 1 when the kernel took trains */
};

struct linktest_sent {
	uint32_t run;
	uint32_t hello_ms; /* how long the schedule is announced before it begins */
	struct linktest_plan plan;
	_Atomic uint32_t done;	/* steps whose results stand below */
	_Atomic uint32_t over;	/* 1: everything was said */
	_Atomic uint64_t heard; /* frames ever queued to the link socket: 0 */
	struct linktest_sent_step step[LINKTEST_STEPS_MAX];
};

#endif
