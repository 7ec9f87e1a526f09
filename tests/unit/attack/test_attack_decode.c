// SPDX-License-Identifier: ISC
/*
 * A publish that was broken into, against the part of decode that speaks to it: it may keep decode
 * waiting, for ever if it likes; decode believes no index that cannot be, and can be stopped.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

#include "delivery.h"

TestSuite(attack_decode, .timeout = 60);

static struct decode_counts counts;
static struct delivery delivery;
static struct ring_page *page;
static unsigned waits, patience;

/* As decode waits: until it is told to stop. */
static bool wait_a_while(void *ctx)
{
	(void)ctx;
	return ++waits < patience;
}

static void set_up(void)
{
	page = mmap(NULL, deliver_bytes(), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq((void *)page, MAP_FAILED);
	cr_assert_eq(ring_format(page, deliver_ring_bytes(), DELIVER_MSG_LEN,
				 DELIVER_RING_SLOTS),
		     KM_OK);
	cr_assert_eq(delivery_attach(&delivery, page, deliver_ring_bytes(), &counts,
				     wait_a_while, NULL),
		     KM_OK);
	waits = 0;
	patience = 10;
}

static void push(unsigned n)
{
	const struct deliver_msg msg = {.type = DELIVER_MARGIN};

	while (n-- > 0)
		delivery_push(&delivery, &msg);
	delivery_flush(&delivery);
}

Test(attack_decode, publish_never_releases, .init = set_up)
{
	push(DELIVER_RING_SLOTS);
	cr_expect_eq(waits, 0);
	push(1);
	cr_expect_eq(waits, patience, "asked to stop, it stops");
	cr_expect(delivery.gave_up);
	cr_expect_eq(counts.v[COUNT_MESSAGES], DELIVER_RING_SLOTS);
	push(1000); /* and says no more */
	cr_expect_eq(waits, patience);
}

Test(attack_decode, publish_releases_what_was_not_sent, .init = set_up)
{
	push(100);
	atomic_store(&page->tail, 101);
	cr_expect_eq(delivery_released(&delivery), 0);
	cr_expect(delivery.gave_up);
	cr_expect(delivery.ring.dead);
}

Test(attack_decode, publish_goes_back, .init = set_up)
{
	push(100);
	atomic_store(&page->tail, 60);
	cr_expect_eq(delivery_released(&delivery), 60);
	atomic_store(&page->tail, 59);
	cr_expect_eq(delivery_released(&delivery), 0);
	cr_expect(delivery.gave_up);
}

/* Geometry, slots and bells are written over: decode reads none of the first two, ever. */
Test(attack_decode, publish_scribbles, .init = set_up)
{
	push(100);
	memset((uint8_t *)page + RING_SLOTS_OFFSET, 0xff,
	       deliver_ring_bytes() - RING_SLOTS_OFFSET);
	page->slot_size = page->count = UINT32_MAX;
	memset(deliver_bells(page), 0xff, sizeof(struct deliver_bells));
	atomic_store(&page->tail, 100);
	cr_expect_eq(delivery_released(&delivery), 100);
	push(DELIVER_RING_SLOTS);
	cr_expect_not(delivery.gave_up);
	cr_expect_eq(waits, 0);
}
