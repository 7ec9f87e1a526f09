// SPDX-License-Identifier: ISC
/* The AF_XDP feed against a kernel of our own: rings and chunks made by hand, in order and as no
 * kernel would make them. */
#include <criterion/criterion.h>
#include <string.h>

#include "feed.h"
#include "rig.h"

#define CHUNK 2048u
#define CHUNKS 64u
#define HEAD 256u
#define FRAME_MAX 9018u

/* What the kernel has: its ends of the rings, and the chunks that it may fill. */
static struct kernel {
	uint32_t rx_producer, rx_consumer, fill_producer, fill_consumer, flags;
	struct xdp_desc rx[CHUNKS];
	uint64_t fill[CHUNKS];
	uint8_t here[CHUNKS];
	uint8_t bounce[FEED_XDP_BOUNCES * FRAME_MAX];
	uint8_t umem[CHUNKS * CHUNK];
} k;

static struct feed xdp_feed(void)
{
	struct feed feed = {.form = INTAKE_XDP, .sock = -1, .frame_max = FRAME_MAX};
	struct feed_xdp *x = &feed.xdp;

	memset(&k, 0, sizeof(k));
	x->rx = (struct xsk_ring){.producer = &k.rx_producer,
				  .consumer = &k.rx_consumer,
				  .flags = &k.flags,
				  .desc = k.rx,
				  .size = CHUNKS,
				  .mask = CHUNKS - 1,
				  .ours = &k.rx_consumer,
				  .theirs = &k.rx_producer};
	x->fill = (struct xsk_ring){.producer = &k.fill_producer,
				    .consumer = &k.fill_consumer,
				    .flags = &k.flags,
				    .desc = k.fill,
				    .size = CHUNKS,
				    .mask = CHUNKS - 1,
				    .ours = &k.fill_producer,
				    .theirs = &k.fill_consumer};
	x->umem = k.umem;
	x->umem_len = sizeof(k.umem);
	x->chunk = CHUNK;
	x->chunks = CHUNKS;
	x->here = k.here;
	x->bounce = k.bounce;
	for (uint32_t i = 0; i < CHUNKS; i++)
		*xsk_ring_addr(&x->fill, x->fill.head++) = (uint64_t)i * CHUNK;
	xsk_ring_show(&x->fill);
	return feed;
}

static uint32_t free_chunks(void)
{
	return k.fill_producer - k.fill_consumer;
}

static struct xdp_desc *put_desc(uint64_t addr, uint32_t len, uint32_t options)
{
	struct xdp_desc *d = &k.rx[k.rx_producer++ % CHUNKS];

	*d = (struct xdp_desc){addr, len, options};
	return d;
}

/* One buffer of LEN bytes WHAT in a free chunk, as the kernel does it. */
static struct xdp_desc *put(uint32_t len, uint8_t what, bool goes_on)
{
	uint64_t addr;

	cr_assert_gt(free_chunks(), 0);
	addr = k.fill[k.fill_consumer++ % CHUNKS];
	cr_assert_eq(addr % CHUNK, 0);
	cr_assert_lt(addr, sizeof(k.umem));
	memset(k.umem + addr, 0xee, CHUNK);
	memset(k.umem + addr + HEAD, what, len);
	return put_desc(addr + HEAD, len, goes_on ? XSK_DESC_CONTINUED : 0);
}

Test(xdp, order_and_wrap)
{
	struct feed feed = xdp_feed();
	struct feed_frame f[16];
	unsigned sent = 0, got = 0, have;

	cr_assert_eq(feed_peek(&feed, f, 16), 0);
	for (unsigned round = 0; round < 300; round++) {
		for (unsigned i = 0; i < round % 60 + 1; i++, sent++)
			put(20 + sent % 1700, (uint8_t)sent, false);
		while ((have = feed_peek(&feed, f, 16)) > 0) {
			for (unsigned i = 0; i < have; i++, got++) {
				cr_assert_eq(f[i].len, 20 + got % 1700);
				cr_assert_eq(f[i].wire_len, f[i].len);
				cr_assert_eq(f[i].p[0], (uint8_t)got);
				cr_assert_eq(f[i].p[f[i].len - 1], (uint8_t)got);
				cr_assert_eq(f[i].vlan, -1);
				cr_assert(f[i].p >= k.umem &&
						  f[i].p < k.umem + sizeof(k.umem),
					  "read where it lies");
			}
			feed_release(&feed);
		}
		cr_assert_eq(got, sent);
		cr_assert_eq(free_chunks(), CHUNKS, "every chunk went back");
		cr_assert_eq(k.rx_consumer, k.rx_producer);
	}
	cr_assert_eq(feed.bad, 0);
}

/* Nothing goes back before release: the kernel would write over what we read. */
Test(xdp, chunks_stay_until_release)
{
	struct feed feed = xdp_feed();
	struct feed_frame f[8];

	for (unsigned i = 0; i < 4; i++)
		put(100, (uint8_t)i, false);
	cr_assert_eq(feed_peek(&feed, f, 8), 4);
	cr_assert_eq(free_chunks(), CHUNKS - 4);
	feed_release(&feed);
	cr_assert_eq(free_chunks(), CHUNKS);
}

Test(xdp, a_frame_of_several_buffers)
{
	struct feed feed = xdp_feed();
	struct feed_frame f[8];

	put(60, 1, false);
	put(1792, 2, true);
	put(1792, 3, true);
	put(700, 4, false);
	put(60, 5, false);
	cr_assert_eq(feed_peek(&feed, f, 8), 3);
	cr_assert_eq(f[1].len, 1792 + 1792 + 700);
	for (unsigned i = 0; i < f[1].len; i++)
		cr_assert_eq(f[1].p[i], i < 1792 ? 2 : i < 2 * 1792 ? 3 : 4, "byte %u", i);
	cr_assert(f[0].p[0] == 1 && f[2].p[0] == 5);
	feed_release(&feed);
	cr_assert_eq(free_chunks(), CHUNKS);
	cr_assert_eq(feed.bad, 0);
}

/* The rest of a frame may come later; it is waited for and blocks nothing before it. */
Test(xdp, half_a_frame_waits)
{
	struct feed feed = xdp_feed();
	struct feed_frame f[8];

	put(60, 1, false);
	put(1792, 2, true);
	cr_assert_eq(feed_peek(&feed, f, 8), 1);
	feed_release(&feed);
	cr_assert_not(feed_xdp_ready(&feed));
	cr_assert_eq(feed_peek(&feed, f, 8), 0);
	put(100, 3, false);
	cr_assert(feed_xdp_ready(&feed));
	cr_assert_eq(feed_peek(&feed, f, 8), 1);
	cr_assert_eq(f[0].len, 1892);
	feed_release(&feed);
	cr_assert_eq(free_chunks(), CHUNKS);
	cr_assert_eq(feed.bad, 0);
}

/* More frames of several buffers than there are bounce slots: the others are next. */
Test(xdp, bounce_slots_are_bounded)
{
	struct feed feed = xdp_feed();
	struct feed_frame f[64];
	unsigned got = 0, have;

	cr_assert_lt(FEED_XDP_BOUNCES - 1, CHUNKS / 2);
	for (unsigned i = 0; i < CHUNKS / 2; i++) {
		put(1792, (uint8_t)i, true);
		put(1 + i, (uint8_t)i, false);
	}
	while ((have = feed_peek(&feed, f, 64)) > 0) {
		cr_assert_leq(have, FEED_XDP_BOUNCES);
		for (unsigned i = 0; i < have; i++, got++) {
			cr_assert_eq(f[i].len, 1793 + got);
			cr_assert_eq(f[i].p[0], got);
		}
		feed_release(&feed);
	}
	cr_assert_eq(got, CHUNKS / 2);
	cr_assert_eq(free_chunks(), CHUNKS);
}

enum lie { ADDR_BEYOND, ADDR_HUGE, LEN_BEYOND, LEN_HUGE, TWICE, LIES };

/* A descriptor that cannot be, between two good ones: it alone is refused. */
Test(xdp, impossible_descriptors)
{
	for (enum lie lie = ADDR_BEYOND; lie < LIES; lie++) {
		struct feed feed = xdp_feed();
		struct feed_frame f[8];
		uint64_t lost = lie == ADDR_BEYOND || lie == ADDR_HUGE || lie == TWICE;
		struct xdp_desc *first = put(60, 1, false), *d = put(60, 2, false);

		put(60, 3, false);
		if (lie == ADDR_BEYOND)
			d->addr = sizeof(k.umem);
		else if (lie == ADDR_HUGE)
			d->addr = UINT64_MAX - 10;
		else if (lie == LEN_BEYOND)
			d->len = CHUNK - HEAD + 1;
		else if (lie == LEN_HUGE)
			d->len = UINT32_MAX;
		else
			d->addr = first->addr;
		cr_assert_eq(feed_peek(&feed, f, 8), 2, "lie %d", lie);
		cr_assert(f[0].p[0] == 1 && f[1].p[0] == 3);
		cr_assert_eq(feed.bad, 1);
		feed_release(&feed);
		/* what it hid is not given back, and nothing is given back twice */
		cr_assert_eq(free_chunks(), CHUNKS - lost, "lie %d", lie);
	}
}

/* Buffers without end, and a frame longer than any: refused, and the next one is whole. */
Test(xdp, endless_and_too_long)
{
	for (unsigned buffers = 6; buffers <= 40; buffers++) {
		struct feed feed = xdp_feed();
		struct feed_frame f[8];
		unsigned got = 0, have;

		for (unsigned i = 0; i < buffers; i++)
			put(1792, 9, i + 1 < buffers);
		put(60, 3, false);
		while (k.rx_consumer != k.rx_producer) {
			have = feed_peek(&feed, f, 8);
			for (unsigned i = 0; i < have; i++)
				got += f[i].len == 60 && f[i].p[0] == 3;
			feed_release(&feed);
		}
		cr_assert_eq(got, 1, "%u buffers", buffers);
		cr_assert_geq(feed.bad, 1);
		cr_assert_eq(free_chunks(), CHUNKS);
	}
}

Test(xdp, impossible_index)
{
	struct feed feed = xdp_feed();
	struct feed_frame f[8];

	k.rx_producer = CHUNKS + 1;
	cr_assert_eq(feed_peek(&feed, f, 8), 0);
	cr_assert_not(feed_xdp_ready(&feed));
	k.rx_producer = UINT32_MAX;
	cr_assert_eq(feed_peek(&feed, f, 8), 0);
	cr_assert_eq(feed.bad, 2);
}

/* Descriptors by chance: frames stay within memory (the sanitizers watch), and no more chunks
 * go back than there were descriptors. */
Test(xdp, by_chance)
{
	uint64_t state = rig_seed();

	for (unsigned round = 0; round < 2000; round++) {
		struct feed feed = xdp_feed();
		struct feed_frame f[64];
		uint64_t sum = 0;
		unsigned have;

		k.fill_consumer = CHUNKS; /* the kernel has them all */
		for (unsigned i = 0; i < CHUNKS; i++)
			put_desc(rig_random(&state) % ((CHUNKS + 2) * CHUNK),
				 (uint32_t)(rig_random(&state) % (CHUNK + 100)),
				 rig_random(&state) % 3 == 0);
		for (unsigned i = 0; i < 10; i++) {
			have = feed_peek(&feed, f, 64);
			for (unsigned j = 0; j < have; j++) {
				cr_assert_leq(f[j].len, FRAME_MAX);
				for (unsigned b = 0; b < f[j].len; b++)
					sum += f[j].p[b];
			}
			if (have > 0)
				feed_release(&feed);
		}
		cr_assert_eq(sum, 0);
		cr_assert_leq(free_chunks(), CHUNKS);
		for (uint32_t at = k.fill_consumer; at != k.fill_producer; at++)
			cr_assert_lt(k.fill[at % CHUNKS], sizeof(k.umem));
		for (unsigned i = 0; i < CHUNKS; i++)
			cr_assert_eq(k.here[i], 0);
	}
}
