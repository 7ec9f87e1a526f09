// SPDX-License-Identifier: ISC
#include "hold.h"

#include <stdbool.h>
#include <string.h>

/* Stands before each frame, 8-byte aligned; never wraps. */
struct hold_entry {
	uint32_t len;	/* bytes of the frame */
	uint32_t bytes; /* to the next entry */
	uint32_t tag;
	uint32_t alive;
	uint64_t at_ns;
};

static struct hold_entry *entry_at(const struct hold *h, uint64_t pos)
{
	return (struct hold_entry *)(void *)(h->p + pos % h->size);
}

void hold_lay(struct hold *h, uint64_t bytes, struct rx_arena *arena)
{
	memset(h, 0, sizeof(*h));
	h->size = bytes & ~UINT64_C(7);
	h->p = rx_arena_take(arena, (size_t)h->size);
}

/* Bytes up to the end of the buffer that cannot hold an entry's head are skipped. */
static uint64_t skip_edge(const struct hold *h, uint64_t pos)
{
	uint64_t left = h->size - pos % h->size;

	return left < sizeof(struct hold_entry) ? pos + left : pos;
}

/* Forget the oldest entry; true when it was a living frame. */
static bool drop_oldest(struct hold *h)
{
	struct hold_entry *e;
	bool alive;

	h->tail = skip_edge(h, h->tail);
	if (h->tail >= h->head) {
		h->tail = h->head;
		return false;
	}
	e = entry_at(h, h->tail);
	alive = e->alive != 0;
	h->frames -= alive;
	h->tail += e->bytes;
	return alive;
}

uint64_t hold_put(struct hold *h, uint32_t tag, const uint8_t *frame, size_t len,
		  uint64_t now_ns)
{
	uint64_t need = (sizeof(struct hold_entry) + len + 7) & ~UINT64_C(7);
	uint64_t head = skip_edge(h, h->head), left, dropped = 0;
	struct hold_entry *e;

	if (need > h->size)
		return 1;
	left = h->size - head % h->size;
	while (head + (left < need ? left : 0) + need - h->tail > h->size &&
	       h->tail < h->head)
		dropped += drop_oldest(h);
	if (h->tail == h->head)
		h->tail = head;
	if (left < need) {
		/* a dead entry fills the rest: entries never wrap */
		e = entry_at(h, head);
		memset(e, 0, sizeof(*e));
		e->bytes = (uint32_t)left;
		head += left;
		if (head + need - h->tail > h->size)
			h->tail = head;
	}
	e = entry_at(h, head);
	e->len = (uint32_t)len;
	e->bytes = (uint32_t)need;
	e->tag = tag;
	e->alive = 1;
	e->at_ns = now_ns;
	memcpy(e + 1, frame, len);
	h->head = head + need;
	h->frames++;
	return dropped;
}

uint64_t hold_replay(struct hold *h, uint32_t tag, hold_fn *fn, void *ctx)
{
	uint64_t n = 0;

	for (uint64_t pos = skip_edge(h, h->tail); pos < h->head;) {
		struct hold_entry *e = entry_at(h, pos);

		if (e->alive && e->tag == tag) {
			e->alive = 0;
			h->frames--;
			n++;
			if (fn)
				fn(ctx, (const uint8_t *)(e + 1), e->len);
		}
		pos = skip_edge(h, pos + e->bytes);
	}
	return n;
}

uint64_t hold_expire(struct hold *h, uint64_t now_ns)
{
	uint64_t n = 0;

	for (;;) {
		h->tail = skip_edge(h, h->tail);
		if (h->tail >= h->head) {
			h->tail = h->head;
			return n;
		}
		if (entry_at(h, h->tail)->alive &&
		    now_ns - entry_at(h, h->tail)->at_ns < HOLD_AGE_NS)
			return n;
		n += drop_oldest(h);
	}
}
