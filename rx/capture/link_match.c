// SPDX-License-Identifier: ISC
#include "link_match.h"

#include <stdio.h>
#include <string.h>

#include "wire_limits.h"

void link_match_init(struct link_match *match, const struct rx_config *config)
{
	*match = (struct link_match){.ethertype = config->ethertype};
	if (config->framing == RX_FRAMING_UDP) {
		match->udp = true;
		match->ethertype = WIRE_ETHERTYPE_IPV4;
		match->path = config->udp;
		match->longest = WIRE_ETHER_LEN + config->mtu;
	}
}

void link_match_text(const struct link_match *match, char text[LINK_MATCH_TEXT_MAX])
{
	const uint8_t *from = match->path.from.ip, *to = match->path.to.ip;
	size_t used;

	if (!match->udp) {
		(void)snprintf(text, LINK_MATCH_TEXT_MAX, "ether proto 0x%04x",
			       match->ethertype);
		return;
	}
	(void)snprintf(text, LINK_MATCH_TEXT_MAX,
		       "ip proto 17 and dst host %u.%u.%u.%u and (ip[6:2] & 0x1fff != 0 or "
		       "udp dst port %u)",
		       to[0], to[1], to[2], to[3], match->path.to.port);
	used = strlen(text);
	if (match->path.from.port != 0)
		(void)snprintf(text + used, LINK_MATCH_TEXT_MAX - used,
			       " and src host %u.%u.%u.%u and (ip[6:2] & 0x1fff != 0 or "
			       "udp src port %u)",
			       from[0], from[1], from[2], from[3], match->path.from.port);
}
