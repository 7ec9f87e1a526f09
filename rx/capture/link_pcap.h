// SPDX-License-Identifier: ISC
/*
 * Frames by libpcap: a live interface where rings are refused or so configured,
 * or a recorded file. Copies each frame into the pump ring, whole, unread.
 * (libpcap's handle is itself a receiving socket: it exists on rx only.)
 */
#ifndef LINK_PCAP_H
#define LINK_PCAP_H

#include <stdbool.h>
#include <stdint.h>

#include "intake.h"
#include "km_err.h"
#include "link_match.h"
#include "ring.h"

struct link_pcap;

/* A live interface. BUFFER_BYTES of kernel buffer. */
struct link_pcap *link_pcap_open(const char *interface, const struct link_match *match,
				 const struct intake_plan *plan, uint64_t buffer_bytes,
				 struct km_err *err);

/* A recorded file (pcap or pcapng, Ethernet) at descriptor FD, which is taken. */
struct link_pcap *link_pcap_open_file(int fd, const struct intake_plan *plan,
				      struct km_err *err);
void link_pcap_close(struct link_pcap *link);

enum link_pcap_result {
	LINK_PCAP_MORE,	 /* copied some, or nothing came within 50 ms */
	LINK_PCAP_END,	 /* the file is at its end, and the end mark is in the ring */
	LINK_PCAP_ERROR, /* *ERR says what */
};

/* Copy what is there into RING (its slots have intake_pump_slot() bytes). Waits for room,
 * at most 50 ms at a time: while decode is behind, the kernel's buffer fills. */
enum link_pcap_result link_pcap_pump(struct link_pcap *link, struct ring *ring,
				     struct km_err *err);

/* Frames copied, and dropped by the kernel for want of buffer, so far. */
uint64_t link_pcap_frames(const struct link_pcap *link);
uint64_t link_pcap_drops(const struct link_pcap *link);

#endif
