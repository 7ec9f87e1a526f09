// SPDX-License-Identifier: ISC
#include "xsk_ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

struct ring_place {
	struct xdp_ring_offset at;
	uint64_t page_offset;
	size_t entry;
};

static void find_place(struct ring_place *place, const struct xdp_mmap_offsets *offsets,
		       enum xsk_ring_kind kind)
{
	switch (kind) {
	case XSK_RING_RX:
		*place = (struct ring_place){offsets->rx, XDP_PGOFF_RX_RING,
					     sizeof(struct xdp_desc)};
		break;
	case XSK_RING_TX:
		*place = (struct ring_place){offsets->tx, XDP_PGOFF_TX_RING,
					     sizeof(struct xdp_desc)};
		break;
	case XSK_RING_FILL:
		*place = (struct ring_place){offsets->fr, XDP_UMEM_PGOFF_FILL_RING,
					     sizeof(uint64_t)};
		break;
	default:
		*place = (struct ring_place){offsets->cr, XDP_UMEM_PGOFF_COMPLETION_RING,
					     sizeof(uint64_t)};
		break;
	}
}

int xsk_ring_map(struct xsk_ring *r, int fd, enum xsk_ring_kind kind, uint32_t size,
		 struct km_err *err)
{
	struct xdp_mmap_offsets offsets;
	struct ring_place place;
	socklen_t len = sizeof(offsets);
	uint8_t *base;

	memset(r, 0, sizeof(*r));
	if (getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &len) != 0)
		return km_err_set_errno(err, EX_OSERR, "AF_XDP: no offsets of the rings");
	if (len != sizeof(offsets)) {
		errno = EOPNOTSUPP; /* before Linux 5.4 there were no flags */
		return km_err_set_errno(err, EX_OSERR, "AF_XDP: rings of an old kernel");
	}
	find_place(&place, &offsets, kind);
	r->map_len = place.at.desc + (size_t)size * place.entry;
	r->map = mmap(NULL, r->map_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		      fd, (off_t)place.page_offset);
	if (r->map == MAP_FAILED) {
		r->map = NULL;
		return km_err_set_errno(err, EX_OSERR,
					"AF_XDP: a ring of %u entries cannot be mapped",
					size);
	}
	base = r->map;
	r->producer = (uint32_t *)(void *)(base + place.at.producer);
	r->consumer = (uint32_t *)(void *)(base + place.at.consumer);
	r->flags = (uint32_t *)(void *)(base + place.at.flags);
	r->desc = base + place.at.desc;
	r->size = size;
	r->mask = size - 1;
	r->ours = xsk_ring_produces(kind) ? r->producer : r->consumer;
	r->theirs = xsk_ring_produces(kind) ? r->consumer : r->producer;
	r->head = *r->ours;
	return 0;
}

void xsk_ring_unmap(struct xsk_ring *r)
{
	if (r->map)
		(void)munmap(r->map, r->map_len);
	r->map = NULL;
}
