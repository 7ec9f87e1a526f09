// SPDX-License-Identifier: ISC
#include "emulator_hold.h"

#include <string.h>
#include <sys/mman.h>

struct entry {
	uint64_t due;
	uint32_t bytes;
	uint32_t twice;
};

#define ENTRY_BYTES sizeof(struct entry)

/* Entries start aligned, so that their header can be read in place. */
static size_t entry_room(size_t bytes)
{
	return ENTRY_BYTES + ((bytes + 7) & ~(size_t)7);
}

int emulator_hold_open(struct emulator_hold *h, size_t bytes)
{
	memset(h, 0, sizeof(*h));
	h->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (h->memory == MAP_FAILED) {
		h->memory = NULL;
		return -1;
	}
	h->bytes = bytes;
	h->wrap = bytes;
	return 0;
}

/* Where an entry of @room bytes can go; false when nowhere. An entry never lies across
 * the end, and tail never catches up with head from behind. */
static bool find_room(struct emulator_hold *h, size_t room)
{
	if (!h->count) {
		h->head = h->tail = 0;
		h->wrap = h->bytes;
		return room <= h->bytes;
	}
	if (h->tail <= h->head) /* gone round already (or full) */
		return h->head - h->tail >= room && h->tail < h->head;
	if (h->bytes - h->tail >= room)
		return true;
	if (h->head < room)
		return false;
	h->wrap = h->tail;
	h->tail = 0;
	return true;
}

bool emulator_hold_push(struct emulator_hold *h, const uint8_t *p, size_t bytes,
			uint64_t due, bool twice)
{
	struct entry e = {due, (uint32_t)bytes, twice};

	if (!find_room(h, entry_room(bytes)))
		return false;
	memcpy(h->memory + h->tail, &e, sizeof(e));
	memcpy(h->memory + h->tail + ENTRY_BYTES, p, bytes);
	h->tail += entry_room(bytes);
	h->count++;
	return true;
}

static struct entry oldest(const struct emulator_hold *h)
{
	struct entry e;

	memcpy(&e, h->memory + h->head, sizeof(e));
	return e;
}

bool emulator_hold_due(const struct emulator_hold *h, uint64_t *due)
{
	if (!h->count)
		return false;
	*due = oldest(h).due;
	return true;
}

uint8_t *emulator_hold_oldest(struct emulator_hold *h, size_t *bytes, bool *twice)
{
	struct entry e = oldest(h);

	*bytes = e.bytes;
	*twice = e.twice;
	return h->memory + h->head + ENTRY_BYTES;
}

void emulator_hold_drop(struct emulator_hold *h)
{
	h->head += entry_room(oldest(h).bytes);
	h->count--;
	if (h->head == h->wrap) {
		h->head = 0;
		h->wrap = h->bytes;
	}
}

void emulator_hold_close(struct emulator_hold *h)
{
	if (h->memory)
		munmap(h->memory, h->bytes);
	h->memory = NULL;
}
