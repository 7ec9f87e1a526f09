// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base_seed.h"
#include "ring.h"

#define SLOT 64
#define COUNT 16

static void *shared(size_t len)
{
	void *p =
		mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(p, MAP_FAILED);
	return p;
}

static struct ring_page *fresh(struct ring *producer, struct ring *consumer)
{
	size_t len = ring_bytes(SLOT, COUNT);
	void *mem = shared(len);

	cr_assert_eq(ring_format(mem, len, SLOT, COUNT), KM_OK);
	cr_assert_eq(ring_attach(producer, mem, len, SLOT, COUNT, RING_PRODUCER), KM_OK);
	cr_assert_eq(ring_attach(consumer, mem, len, SLOT, COUNT, RING_CONSUMER), KM_OK);
	return mem;
}

Test(ring, geometry)
{
	struct ring r;
	static _Alignas(64) uint8_t mem[RING_SLOTS_OFFSET + 128];

	cr_assert_eq(ring_bytes(64, 3), 0);
	cr_assert_eq(ring_bytes(64, 0), 0);
	cr_assert_eq(ring_bytes(0, 4), 0);
	cr_assert_eq(ring_bytes(12, 4), 0);
	cr_assert_eq(ring_bytes(64, RING_COUNT_MAX * 2), 0);
	cr_assert_eq(ring_bytes(RING_SLOT_MAX + 8, 1), 0);
	cr_assert_eq(ring_bytes(64, 2), sizeof(mem));
	cr_assert_eq(ring_format(mem + 8, sizeof(mem) - 8, 64, 1), KM_ERR_RANGE);
	cr_assert_eq(ring_attach(&r, mem, sizeof(mem), 64, 2, RING_PRODUCER),
		     KM_ERR_MALFORMED);
	cr_assert_eq(ring_format(mem, sizeof(mem), 64, 2), KM_OK);
	cr_assert_eq(ring_attach(&r, mem, sizeof(mem) - 1, 64, 2, RING_PRODUCER),
		     KM_ERR_RANGE);
	cr_assert_eq(ring_attach(&r, mem, sizeof(mem), 64, 1, RING_PRODUCER),
		     KM_ERR_MALFORMED);
	cr_assert(r.dead);
	cr_assert_eq(ring_attach(&r, mem, sizeof(mem), 64, 2, RING_PRODUCER), KM_OK);
}

Test(ring, verbs)
{
	struct ring p, c;
	uint64_t at;
	uint32_t n;

	(void)fresh(&p, &c);
	cr_assert_eq(ring_peek(&c, 4, &at, &n), KM_ERR_EMPTY);
	cr_assert_eq(ring_reserve(&p, 0, &at), KM_ERR_RANGE);
	cr_assert_eq(ring_reserve(&p, COUNT + 1, &at), KM_ERR_RANGE);
	cr_assert_eq(ring_reserve(&c, 1, &at), KM_ERR_STATE, "wrong side");
	cr_assert_eq(ring_peek(&p, 1, &at, &n), KM_ERR_STATE);
	cr_assert_eq(ring_reserve(&p, 10, &at), KM_OK);
	cr_assert_eq(ring_reserve(&p, 7, &at), KM_ERR_FULL, "all or nothing");
	cr_assert_eq(ring_reserve(&p, 6, &at), KM_OK);
	cr_assert_eq(at, 10);
	cr_assert_eq(ring_cancel(&p, 6), KM_OK);
	cr_assert_eq(ring_peek(&c, 4, &at, &n), KM_ERR_EMPTY, "reserved is not visible");
	cr_assert_eq(ring_submit(&p, 11), KM_ERR_RANGE);
	memset(ring_slot(&p, 2), 0x5a, SLOT);
	cr_assert_eq(ring_submit(&p, 3), KM_OK);
	cr_assert_eq(ring_peek(&c, 8, &at, &n), KM_OK);
	cr_assert(at == 0 && n == 3);
	cr_assert_eq(*(uint8_t *)ring_slot(&c, 2), 0x5a);
	cr_assert_eq(ring_submit(&p, 7), KM_OK);
	cr_assert_eq(ring_peek(&c, 2, &at, &n), KM_OK);
	cr_assert(at == 3 && n == 2, "peek goes on before release");
	cr_assert_eq(ring_release(&c, 6), KM_ERR_RANGE);
	cr_assert_eq(ring_release(&c, 5), KM_OK);
	cr_assert_eq(ring_ready(&c), 5);
	cr_assert_eq(ring_ready(&p), COUNT - 5);
	cr_assert_eq(ring_peek(&c, 8, &at, &n), KM_OK);
	cr_assert_eq(n, 5);
	cr_assert_eq(ring_cancel(&c, 2), KM_OK);
	cr_assert_eq(ring_release(&c, 3), KM_OK);
	cr_assert_eq(ring_ready(&c), 2);
}

Test(ring, restart_of_either_side_resumes)
{
	struct ring p, c, again;
	struct ring_page *page = fresh(&p, &c);
	size_t len = ring_bytes(SLOT, COUNT);
	uint64_t at;
	uint32_t n;

	cr_assert_eq(ring_reserve(&p, 6, &at), KM_OK);
	cr_assert_eq(ring_submit(&p, 4), KM_OK);
	cr_assert_eq(ring_peek(&c, 4, &at, &n), KM_OK);
	cr_assert_eq(ring_release(&c, 1), KM_OK);
	cr_assert_eq(ring_attach(&again, page, len, SLOT, COUNT, RING_CONSUMER), KM_OK);
	cr_assert_eq(ring_peek(&again, 9, &at, &n), KM_OK);
	cr_assert(at == 1 && n == 3, "peeked but not released comes again");
	cr_assert_eq(ring_attach(&again, page, len, SLOT, COUNT, RING_PRODUCER), KM_OK);
	cr_assert_eq(ring_reserve(&again, 1, &at), KM_OK);
	cr_assert_eq(at, 4, "reserved but not submitted is gone");
}

/* Every wild value of the other side's index must be refused, for ever. */
Test(ring, hostile_indices_kill_the_pair)
{
	uint64_t state = base_seed("hostile_indices");

	for (int round = 0; round < 20000; round++) {
		struct ring p, c;
		static void *mem;
		size_t len = ring_bytes(SLOT, COUNT);
		struct ring_page *page;
		uint64_t head, tail, evil, at;
		bool consumer = base_random(&state) & 1;
		uint32_t n;

		if (!mem)
			mem = shared(len);
		page = mem;
		cr_assert_eq(ring_format(mem, len, SLOT, COUNT), KM_OK);
		tail = base_random(&state) >> (base_random(&state) & 63);
		head = tail + base_random(&state) % (COUNT + 1);
		atomic_store(&page->head, head);
		atomic_store(&page->tail, tail);
		cr_assert_eq(ring_attach(&p, mem, len, SLOT, COUNT, RING_PRODUCER), KM_OK);
		cr_assert_eq(ring_attach(&c, mem, len, SLOT, COUNT, RING_CONSUMER), KM_OK);
		evil = base_random(&state) & 1 ? base_random(&state)
					       : head + base_random(&state) % 64 - 32;
		if (consumer) {
			bool fine = evil - tail <= COUNT && evil - tail >= head - tail;

			atomic_store(&page->head, evil);
			cr_assert_eq(ring_ready(&c) >= 0, fine);
			cr_assert_eq(c.dead, !fine);
			atomic_store(&page->head, head);
			if (!fine)
				cr_assert_eq(ring_peek(&c, 1, &at, &n), KM_ERR_STATE);
		} else {
			bool fine = evil - tail <= head - tail;

			atomic_store(&page->tail, evil);
			cr_assert_eq(ring_ready(&p) >= 0, fine);
			cr_assert_eq(p.dead, !fine);
			atomic_store(&page->tail, tail);
			if (!fine) {
				cr_assert_eq(ring_reserve(&p, 1, &at), KM_ERR_STATE);
				cr_assert_eq(ring_submit(&p, 0), KM_ERR_STATE);
				cr_assert_eq(ring_wait(&p, 1), KM_ERR_STATE);
			}
		}
	}
}

/* The header may be scribbled on at will after attach; only indices matter. */
Test(ring, scribbled_geometry_is_ignored)
{
	struct ring p, c;
	struct ring_page *page = fresh(&p, &c);
	uint64_t at;
	uint32_t n;

	page->slot_size = UINT32_MAX;
	page->count = UINT32_MAX;
	cr_assert_eq(ring_reserve(&p, 1, &at), KM_OK);
	cr_assert_eq(ring_submit(&p, 1), KM_OK);
	cr_assert_eq(ring_peek(&c, 100, &at, &n), KM_OK);
	cr_assert(n == 1 && (uint8_t *)ring_slot(&c, at) == c.slots);
}

Test(ring, attach_refuses_impossible_indices)
{
	struct ring p, c;
	struct ring_page *page = fresh(&p, &c);
	size_t len = ring_bytes(SLOT, COUNT);

	atomic_store(&page->head, COUNT + 1);
	cr_assert_eq(ring_attach(&p, page, len, SLOT, COUNT, RING_PRODUCER), KM_ERR_STATE);
	atomic_store(&page->head, 3);
	atomic_store(&page->tail, 4);
	cr_assert_eq(ring_attach(&c, page, len, SLOT, COUNT, RING_CONSUMER), KM_ERR_STATE);
}

#define TWO_TOTAL UINT64_C(200000)

/* Child: checks that every number arrives once, in order. Exit code 0 = all did. */
static int two_consume(void *mem, size_t len, uint64_t seed)
{
	struct ring c;
	uint64_t next = 0, at;
	uint32_t n;

	if (ring_attach(&c, mem, len, SLOT, COUNT, RING_CONSUMER) != KM_OK)
		return 2;
	while (next < TWO_TOTAL) {
		enum km_rc rc = ring_peek(&c, 1 + base_random(&seed) % COUNT, &at, &n);

		if (rc == KM_ERR_EMPTY) {
			rc = ring_wait(&c, 5 * CLOCK_NS_PER_SEC);
			if (rc != KM_OK)
				return 3;
			continue;
		}
		if (rc != KM_OK)
			return 4;
		for (uint32_t i = 0; i < n; i++) {
			uint64_t words[SLOT / 8];

			memcpy(words, ring_slot(&c, at + i), SLOT);
			for (size_t w = 0; w < SLOT / 8; w++) {
				if (words[w] != next)
					return 5;
			}
			next++;
		}
		if (ring_release(&c, n) != KM_OK)
			return 6;
	}
	return 0;
}

Test(ring, two_processes)
{
	uint64_t seed = base_seed("two_processes");
	size_t len = ring_bytes(SLOT, COUNT);
	void *mem = shared(len);
	uint64_t next = 0, at;
	struct ring p;
	int status;
	pid_t pid;

	cr_assert_eq(ring_format(mem, len, SLOT, COUNT), KM_OK);
	pid = fork();
	if (pid == 0)
		_exit(two_consume(mem, len, seed + 1));
	cr_assert_eq(ring_attach(&p, mem, len, SLOT, COUNT, RING_PRODUCER), KM_OK);
	while (next < TWO_TOTAL) {
		uint32_t n = 1 + (uint32_t)(base_random(&seed) % COUNT);
		enum km_rc rc;

		if (n > TWO_TOTAL - next)
			n = (uint32_t)(TWO_TOTAL - next);
		rc = ring_reserve(&p, n, &at);
		if (rc == KM_ERR_FULL) {
			rc = ring_wait(&p, 5 * CLOCK_NS_PER_SEC);
			cr_assert_eq(rc, KM_OK, "%s", km_rc_name(rc));
			continue;
		}
		cr_assert_eq(rc, KM_OK);
		for (uint32_t i = 0; i < n; i++, next++) {
			uint64_t *words = ring_slot(&p, at + i);

			for (size_t w = 0; w < SLOT / 8; w++)
				words[w] = next;
		}
		cr_assert_eq(ring_submit(&p, n), KM_OK);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "consumer: %x", status);
}

Test(ring, wait_times_out_and_a_shared_bell_wakes)
{
	struct ring p[2], c[2], *both[2] = {&c[0], &c[1]};
	struct bell *bell = shared(4096);
	uint64_t start = clock_mono_ns(), at;
	int status;
	pid_t pid;

	for (int i = 0; i < 2; i++) {
		(void)fresh(&p[i], &c[i]);
		ring_set_bells(&p[i], bell, NULL);
		ring_set_bells(&c[i], NULL, bell);
	}
	cr_assert_eq(ring_wait_any(both, 2, bell, 30 * CLOCK_NS_PER_MS), KM_ERR_TIMEOUT);
	cr_assert_geq(clock_mono_ns() - start, 30 * CLOCK_NS_PER_MS);
	pid = fork();
	if (pid == 0) {
		clock_sleep_until(clock_mono_ns() + 50 * CLOCK_NS_PER_MS);
		if (ring_reserve(&p[1], 1, &at) != KM_OK || ring_submit(&p[1], 1) != KM_OK)
			_exit(1);
		_exit(0);
	}
	start = clock_mono_ns();
	cr_assert_eq(ring_wait_any(both, 2, bell, 20 * CLOCK_NS_PER_SEC), KM_OK);
	cr_assert_lt(clock_mono_ns() - start, 10 * CLOCK_NS_PER_SEC,
		     "woken, not timed out");
	cr_assert_eq(ring_ready(&c[1]), 1);
	cr_assert_eq(atomic_load(&bell->sleeping), 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
}

Test(ring, awake_side_is_not_rung)
{
	struct ring p, c;
	struct ring_page *page = fresh(&p, &c);
	uint64_t at;
	uint32_t ticket;

	cr_assert_eq(ring_reserve(&p, 2, &at), KM_OK);
	cr_assert_eq(ring_submit(&p, 1), KM_OK);
	cr_assert_eq(atomic_load(&page->data_bell.word), 0,
		     "nobody slept, nobody was rung");
	ticket = bell_arm(&page->data_bell);
	cr_assert_eq(ring_submit(&p, 1), KM_OK);
	cr_assert_eq(atomic_load(&page->data_bell.word), ticket + 1);
	cr_assert(bell_sleep(&page->data_bell, ticket, CLOCK_NS_PER_SEC),
		  "a ring is not lost");
}

Test(ring, slots_can_be_read_only_to_the_consumer)
{
	void *page = shared(RING_SLOTS_OFFSET), *slots = shared(SLOT * COUNT);
	struct ring p, c;
	uint64_t at;
	uint32_t n;

	cr_assert_eq(ring_format(page, RING_SLOTS_OFFSET, SLOT, COUNT), KM_OK);
	cr_assert_eq(ring_attach_split(&p, page, RING_SLOTS_OFFSET, slots, SLOT * COUNT,
				       SLOT, COUNT, RING_PRODUCER),
		     KM_OK);
	cr_assert_eq(ring_attach_split(&c, page, RING_SLOTS_OFFSET, slots, SLOT * COUNT - 1,
				       SLOT, COUNT, RING_CONSUMER),
		     KM_ERR_RANGE);
	cr_assert_eq(ring_attach_split(&c, page, RING_SLOTS_OFFSET, slots, SLOT * COUNT,
				       SLOT, COUNT, RING_CONSUMER),
		     KM_OK);
	cr_assert_eq(ring_reserve(&p, 1, &at), KM_OK);
	memset(ring_slot(&p, at), 7, SLOT);
	cr_assert_eq(ring_submit(&p, 1), KM_OK);
	cr_assert_eq(mprotect(slots, SLOT * COUNT, PROT_READ), 0);
	cr_assert_eq(ring_peek(&c, 1, &at, &n), KM_OK);
	cr_assert_eq(*(uint8_t *)ring_slot(&c, at), 7);
	cr_assert_eq(ring_release(&c, 1), KM_OK);
}
