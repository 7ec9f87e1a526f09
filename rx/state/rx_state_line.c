// SPDX-License-Identifier: ISC
#include "rx_state_line.h"

#include <inttypes.h>
#include <string.h>

#include "clock.h"

static void member(struct wr *wr, const char *name, const uint8_t *bytes, size_t n)
{
	const bool text = json_is_text(bytes, n);

	json_print(wr, "\"%s%s\":", name, text ? "" : "_base64");
	if (text)
		json_string(wr, bytes, n);
	else
		json_base64(wr, bytes, n);
	wr_u8(wr, ',');
}

void rx_state_line(struct wr *wr, const struct rx_state_entry *e,
		   const struct rx_state_reader *reader, uint64_t now_ns)
{
	char time[CLOCK_TEXT_MAX];

	wr_u8(wr, '{');
	if (reader->channel) {
		json_print(wr, "\"channel\":");
		json_string(wr, reader->channel, strlen(reader->channel));
		wr_u8(wr, ',');
	}
	member(wr, "key", e->key, e->node.len);
	if (e->withdrawn)
		json_print(wr, "\"withdrawn\":true,");
	else
		member(wr, "value", e->value, e->len);
	json_print(wr, "\"update_time\":\"%s\",\"age_ms\":%" PRIu64 ",\"stale\":%s,",
		   clock_format(e->update_ns, time),
		   rx_state_entry_age(e, now_ns) / CLOCK_NS_PER_MS,
		   e->stale ? "true" : "false");
	json_print(wr, "\"session\":\"%08" PRIx32 "\",\"number\":%" PRIu64, e->session,
		   e->number);
	if (reader->snapshot)
		json_print(wr, ",\"snapshot\":true");
	if (reader->coalesced > 0)
		json_print(wr, ",\"coalesced\":%" PRIu64, reader->coalesced);
	wr_u8(wr, '}');
}
