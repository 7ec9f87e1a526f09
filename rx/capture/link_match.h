// SPDX-License-Identifier: ISC
/*
 * Which frames the kernel may give us: by EtherType, or with framing = udp by addresses and
 * ports. link_filter.h makes a filter program of it for the rings; here is the text of it for
 * libpcap.
 *
 * Only what saves work is decided here; decode judges everything again (rx/decode/port.c).
 */
#ifndef LINK_MATCH_H
#define LINK_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "carrier.h"
#include "rx_config.h"

struct link_match {
	uint16_t ethertype; /* of the Ethernet frame: IPv4 with udp */
	bool udp;
	uint32_t longest;	 /* udp: frames that are longer are trains */
	struct carrier_udp path; /* from.port 0: any sender */
};

void link_match_init(struct link_match *match, const struct rx_config *config);

/* The longest text, with its end. */
#define LINK_MATCH_TEXT_MAX 256u
/* Write the text for MATCH as libpcap reads it. */
void link_match_text(const struct link_match *match, char text[LINK_MATCH_TEXT_MAX]);

#endif
