// SPDX-License-Identifier: ISC
#include "feed_xdp.h"

#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "feed.h"

static size_t page_up(size_t n)
{
	return (n + 4095) & ~(size_t)4095;
}

/* What is ours alone: the chunks' whereabouts, and the bounce slots. */
static int map_private(struct feed *f, struct km_err *err)
{
	struct feed_xdp *x = &f->xdp;
	const size_t states = page_up(x->chunks);
	void *map;

	x->private_len = states + page_up((size_t)FEED_XDP_BOUNCES * f->frame_max);
	map = mmap(NULL, x->private_len, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (map == MAP_FAILED)
		return km_err_set_errno(err, EX_OSERR, "AF_XDP: no memory");
	x->here = map;
	x->bounce = x->here + states;
	return 0;
}

int feed_xdp_open(struct feed *f, const struct feed_xdp_fds *fds,
		  const struct intake_plan *plan, struct km_err *err)
{
	struct feed_xdp *x = &f->xdp;
	void *map;

	memset(f, 0, sizeof(*f));
	f->form = INTAKE_XDP;
	f->sock = fds->sock;
	f->frame_max = plan->frame_max;
	x->chunk = plan->chunk_bytes;
	x->chunks = plan->chunks;
	x->umem_len = (size_t)plan->chunk_bytes * plan->chunks;
	map = mmap(NULL, x->umem_len, PROT_READ, MAP_SHARED | MAP_POPULATE, fds->umem, 0);
	if (map == MAP_FAILED)
		return km_err_set_errno(err, EX_OSERR,
					"AF_XDP: memory of %zu bytes cannot be mapped",
					x->umem_len);
	x->umem = map;
	map = mmap(NULL, page_up(1), PROT_READ, MAP_SHARED, fds->foreign, 0);
	if (map == MAP_FAILED)
		return km_err_set_errno(
			err, EX_OSERR,
			"AF_XDP: the count of foreign frames cannot be mapped");
	x->foreign = map;
	if (xsk_ring_map(&x->rx, f->sock, XSK_RING_RX, plan->chunks, err) != 0 ||
	    xsk_ring_map(&x->fill, f->sock, XSK_RING_FILL, plan->chunks, err) != 0)
		return -1;
	return map_private(f, err);
}

/* The chunk of a descriptor that can be true, taken note of; else x->chunks. */
static uint32_t take_chunk(struct feed_xdp *x, const struct xdp_desc *desc)
{
	const uint64_t at = desc->addr / x->chunk;

	if (at >= x->chunks || x->here[at])
		return x->chunks;
	x->here[at] = 1;
	x->hold[x->held++] = (uint32_t)at;
	return (uint32_t)at;
}

/* Buffers of the next frame, all of which are there: 0 if not. */
static uint32_t frame_buffers(const struct feed_xdp *x, uint32_t there)
{
	for (uint32_t i = 0; i < there && i < XSK_FRAME_BUFFERS_MAX; i++)
		if (!(xsk_ring_desc(&x->rx, x->rx.head + i)->options & XSK_DESC_CONTINUED))
			return i + 1;
	/* the rest of it will come, or it never ends */
	return there < XSK_FRAME_BUFFERS_MAX ? 0 : XSK_FRAME_BUFFERS_MAX;
}

/*
 * The frame of the next N descriptors. Each is read once. False when one of them, or all
 * together, cannot be; their chunks are taken note of all the same, to be given back.
 */
static bool take_frame(struct feed *f, uint32_t n, uint8_t *bounce,
		       struct feed_frame *frame)
{
	struct feed_xdp *x = &f->xdp;
	bool good = true;
	uint32_t len = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc desc = *xsk_ring_desc(&x->rx, x->rx.head++);
		const uint32_t offset = (uint32_t)(desc.addr % x->chunk);
		const bool goes_on = (desc.options & XSK_DESC_CONTINUED) != 0;

		if (take_chunk(x, &desc) == x->chunks || desc.len > x->chunk - offset ||
		    desc.len > f->frame_max - len || goes_on != (i + 1 < n))
			good = false;
		if (!good)
			continue;
		frame->p = x->umem + desc.addr;
		if (n > 1)
			memcpy(bounce + len, frame->p, desc.len);
		len += desc.len;
	}
	if (n > 1)
		frame->p = bounce;
	frame->len = frame->wire_len = len;
	frame->vlan = -1;
	return good;
}

unsigned feed_xdp_peek(struct feed *f, struct feed_frame *frames, unsigned max)
{
	struct feed_xdp *x = &f->xdp;
	uint32_t there = xsk_ring_there(&x->rx), bounces = 0;
	unsigned n = 0;

	if (there > x->rx.size) {
		f->bad++;
		return 0;
	}
	while (n < max && there > 0) {
		const uint32_t buffers = frame_buffers(x, there);
		uint8_t *bounce = x->bounce + (size_t)bounces * f->frame_max;

		if (buffers == 0 || x->held + buffers > FEED_XDP_PEEK_BUFFERS ||
		    (buffers > 1 && bounces == FEED_XDP_BOUNCES))
			break;
		bounces += buffers > 1;
		there -= buffers;
		if (take_frame(f, buffers, bounce, &frames[n]))
			__builtin_prefetch(frames[n++].p);
		else
			f->bad++;
	}
	/* nobody releases a peek of none */
	if (n == 0)
		feed_xdp_release(f);
	return n;
}

/* Chunks back to the kernel. The ring has room for all there are. */
void feed_xdp_release(struct feed *f)
{
	struct feed_xdp *x = &f->xdp;
	struct pollfd p = {.fd = f->sock, .events = POLLIN};

	if (x->held > 0) {
		for (uint32_t i = 0; i < x->held; i++) {
			x->here[x->hold[i]] = 0;
			*xsk_ring_addr(&x->fill, x->fill.head++) =
				(uint64_t)x->hold[i] * x->chunk;
		}
		x->held = 0;
		xsk_ring_show(&x->fill);
		xsk_ring_show(&x->rx);
		/* it had run out of them: poll() wakes the driver, and does not send */
		if (xsk_ring_asleep(&x->fill))
			(void)poll(&p, 1, 0);
	} else if (*x->rx.ours != x->rx.head) {
		xsk_ring_show(&x->rx);
	}
}

bool feed_xdp_ready(const struct feed *f)
{
	const uint32_t there = xsk_ring_there(&f->xdp.rx);

	return there > 0 && there <= f->xdp.rx.size && frame_buffers(&f->xdp, there) > 0;
}

uint64_t feed_xdp_drops(struct feed *f)
{
	struct feed_xdp *x = &f->xdp;
	struct xdp_statistics now = {0};
	socklen_t len = sizeof(now);
	uint64_t drops;

	/* never reset by the kernel */
	if (getsockopt(f->sock, SOL_XDP, XDP_STATISTICS, &now, &len) != 0)
		return 0;
	/* a frame that finds no free chunk counts in rx_dropped too */
	drops = now.rx_dropped + now.rx_ring_full - x->drops_seen;
	x->drops_seen += drops;
	x->starved += now.rx_fill_ring_empty_descs - x->starved_seen;
	x->starved_seen = now.rx_fill_ring_empty_descs;
	x->invalid += now.rx_invalid_descs - x->invalid_seen;
	x->invalid_seen = now.rx_invalid_descs;
	return drops;
}

uint64_t feed_xdp_foreign(struct feed *f)
{
	struct feed_xdp *x = &f->xdp;
	uint64_t now, n;

	now = __atomic_load_n(x->foreign, __ATOMIC_RELAXED);
	n = now - x->foreign_seen;
	x->foreign_seen = now;
	return n;
}
