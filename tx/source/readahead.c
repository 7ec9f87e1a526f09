// SPDX-License-Identifier: ISC
#include "readahead.h"

#include <string.h>
#include <sys/mman.h>

static bool readahead_map(struct readahead *r)
{
	void *p = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	if (p == MAP_FAILED)
		return false;
	/* Read from sixteen places at once: fewer misses of the TLB, where it is granted. */
	(void)madvise(p, r->size, MADV_HUGEPAGE);
	explicit_bzero(p, r->size); /* no page fault later */
	r->bytes = p;
	return true;
}

void readahead_init(struct readahead *r, uint64_t bytes)
{
	memset(r, 0, sizeof(*r));
	if (bytes > READAHEAD_MAX)
		bytes = READAHEAD_MAX;
	r->size = (size_t)(bytes / WIRE_TREE_LEAF * WIRE_TREE_LEAF);
	if (r->size < 2 * WIRE_TREE_LEAF || !readahead_map(r))
		r->size = 0;
}

void readahead_close(struct readahead *r)
{
	if (r->bytes)
		(void)munmap(r->bytes, r->size);
	memset(r, 0, sizeof(*r));
}

uint8_t *readahead_take(struct readahead *r, size_t *room)
{
	if (r->taken || r->size == 0)
		return NULL;
	r->taken = true;
	*room = r->size;
	return r->bytes;
}

void readahead_give(struct readahead *r)
{
	r->taken = false;
}
