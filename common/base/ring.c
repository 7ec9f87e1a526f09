// SPDX-License-Identifier: ISC
#include "ring.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define RING_MAGIC UINT32_C(0x4b4d5247) /* "KMRG" */
#define RING_VERSION 1

_Static_assert(sizeof(struct ring_page) <= RING_SLOTS_OFFSET, "page holds the indices");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "indices are shared between processes");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "futex words are shared between processes");

static bool ring_geometry_ok(uint32_t slot_size, uint32_t count)
{
	if (count == 0 || count > RING_COUNT_MAX || (count & (count - 1)) != 0)
		return false;
	return slot_size > 0 && slot_size <= RING_SLOT_MAX && slot_size % 8 == 0;
}

size_t ring_bytes(uint32_t slot_size, uint32_t count)
{
	if (!ring_geometry_ok(slot_size, count))
		return 0;
	return RING_SLOTS_OFFSET + (size_t)slot_size * count;
}

enum km_rc ring_format(void *mem, size_t len, uint32_t slot_size, uint32_t count)
{
	struct ring_page *page = mem;

	if (!ring_geometry_ok(slot_size, count) || len < RING_SLOTS_OFFSET)
		return KM_ERR_RANGE;
	if ((uintptr_t)mem % _Alignof(struct ring_page) != 0)
		return KM_ERR_RANGE;
	memset(page, 0, sizeof(*page));
	page->version = RING_VERSION;
	page->slot_size = slot_size;
	page->count = count;
	atomic_store_explicit(&page->magic, RING_MAGIC, memory_order_release);
	return KM_OK;
}

enum km_rc ring_attach_split(struct ring *ring, void *page_mem, size_t page_len,
			     void *slots, size_t slots_len, uint32_t slot_size,
			     uint32_t count, enum ring_side side)
{
	struct ring_page *page = page_mem;
	uint64_t head, tail;

	memset(ring, 0, sizeof(*ring));
	ring->dead = true;
	if (!ring_geometry_ok(slot_size, count) || page_len < sizeof(*page))
		return KM_ERR_RANGE;
	if (slots_len < (size_t)slot_size * count)
		return KM_ERR_RANGE;
	if ((uintptr_t)page_mem % _Alignof(struct ring_page) != 0)
		return KM_ERR_RANGE;
	if (atomic_load_explicit(&page->magic, memory_order_acquire) != RING_MAGIC ||
	    page->version != RING_VERSION || page->slot_size != slot_size ||
	    page->count != count)
		return KM_ERR_MALFORMED;
	/*
	 * Tail first: the other side may be at work. Our own index stands still; an older
	 * tail, or a newer head, is still within `count` of it.
	 */
	tail = atomic_load_explicit(&page->tail, memory_order_acquire);
	head = atomic_load_explicit(&page->head, memory_order_acquire);
	if (head - tail > count)
		return KM_ERR_STATE;
	ring->page = page;
	ring->slots = slots;
	ring->slot_size = slot_size;
	ring->count = count;
	ring->side = side;
	ring->own = side == RING_PRODUCER ? head : tail;
	ring->ahead = ring->own;
	ring->peer = side == RING_PRODUCER ? tail : head;
	ring->wake = side == RING_PRODUCER ? &page->data_bell : &page->room_bell;
	ring->sleep = side == RING_PRODUCER ? &page->room_bell : &page->data_bell;
	ring->dead = false;
	return KM_OK;
}

enum km_rc ring_attach(struct ring *ring, void *mem, size_t len, uint32_t slot_size,
		       uint32_t count, enum ring_side side)
{
	size_t want = ring_bytes(slot_size, count);

	if (want == 0 || len < want) {
		memset(ring, 0, sizeof(*ring));
		ring->dead = true;
		return KM_ERR_RANGE;
	}
	return ring_attach_split(ring, mem, len, (uint8_t *)mem + RING_SLOTS_OFFSET,
				 len - RING_SLOTS_OFFSET, slot_size, count, side);
}

void ring_set_bells(struct ring *ring, struct bell *wake, struct bell *sleep)
{
	if (wake)
		ring->wake = wake;
	if (sleep)
		ring->sleep = sleep;
}

/*
 * Reads the other's index once and believes it only if it moved forward and stays within
 * what is possible. The acquire orders slot contents after it: the consumer sees what was
 * filled before submit, the producer reuses only after the consumer's last read.
 */
static bool ring_refresh(struct ring *ring)
{
	uint64_t seen;
	bool possible;

	if (ring->side == RING_PRODUCER) {
		seen = atomic_load_explicit(&ring->page->tail, memory_order_acquire);
		possible = seen - ring->peer <= ring->own - ring->peer;
	} else {
		seen = atomic_load_explicit(&ring->page->head, memory_order_acquire);
		possible = seen - ring->own <= ring->count &&
			   seen - ring->own >= ring->peer - ring->own;
	}
	if (!possible) {
		ring->dead = true;
		return false;
	}
	ring->peer = seen;
	return true;
}

/* Slots that the cached index allows. */
static uint64_t ring_cached(const struct ring *ring)
{
	if (ring->side == RING_PRODUCER)
		return ring->count - (ring->ahead - ring->peer);
	return ring->peer - ring->ahead;
}

enum km_rc ring_reserve(struct ring *ring, uint32_t n, uint64_t *first)
{
	if (ring->dead || ring->side != RING_PRODUCER)
		return KM_ERR_STATE;
	if (n == 0 || n > ring->count)
		return KM_ERR_RANGE;
	if (ring_cached(ring) < n) {
		if (!ring_refresh(ring))
			return KM_ERR_STATE;
		if (ring_cached(ring) < n)
			return KM_ERR_FULL;
	}
	*first = ring->ahead;
	ring->ahead += n;
	return KM_OK;
}

enum km_rc ring_peek(struct ring *ring, uint32_t max, uint64_t *first, uint32_t *n)
{
	uint64_t there;

	*n = 0;
	if (ring->dead || ring->side != RING_CONSUMER)
		return KM_ERR_STATE;
	if (max == 0)
		return KM_ERR_RANGE;
	there = ring_cached(ring);
	if (there == 0) {
		if (!ring_refresh(ring))
			return KM_ERR_STATE;
		there = ring_cached(ring);
		if (there == 0)
			return KM_ERR_EMPTY;
	}
	*first = ring->ahead;
	*n = there < max ? (uint32_t)there : max;
	ring->ahead += *n;
	return KM_OK;
}

/* The one release: everything written to (or read from) the slots comes before it. */
static enum km_rc ring_publish(struct ring *ring, uint32_t n, _Atomic uint64_t *index)
{
	if (n > ring->ahead - ring->own)
		return KM_ERR_RANGE;
	if (n == 0)
		return KM_OK;
	ring->own += n;
	atomic_store_explicit(index, ring->own, memory_order_release);
	bell_ring(ring->wake);
	return KM_OK;
}

enum km_rc ring_submit(struct ring *ring, uint32_t n)
{
	if (ring->dead || ring->side != RING_PRODUCER)
		return KM_ERR_STATE;
	return ring_publish(ring, n, &ring->page->head);
}

enum km_rc ring_release(struct ring *ring, uint32_t n)
{
	if (ring->dead || ring->side != RING_CONSUMER)
		return KM_ERR_STATE;
	return ring_publish(ring, n, &ring->page->tail);
}

enum km_rc ring_cancel(struct ring *ring, uint32_t n)
{
	if (ring->dead)
		return KM_ERR_STATE;
	if (n > ring->ahead - ring->own)
		return KM_ERR_RANGE;
	ring->ahead -= n;
	return KM_OK;
}

int64_t ring_ready(struct ring *ring)
{
	if (ring->dead || !ring_refresh(ring))
		return KM_ERR_STATE;
	return (int64_t)ring_cached(ring);
}

/* How many rings can go on; negative when one is dead. */
static int64_t ring_any_ready(struct ring *const *rings, size_t n)
{
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		int64_t ready = ring_ready(rings[i]);

		if (ready < 0)
			return ready;
		sum += ready > 0;
	}
	return sum;
}

enum km_rc ring_wait_any(struct ring *const *rings, size_t n, struct bell *bell,
			 uint64_t timeout_ns)
{
	uint64_t deadline_ns = clock_add(clock_mono_ns(), timeout_ns);

	for (;;) {
		uint32_t ticket = bell_arm(bell);
		int64_t ready = ring_any_ready(rings, n);
		uint64_t now_ns = clock_mono_ns();

		if (ready != 0 || now_ns >= deadline_ns) {
			bell_disarm(bell);
			if (ready < 0)
				return KM_ERR_STATE;
			return ready > 0 ? KM_OK : KM_ERR_TIMEOUT;
		}
		(void)bell_sleep(bell, ticket, deadline_ns - now_ns);
	}
}

enum km_rc ring_wait(struct ring *ring, uint64_t timeout_ns)
{
	struct ring *const one[1] = {ring};

	if (ring->dead)
		return KM_ERR_STATE;
	return ring_wait_any(one, 1, ring->sleep, timeout_ns);
}

uint32_t bell_arm(struct bell *bell)
{
	uint32_t ticket = atomic_load_explicit(&bell->word, memory_order_acquire);

	atomic_store_explicit(&bell->sleeping, 1, memory_order_relaxed);
	/* "I sleep" before "I look": pairs with the fence in bell_ring(). */
	atomic_thread_fence(memory_order_seq_cst);
	return ticket;
}

void bell_disarm(struct bell *bell)
{
	atomic_store_explicit(&bell->sleeping, 0, memory_order_relaxed);
}

bool bell_sleep(struct bell *bell, uint32_t ticket, uint64_t timeout_ns)
{
	/* a relative timeout of more than a day is a wait with checks once a day */
	const uint64_t day_ns = UINT64_C(86400) * CLOCK_NS_PER_SEC;
	uint64_t ns = timeout_ns < day_ns ? timeout_ns : day_ns;
	struct timespec ts = {
		.tv_sec = (time_t)(ns / CLOCK_NS_PER_SEC),
		.tv_nsec = (long)(ns % CLOCK_NS_PER_SEC),
	};
	long rc = syscall(SYS_futex, &bell->word, FUTEX_WAIT, ticket, &ts, NULL, 0);
	bool timed_out = rc != 0 && errno == ETIMEDOUT;

	bell_disarm(bell);
	return !timed_out;
}

void bell_ring(struct bell *bell)
{
	/* "published" before "does it sleep?": pairs with the fence in bell_arm(). */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&bell->sleeping, memory_order_relaxed) == 0)
		return;
	/* of several ringers only the first one makes the call */
	if (atomic_exchange_explicit(&bell->sleeping, 0, memory_order_relaxed) == 0)
		return;
	atomic_fetch_add_explicit(&bell->word, 1, memory_order_release);
	(void)syscall(SYS_futex, &bell->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}
