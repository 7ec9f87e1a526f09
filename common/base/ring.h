// SPDX-License-Identifier: ISC
/*
 * ring.h: single-producer single-consumer ring in shared memory, between unequal trust.
 *
 * Verbs: the producer reserves (all or nothing), fills, submits; the consumer peeks (up to
 * n), uses, releases. Each side keeps its own index in its private `struct ring`; it reads
 * the other's once per batch, when its cached copy runs out, and checks it: never backwards
 * and 0 <= head - tail <= count. A violation makes every later call on this handle return
 * KM_ERR_STATE for ever: the pair is dead and the supervisor must end it. Sizes in the
 * shared header are compared once at attach and never used again. The CONTENT of a slot is
 * hostile too: copy each descriptor into a local before looking at it.
 *
 * Memory: `struct ring_page` (indices, bells) at offset 0, slots at RING_SLOTS_OFFSET; or
 * slots in a mapping of their own (ring_attach_split), which can then be read-only to the
 * consumer. Freshly zeroed memory is an empty ring once ring_format() has run.
 *
 * Crash of one side: the published indices are the truth. A new producer goes on at the
 * published head (reserved, never submitted slots are gone); a new consumer sees again
 * what the old one peeked but had not released (at least once, never lost).
 *
 * One thread per handle. No system call but the futex, and that only when the other side
 * says that it sleeps; no allocation.
 */
#ifndef RING_H
#define RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "km_err.h"

/* Slots begin on their own page so that they may be mapped and protected alone. */
#define RING_SLOTS_OFFSET 4096

/* Bounds on geometry: 2^20 slots of at most 1 MiB, each a multiple of 8 bytes. */
#define RING_COUNT_MAX (UINT32_C(1) << 20)
#define RING_SLOT_MAX (UINT32_C(1) << 20)

/*
 * A bell: one sleeper, any number of ringers, in shared memory; zeroed = ready. Several
 * rings may share one bell so that a role sleeps on all of them at once. The other side
 * can withhold a ring, so every sleep has a time limit.
 */
struct bell {
	_Atomic uint32_t word;	   /* futex word, changes at every ring that wakes */
	_Atomic uint32_t sleeping; /* 1 while the owner sleeps or is about to */
};

/* The shared page. Each index has a cache line of its own. Owned by ring.c alone. */
struct ring_page {
	_Atomic uint32_t magic;
	uint32_t version;
	uint32_t slot_size;
	uint32_t count;
	_Alignas(64) _Atomic uint64_t head; /* next slot the producer will publish */
	_Alignas(64) _Atomic uint64_t tail; /* next slot the consumer will finish */
	_Alignas(64) struct bell data_bell; /* the consumer sleeps here */
	_Alignas(64) struct bell room_bell; /* the producer sleeps here */
};

enum ring_side { RING_PRODUCER, RING_CONSUMER };

/* Private handle. Fields are ring.c's, except that `dead` may be read. */
struct ring {
	struct ring_page *page;
	uint8_t *slots;
	struct bell *wake;  /* rung after submit / release */
	struct bell *sleep; /* slept on by ring_wait */
	uint64_t own;	    /* published by us */
	uint64_t ahead;	    /* own + reserved (or peeked) and not yet published */
	uint64_t peer;	    /* the other's index as last seen */
	uint32_t slot_size;
	uint32_t count;
	enum ring_side side;
	bool dead;
};

/* Bytes for page and slots; 0 when the geometry is not allowed. */
size_t ring_bytes(uint32_t slot_size, uint32_t count);

/* Makes an empty ring of zeroed mem (64-byte aligned, >= ring_bytes() or, split, a page). */
KM_MUST_CHECK enum km_rc ring_format(void *mem, size_t len, uint32_t slot_size,
				     uint32_t count);

/*
 * Attaches one side to formatted memory. KM_ERR_RANGE: geometry not allowed or mem too
 * small; KM_ERR_MALFORMED: the header names another geometry; KM_ERR_STATE: impossible
 * indices. mem stays mapped by the caller as long as the handle is used. The bells of the
 * page are used until ring_set_bells().
 */
KM_MUST_CHECK enum km_rc ring_attach(struct ring *ring, void *mem, size_t len,
				     uint32_t slot_size, uint32_t count,
				     enum ring_side side);

/* Same with slots (slot_size * count bytes) in a mapping of their own. */
KM_MUST_CHECK enum km_rc ring_attach_split(struct ring *ring, void *page, size_t page_len,
					   void *slots, size_t slots_len,
					   uint32_t slot_size, uint32_t count,
					   enum ring_side side);

/* Shared bells: `wake` is the other role's, `sleep` our own. NULL keeps the present one. */
void ring_set_bells(struct ring *ring, struct bell *wake, struct bell *sleep);

/* Address of slot `index` (as given by reserve or peek): slot_size bytes, until submit/release. */
static inline void *ring_slot(const struct ring *ring, uint64_t index)
{
	return ring->slots + (size_t)(index & (ring->count - 1)) * ring->slot_size;
}

/*
 * Producer: n slots *first .. *first+n-1, all or nothing. KM_ERR_FULL: not now;
 * KM_ERR_RANGE: n is 0 or above count. May be called again before submit.
 */
KM_MUST_CHECK enum km_rc ring_reserve(struct ring *ring, uint32_t n, uint64_t *first);

/* Producer: publishes the n oldest reserved slots and wakes the consumer if it sleeps. */
KM_MUST_CHECK enum km_rc ring_submit(struct ring *ring, uint32_t n);

/*
 * Consumer: up to `max` filled slots from *first; *n says how many. KM_ERR_EMPTY: none
 * now. May be called again before release: it then gives the following ones.
 */
KM_MUST_CHECK enum km_rc ring_peek(struct ring *ring, uint32_t max, uint64_t *first,
				   uint32_t *n);

/*
 * Consumer: everything up to the n oldest peeked slots is finished; the producer may now
 * overwrite them. Wakes the producer if it sleeps.
 */
KM_MUST_CHECK enum km_rc ring_release(struct ring *ring, uint32_t n);

/* Gives back the n newest reserved (or peeked) slots as if never asked for. */
KM_MUST_CHECK enum km_rc ring_cancel(struct ring *ring, uint32_t n);

/*
 * Slots that can be reserved (producer) or peeked (consumer) now, reading the other's
 * index afresh; negative km_rc when dead.
 */
int64_t ring_ready(struct ring *ring);

/*
 * Sleeps on the ring's own bell until at least one slot can be reserved / peeked:
 * KM_OK, KM_ERR_TIMEOUT after timeout_ns, KM_ERR_STATE when dead.
 */
KM_MUST_CHECK enum km_rc ring_wait(struct ring *ring, uint64_t timeout_ns);

/* Same over several rings that share `bell` as their sleep bell; any of them ends the wait. */
KM_MUST_CHECK enum km_rc ring_wait_any(struct ring *const *rings, size_t n,
				       struct bell *bell, uint64_t timeout_ns);

/*
 * The bell alone, for a role that also watches other things. Order: ticket = bell_arm();
 * look at everything that could be ready; if something is, bell_disarm(), else
 * bell_sleep(ticket), which disarms too. A ring between arm and sleep is never lost.
 */
uint32_t bell_arm(struct bell *bell);
void bell_disarm(struct bell *bell);

/* True when rung (or woken for no reason), false when timeout_ns passed. */
bool bell_sleep(struct bell *bell, uint32_t ticket, uint64_t timeout_ns);

/* Wakes the owner when it sleeps; no system call otherwise. Publish first, then ring. */
void bell_ring(struct bell *bell);

#endif
