// SPDX-License-Identifier: ISC
/*
 * rx_state_line: an entry of the table as a JSON object, for consumers and for the file. Key and
 * value stand as text where they are UTF-8, else as base64 under another name, so that no byte is
 * ever changed. Pure.
 */
#ifndef RX_STATE_LINE_H
#define RX_STATE_LINE_H

#include "json.h"
#include "manifest.h"
#include "rx_state_table.h"

/* The longest object with its line feed: name, key and value all escaped, and the rest. */
#define RX_STATE_LINE_MAX                                                                  \
	(JSON_STRING_MAX(MANIFEST_NAME_MAX) + JSON_STRING_MAX(STATE_KEY_MAX) +             \
	 JSON_STRING_MAX(WIRE_MESSAGE_MAX) + 512u)

/* What only the reader knows. */
struct rx_state_reader {
	const char *channel; /* NULL: left out */
	bool snapshot;	     /* was so when the reader came */
	uint64_t coalesced;  /* changes before this one that it does not get; 0: left out */
};

/* Without line feed. A WR without room is bad, and what stands in it no object. */
void rx_state_line(struct wr *wr, const struct rx_state_entry *e,
		   const struct rx_state_reader *reader, uint64_t now_ns);

#endif
