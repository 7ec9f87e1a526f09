// SPDX-License-Identifier: ISC
/* The intake: pump ring, and the walk through a TPACKET_V3 block made by hand. */
#include <criterion/criterion.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>

#include "feed.h"
#include "rig.h"

#define BLOCK 4096u

Test(feed, pump_order_lengths_drops_and_end)
{
	const struct intake_plan plan = {.form = INTAKE_PUMP, .frame_max = 200};
	size_t len = intake_pump_bytes(&plan);
	void *mem = aligned_alloc(64, (len + 63) & ~(size_t)63);
	uint8_t bounce[200];
	struct ring prod;
	struct feed feed;
	struct feed_frame frame;
	uint64_t at;

	memset(mem, 0, len);
	cr_assert_eq(ring_format(mem, len, intake_pump_slot(&plan), INTAKE_PUMP_SLOTS),
		     KM_OK);
	cr_assert_eq(ring_attach(&prod, mem, len, intake_pump_slot(&plan),
				 INTAKE_PUMP_SLOTS, RING_PRODUCER),
		     KM_OK);
	cr_assert_eq(feed_pump_open(&feed, mem, len, &plan, bounce), KM_OK);
	cr_assert_eq(feed_peek(&feed, &frame, 1), 0);
	for (unsigned i = 0; i < 5; i++) {
		struct intake_frame *slot;

		cr_assert_eq(ring_reserve(&prod, 1, &at), KM_OK);
		slot = ring_slot(&prod, at);
		*slot = (struct intake_frame){
			.len = i == 2 ? 201 : i * 10, /* the third is impossible */
			.wire_len = 999,
			.drops = i * 7,
			.end = i == 4,
		};
		memset(slot->bytes, (int)i, 200);
		cr_assert_eq(ring_submit(&prod, 1), KM_OK);
	}
	for (unsigned i = 0; i < 4; i++) {
		if (i == 2)
			continue;
		cr_assert_eq(feed_peek(&feed, &frame, 1), 1);
		cr_assert_eq(frame.len, i * 10);
		cr_assert_eq(frame.wire_len, 999);
		cr_assert(i == 0 || frame.p[0] == i);
		/* it is a copy: capture can change nothing any more */
		memset((uint8_t *)mem + RING_SLOTS_OFFSET + i * intake_pump_slot(&plan),
		       0xee, intake_pump_slot(&plan));
		cr_assert(i == 0 || frame.p[0] == i);
		feed_release(&feed);
	}
	cr_assert_eq(feed.bad, 1);
	cr_assert_not(feed.ended);
	cr_assert_eq(feed_peek(&feed, &frame, 1), 0);
	cr_assert(feed.ended);
	cr_assert_eq(feed_drops(&feed), 28);
	cr_assert_eq(feed_drops(&feed), 0);
	cr_assert_eq(ring_ready(&prod), INTAKE_PUMP_SLOTS);
	free(mem);
}

/* ---- ring -------------------------------------------------------------------------- */

static uint8_t *map;

static struct feed ring_feed(unsigned blocks)
{
	map = calloc(blocks, BLOCK);
	return (struct feed){
		.form = INTAKE_RING,
		.sock = -1,
		.map = map,
		.block_bytes = BLOCK,
		.blocks = blocks,
	};
}

static struct tpacket_block_desc *block(unsigned i)
{
	return (void *)(map + i * BLOCK);
}

/* N frames of 20 + i bytes holding i, as the kernel lays them out. */
static void fill(unsigned i, unsigned n)
{
	struct tpacket_block_desc *d = block(i);
	uint32_t at = 48;

	d->hdr.bh1.num_pkts = n;
	d->hdr.bh1.offset_to_first_pkt = at;
	for (unsigned j = 0; j < n; j++) {
		struct tpacket3_hdr *h = (void *)(map + i * BLOCK + at);

		memset(h, 0, sizeof(*h));
		h->tp_mac = 82;
		h->tp_snaplen = 20 + j;
		h->tp_len = 20 + j;
		h->tp_next_offset = j + 1 < n ? 160 : 0;
		memset((uint8_t *)h + 82, (int)j, 20 + j);
		at += 160;
	}
	d->hdr.bh1.block_status = TP_STATUS_USER;
}

Test(feed, ring_walks_blocks_in_order)
{
	struct feed feed = ring_feed(3);
	struct feed_frame f[4];

	cr_assert_eq(feed_peek(&feed, f, 4), 0);
	fill(0, 6);
	fill(1, 0);
	fill(2, 1);
	cr_assert_eq(feed_peek(&feed, f, 4), 4);
	for (unsigned i = 0; i < 4; i++) {
		cr_assert_eq(f[i].len, 20 + i);
		cr_assert_eq(f[i].p[0], i);
		cr_assert_eq(f[i].vlan, -1);
	}
	feed_release(&feed);
	cr_assert_eq(block(0)->hdr.bh1.block_status, TP_STATUS_USER, "two are left in it");
	cr_assert_eq(feed_peek(&feed, f, 4), 2);
	cr_assert_eq(f[1].p[0], 5);
	feed_release(&feed);
	cr_assert_eq(block(0)->hdr.bh1.block_status, TP_STATUS_KERNEL);
	cr_assert_eq(feed_peek(&feed, f, 4), 0, "a block without frames goes back");
	cr_assert_eq(block(1)->hdr.bh1.block_status, TP_STATUS_KERNEL);
	cr_assert_eq(feed_peek(&feed, f, 4), 1);
	feed_release(&feed);
	cr_assert_eq(feed.block, 0);
	cr_assert_eq(feed.bad, 0);
	free(map);
}

Test(feed, ring_gives_the_vlan_that_the_kernel_took_off)
{
	struct feed feed = ring_feed(1);
	struct feed_frame f[1];
	struct tpacket3_hdr *h = (void *)(map + 48);

	fill(0, 1);
	h->tp_status = TP_STATUS_VLAN_VALID;
	h->hv1.tp_vlan_tci = 0x6005;
	cr_assert_eq(feed_peek(&feed, f, 1), 1);
	cr_assert_eq(f[0].vlan, 5);
	free(map);
}

Test(feed, ring_bounds)
{
	for (unsigned kind = 0; kind < 5; kind++) {
		struct feed feed = ring_feed(2);
		struct feed_frame f[8];
		struct tpacket3_hdr *h = (void *)(map + 48 + 160);
		unsigned n = 0, got;

		fill(0, 3);
		fill(1, 1);
		if (kind == 0)
			h->tp_mac = 60000;
		else if (kind == 1)
			h->tp_snaplen = BLOCK;
		else if (kind == 2)
			h->tp_next_offset = UINT32_MAX - 40;
		else if (kind == 3)
			block(0)->hdr.bh1.offset_to_first_pkt = BLOCK - 8;
		else
			h->tp_snaplen = UINT32_MAX - 10;
		for (unsigned i = 0; i < 4; i++) {
			got = feed_peek(&feed, f, 8);
			for (unsigned j = 0; j < got; j++) {
				cr_assert(f[j].p >= map &&
					  f[j].p + f[j].len <= map + 2 * BLOCK);
				n++;
			}
			if (got)
				feed_release(&feed);
		}
		cr_assert_eq(feed.bad, 1, "kind %u", kind);
		cr_assert_eq(n, kind == 3 ? 1 : 2,
			     "kind %u: the rest of the block is given up", kind);
		cr_assert_eq(block(1)->hdr.bh1.block_status, TP_STATUS_KERNEL);
		free(map);
	}
}

/* Any bytes in the headers: never outside of the map. */
Test(feed, ring_random_headers)
{
	uint64_t state = rig_seed();

	for (unsigned round = 0; round < 2000; round++) {
		struct feed feed = ring_feed(2);
		struct feed_frame f[8];

		fill(0, 8);
		for (unsigned i = 0; i < 6; i++) {
			unsigned at = 48 + 160 * (unsigned)(rig_random(&state) % 8) +
				      (unsigned)(rig_random(&state) %
						 sizeof(struct tpacket3_hdr));

			map[at] = (uint8_t)rig_random(&state);
		}
		for (unsigned i = 0; i < 4; i++) {
			unsigned got = feed_peek(&feed, f, 8);

			for (unsigned j = 0; j < got; j++)
				cr_assert(f[j].p >= map &&
					  f[j].p + f[j].len <= map + BLOCK);
			if (got)
				feed_release(&feed);
		}
		cr_assert_eq(block(0)->hdr.bh1.block_status, TP_STATUS_KERNEL);
		free(map);
	}
}
