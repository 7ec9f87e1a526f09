// SPDX-License-Identifier: ISC
/* The realtime ring: the walk through TPACKET_V2 slots made by hand, and its place in the
 * engine beside the other feed. */
#include <criterion/criterion.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>

#include "feed.h"
#include "rig.h"

#define SLOT 2048u

static uint8_t *map;

static struct feed slots_feed(unsigned slots)
{
	map = calloc(slots, SLOT);
	return (struct feed){
		.form = INTAKE_SLOTS,
		.sock = -1,
		.map = map,
		.block_bytes = SLOT,
		.blocks = slots,
	};
}

static struct tpacket2_hdr *slot(unsigned i)
{
	return (void *)(map + (size_t)i * SLOT);
}

/* A frame of LEN bytes WHAT, as the kernel lays it out. */
static void fill(unsigned i, unsigned len, uint8_t what)
{
	struct tpacket2_hdr *h = slot(i);

	cr_assert_eq(h->tp_status, TP_STATUS_KERNEL, "slot %u is the kernel's", i);
	memset(h, 0, sizeof(*h));
	h->tp_mac = 66;
	h->tp_snaplen = len;
	h->tp_len = len;
	memset((uint8_t *)h + 66, what, len);
	h->tp_status = TP_STATUS_USER;
}

Test(slots, order_and_wrap)
{
	struct feed feed = slots_feed(5);
	struct feed_frame f[8];
	unsigned sent = 0, got = 0;

	cr_assert_eq(feed_peek(&feed, f, 8), 0);
	for (unsigned round = 0; round < 20; round++) {
		unsigned n = round % 5 + 1, have;

		for (unsigned i = 0; i < n; i++, sent++)
			fill(sent % 5, 20 + sent % 7, (uint8_t)sent);
		while ((have = feed_peek(&feed, f, 3)) > 0) {
			cr_assert_leq(have, 3);
			for (unsigned i = 0; i < have; i++, got++) {
				cr_assert_eq(f[i].p[0], (uint8_t)got);
				cr_assert_eq(f[i].len, 20 + got % 7);
				cr_assert_eq(f[i].vlan, -1);
			}
			feed_release(&feed);
		}
		cr_assert_eq(got, sent);
	}
	cr_assert_eq(feed.bad, 0);
	free(map);
}

/* All slots ready: a large peek goes once around and no further. */
Test(slots, never_a_slot_twice)
{
	struct feed feed = slots_feed(4);
	struct feed_frame f[8];

	for (unsigned i = 0; i < 4; i++)
		fill(i, 30, (uint8_t)i);
	cr_assert_eq(feed_peek(&feed, f, 8), 4);
	cr_assert_eq(slot(0)->tp_status, TP_STATUS_USER, "not given back before release");
	feed_release(&feed);
	cr_assert_eq(feed_peek(&feed, f, 8), 0);
	for (unsigned i = 0; i < 4; i++)
		cr_assert_eq(slot(i)->tp_status, TP_STATUS_KERNEL);
	free(map);
}

Test(slots, the_vlan_that_the_kernel_took_off)
{
	struct feed feed = slots_feed(1);
	struct feed_frame f[1];

	fill(0, 60, 1);
	slot(0)->tp_status |= TP_STATUS_VLAN_VALID;
	slot(0)->tp_vlan_tci = 0x6005;
	cr_assert_eq(feed_peek(&feed, f, 1), 1);
	cr_assert_eq(f[0].vlan, 5);
	free(map);
}

Test(slots, bounds)
{
	for (unsigned kind = 0; kind < 3; kind++) {
		struct feed feed = slots_feed(4);
		struct feed_frame f[8];
		unsigned n = 0, got;

		for (unsigned i = 0; i < 4; i++)
			fill(i, 40, (uint8_t)i);
		if (kind == 0)
			slot(1)->tp_mac = 60000;
		else if (kind == 1)
			slot(1)->tp_snaplen = SLOT - 65;
		else
			slot(1)->tp_snaplen = UINT32_MAX - 10;
		while ((got = feed_peek(&feed, f, 8)) > 0) {
			for (unsigned i = 0; i < got; i++, n++)
				cr_assert(f[i].p >= map &&
					  f[i].p + f[i].len <= map + 4 * SLOT);
			feed_release(&feed);
		}
		cr_assert_eq(feed.bad, 1, "kind %u", kind);
		cr_assert_eq(n, 3, "kind %u: only that one is given up", kind);
		for (unsigned i = 0; i < 4; i++)
			cr_assert_eq(slot(i)->tp_status, TP_STATUS_KERNEL);
		free(map);
	}
}

/* Any bytes in the headers: never outside of the map. */
Test(slots, random_headers)
{
	uint64_t state = rig_seed();

	for (unsigned round = 0; round < 2000; round++) {
		struct feed feed = slots_feed(6);
		struct feed_frame f[8];
		unsigned got;

		for (unsigned i = 0; i < 6; i++)
			fill(i, 100, 1);
		for (unsigned i = 0; i < 6; i++) {
			/* behind the status: else it is not ready, and all behind it */
			unsigned at = 4 + (unsigned)(rig_random(&state) %
						     (sizeof(struct tpacket2_hdr) - 4));

			((uint8_t *)slot((unsigned)(rig_random(&state) % 6)))[at] =
				(uint8_t)rig_random(&state);
		}
		while ((got = feed_peek(&feed, f, 8)) > 0) {
			for (unsigned i = 0; i < got; i++)
				cr_assert(f[i].p >= map &&
					  f[i].p + f[i].len <= map + 6 * SLOT);
			feed_release(&feed);
		}
		for (unsigned i = 0; i < 6; i++)
			cr_assert_eq(slot(i)->tp_status, TP_STATUS_KERNEL);
		free(map);
	}
}

/* ---- in the engine ----------------------------------------------------------------- */

static void put(unsigned i, const struct rig_frame *frame)
{
	fill(i, (unsigned)frame->len, 0);
	memcpy((uint8_t *)slot(i) + 66, frame->p, frame->len);
}

/* One step: all of the realtime ring, and of the other no more than a run. */
Test(slots, engine_takes_realtime_first)
{
	struct rig *rig = rig_new(400, 1 << 16);
	struct rig_tx *tx = rig_tx_new(rig, 1000);
	struct rig_frames bulk = {0}, urgent = {0};
	const struct rig_window w = {.channel = RIG_CHANNEL, .depth = 1, .symbols = 100};
	struct frame_header h = {
		.type = FRAME_SOURCE, .lane = 1, .channel = RIG_CHANNEL + 1, .depth = 1};
	uint8_t payload[16] = {0};

	rig->e.realtime = slots_feed(8);
	rig_tx_announce(tx, &urgent);
	put(0, &urgent.v[0]);
	rig_run(rig, RIG_MS);
	cr_assert_eq(rig_count(rig, COUNT_SESSIONS), 1);
	rig_tx_window(tx, &bulk, &w);
	for (unsigned i = 0; i < 100; i++)
		rig_push(rig, bulk.v[i].p, bulk.v[i].len);
	for (unsigned i = 1; i <= 5; i++) {
		h.window = i - 1;
		rig_tx_frame(tx, &urgent, h, payload, sizeof(payload));
		put(i, &urgent.v[i]);
	}
	cr_assert_eq(rx_engine_step(&rig->e, rig->now_ns), 5 + RX_ENGINE_RUN);
	cr_assert_eq(rig_count(rig, COUNT_REALTIME_SEEN), 6);
	cr_assert_eq(rig->e.sessions.current->lane[1].account.taken, 5);
	cr_assert_eq(rig->e.sessions.current->lane[3].account.taken, RX_ENGINE_RUN);
	rig_run(rig, RIG_MS);
	cr_assert_eq(rig_count(rig, COUNT_TAKEN), 105);
	cr_assert_eq(rig_count(rig, COUNT_SEEN), 106);
	rig_frames_free(&bulk);
	rig_frames_free(&urgent);
	rig_tx_free(tx);
	rig_free(rig);
	free(map);
}
