// SPDX-License-Identifier: ISC
/*
 * Channels of kind state, from the datagrams of producers to the lines of consumers: what they
 * bring goes through tx's table into messages; messages, those and any bytes, go into rx's; what
 * stands there comes out as JSON. The input is a script of small steps.
 */
#include <string.h>

#include "cursor.h"
#include "fuzz_target.h"
#include "rx_state_in.h"
#include "rx_state_line.h"
#include "tx_state_in.h"
#include "tx_state_table.h"

#define STEPS_MAX 300u
#define S UINT64_C(1000000000)

enum step {
	STEP_DATAGRAM, /* u16 length, bytes: a producer's */
	STEP_GIVE,     /* u8: so many messages of tx reach rx, as number and session say */
	STEP_MESSAGE,  /* u16 length, bytes: a message of a hostile tx */
	STEP_RAW,      /* u16 length, bytes: what a hostile sink sends */
	STEP_TIME, /* u8 seconds pass on both sides; u8: and so many on tx's clock alone */
	STEP_SESSION, /* u8: it is another one, beginning with message u8 */
	STEP_COUNT
};

static struct tx_state_table tx;
static struct rx_state_table rx;
static struct rx_state_in in;
static struct rx_state_age age;
static uint8_t room[sizeof(struct sink_head) + WIRE_MESSAGE_MAX];
static uint64_t now_ns, clock_ns, number;
static uint32_t session;
static bool ready;

static const uint8_t *piece(struct rd *rd, size_t *len)
{
	const size_t want = rd_u16(rd), left = rd_left(rd);

	*len = want < left ? want : left;
	return rd_bytes(rd, *len);
}

/* A message's bytes stand in room, behind where the head goes. */
static void hand_over(size_t len)
{
	const struct sink_head head = {.place = 1,
				       .len = (uint32_t)len,
				       .number = number++,
				       .tx_time_ns = clock_ns,
				       .session = session};

	memcpy(room, &head, sizeof(head));
	FUZZ_ASSERT(rx_state_in_message(&in, room, sizeof(head) + len, &rx, &age, now_ns) ==
		    KM_OK);
}

static void datagram(const uint8_t *p, size_t len)
{
	struct state_message m;
	const enum km_rc rc = tx_state_in_parse(&m, p, len, 2000);

	FUZZ_ASSERT(rc == KM_OK || rc == KM_ERR_MALFORMED || rc == KM_ERR_LIMIT);
	if (rc != KM_OK)
		return;
	m.update_ns = clock_ns;
	(void)!tx_state_table_put(&tx, &m, now_ns); /* full, or without memory */
	FUZZ_ASSERT(tx.keys <= 8 && tx.bytes <= 4000);
}

static void give(unsigned most)
{
	struct state_message m;
	size_t len;

	FUZZ_ASSERT(!tx_state_table_waits(&tx) || tx_state_table_peek(&tx, &m, now_ns));
	while (most-- > 0 && tx_state_table_peek(&tx, &m, now_ns)) {
		FUZZ_ASSERT(state_encode(room + sizeof(struct sink_head), 2000, &m, &len) ==
			    KM_OK);
		tx_state_table_take(&tx, now_ns);
		hand_over(len);
	}
}

static void step(struct rd *rd)
{
	const uint8_t *p;
	size_t len;

	switch (rd_u8(rd) % STEP_COUNT) {
	case STEP_DATAGRAM:
		if ((p = piece(rd, &len)))
			datagram(p, len);
		break;
	case STEP_GIVE:
		give(rd_u8(rd));
		break;
	case STEP_MESSAGE:
		if ((p = piece(rd, &len))) {
			memcpy(room + sizeof(struct sink_head), p, len);
			hand_over(len);
		}
		break;
	case STEP_RAW:
		if ((p = piece(rd, &len)))
			(void)!rx_state_in_message(&in, p, len, &rx, &age, now_ns);
		break;
	case STEP_TIME:
		now_ns += rd_u8(rd) * S;
		clock_ns += (uint64_t)(int64_t)(int8_t)rd_u8(rd) * S;
		rx_state_table_age(&rx, now_ns);
		break;
	default:
		session = rd_u8(rd);
		number = rd_u8(rd);
		break;
	}
	FUZZ_ASSERT(rx.keys <= 6 && rx.bytes <= 3000 && rx.stale + rx.withdrawn <= rx.keys);
}

/* Every change once, in order; every line whole, and nothing in it that moves a cursor. */
static void read_all(void)
{
	static uint8_t out[RX_STATE_LINE_MAX];
	const struct rx_state_reader reader = {"trains", true, 1};
	uint64_t seq = 0;
	unsigned n = 0;

	for (const struct rx_state_entry *e = rx_state_table_after(&rx, 0); e;
	     e = rx_state_table_next(e)) {
		struct wr wr;

		FUZZ_ASSERT(e->seq > seq && e->seq <= rx.seq);
		seq = e->seq;
		n++;
		wr_init(&wr, out, sizeof(out));
		rx_state_line(&wr, e, &reader, now_ns);
		FUZZ_ASSERT(wr_ok(&wr) && json_is_text(out, wr.used));
		for (size_t i = 0; i < wr.used; i++)
			FUZZ_ASSERT(out[i] >= 0x20 && out[i] != 0x7f);
	}
	FUZZ_ASSERT(n == rx.keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct tx_state_plan tx_plan = {8, 4000, 10 * S};
	const struct rx_state_plan rx_plan = {6, 3000, 30 * S};
	struct rd rd;

	now_ns = 1000 * S;
	clock_ns = 2000 * S;
	number = 1;
	session = 0;
	in = (struct rx_state_in){.fd = -1, .place = 1};
	rx_state_age_init(&age, clock_ns, now_ns);
	ready = tx_state_table_init(&tx, &tx_plan) == KM_OK;
	ready = rx_state_table_init(&rx, &rx_plan, now_ns) == KM_OK && ready;
	rd_init(&rd, data, size);
	for (unsigned i = 0; ready && i < STEPS_MAX && rd_left(&rd); i++)
		step(&rd);
	if (ready)
		read_all();
	tx_state_table_free(&tx);
	rx_state_table_free(&rx);
	return 0;
}
