// SPDX-License-Identifier: ISC
#include "xdp_frames.h"

#include <string.h>

size_t xdp_frames_bytes(uint32_t chunks)
{
	return (size_t)chunks * (sizeof(uint32_t) + sizeof(uint8_t)) + 8;
}

void xdp_frames_init(struct xdp_frames *f, uint8_t *umem, uint32_t chunk, uint32_t chunks,
		     void *memory)
{
	f->umem = umem;
	f->chunk = chunk;
	f->chunks = chunks;
	f->free = memory;
	f->out = (uint8_t *)memory + chunks * sizeof(uint32_t);
	f->violations = 0;
	/* the lowest on top: one that came back last is warm, and taken first */
	for (f->n_free = 0; f->n_free < chunks; f->n_free++)
		f->free[f->n_free] = chunks - 1 - f->n_free;
}

bool xdp_frames_put(struct xdp_frames *f, const struct iovec *frame)
{
	const uint8_t *from = frame->iov_base;
	size_t left = frame->iov_len;
	uint32_t need = (uint32_t)((left + f->chunk - 1) / f->chunk);

	if (need > f->n_free || need > f->tx.size - xsk_ring_pending(&f->tx))
		return false;
	while (left > 0) {
		const uint32_t len = left > f->chunk ? f->chunk : (uint32_t)left;
		const uint32_t at = f->free[--f->n_free];
		struct xdp_desc *desc = xsk_ring_desc(&f->tx, f->tx.head++);

		f->out[at] = 1;
		memcpy(f->umem + (size_t)at * f->chunk, from, len);
		if (from == frame->iov_base)
			memcpy(f->umem + (size_t)at * f->chunk, f->head, f->head_len);
		desc->addr = (uint64_t)at * f->chunk;
		desc->len = len;
		from += len;
		left -= len;
		desc->options = left > 0 ? XSK_DESC_CONTINUED : 0;
	}
	return true;
}

void xdp_frames_submit(struct xdp_frames *f)
{
	xsk_ring_show(&f->tx);
}

uint32_t xdp_frames_waiting(const struct xdp_frames *f)
{
	return xsk_ring_pending(&f->tx);
}

unsigned xdp_frames_reap(struct xdp_frames *f)
{
	uint32_t n = xsk_ring_there(&f->completion);
	unsigned freed = 0;

	if (n > f->completion.size) {
		f->violations++;
		return 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		const uint64_t addr = *xsk_ring_addr(&f->completion, f->completion.head++);
		const uint64_t at = addr / f->chunk;

		if (addr % f->chunk != 0 || at >= f->chunks || !f->out[at]) {
			f->violations++;
			continue;
		}
		f->out[at] = 0;
		f->free[f->n_free++] = (uint32_t)at;
		freed++;
	}
	if (n > 0)
		xsk_ring_show(&f->completion);
	return freed;
}
