// SPDX-License-Identifier: ISC
/*
 * Messages of a stream channel as a hostile decode hands them on: u8 policy, then messages, each
 * behind u8 time, u8 what its consumer does and u16 length. Whatever comes, each stream keeps within its bounds
 * and what is read is what would be written.
 */
#include <string.h>

#include "cursor.h"
#include "fuzz_target.h"
#include "stream_table.h"

static struct stream_table table;
static uint64_t noted;

static void note(void *ctx, const struct stream_note *n)
{
	(void)ctx;
	FUZZ_ASSERT(n->from <= n->to || n->what >= STREAM_NOTE_SLOW);
	noted++;
}

static void again(const uint8_t *bytes, size_t len)
{
	static uint8_t out[UINT16_MAX];
	struct stream_msg m;
	size_t n;

	if (stream_read(&m, bytes, len) != KM_OK)
		return;
	FUZZ_ASSERT(stream_write(&m, out, sizeof(out), &n) == KM_OK);
	FUZZ_ASSERT(n == len && memcmp(out, bytes, n) == 0);
}

static void check(const struct rx_config_live *conf)
{
	unsigned open = 0;

	for (unsigned i = 0; i < STREAM_TABLE; i++) {
		const struct outlet *o = &table.outlet[i];

		FUZZ_ASSERT(o->held <= o->room && o->room <= conf->consumer_buffer);
		FUZZ_ASSERT(o->state != OUTLET_FREE || !o->ring);
		FUZZ_ASSERT(o->state != OUTLET_DEAD || (!o->ring && !o->over));
		open += o->state != OUTLET_FREE && o->state != OUTLET_DEAD;
	}
	FUZZ_ASSERT(open == table.count[STREAM_COUNT_OPEN] &&
		    open <= stream_table_most(&table));
}

/* Any consumer takes something, or has had everything, or goes. */
static void consume(uint8_t how, uint64_t now_ns)
{
	struct outlet *o = &table.outlet[how % STREAM_TABLE];
	size_t len;

	if (o->state == OUTLET_FREE || o->state == OUTLET_DEAD)
		return;
	if (how < 128 && outlet_first(o, &len))
		outlet_took(o, len > how ? how : len);
	else if (how >= 128 && o->ended && o->held == 0)
		stream_table_done(&table, o);
	else if (how >= 250)
		stream_table_lose(&table, o, STREAM_NOTE_BROKEN, 0, now_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rx_config_live conf = {
		.connections = 5, .consumer_buffer = 40000, .gap_text = "[%u]"};
	uint64_t now_ns = 1, number = 0;
	struct rd rd;

	rd_init(&rd, data, size);
	conf.gap = rd_u8(&rd) % 2 ? RX_GAP_MARK : RX_GAP_CLOSE;
	stream_table_open(&table, &conf, note, NULL);
	while (rd_left(&rd)) {
		const uint8_t time = rd_u8(&rd), how = rd_u8(&rd);
		const size_t n = rd_u16(&rd);
		const uint8_t *bytes = rd_bytes(&rd, n);

		if (!bytes)
			break;
		now_ns += time * UINT64_C(100000000);
		number += time != 255; /* the same one again */
		again(bytes, n);
		stream_table_take(&table, time == 254 ? 2 : 1, number, bytes, n, now_ns);
		check(&conf);
		consume(how, now_ns);
		check(&conf);
	}
	for (unsigned i = 0; i < STREAM_TABLE; i++) {
		table.outlet[i].over = true;
		outlet_drop(&table.outlet[i]);
	}
	return 0;
}
