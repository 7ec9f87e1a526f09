// SPDX-License-Identifier: ISC
#include "link_xdp.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "xsk_open.h"

#define LINK_XDP_CHUNK_SMALL 2048u
#define LINK_XDP_CHUNK 4096u
/* The device queue is full: give it the time of a few frames. */
#define LINK_XDP_RETRY_NS (20 * CLOCK_NS_PER_US)
/* Nothing is taken for so long: let the caller look at what else there is. */
#define LINK_XDP_STUCK_NS (100 * CLOCK_NS_PER_MS)

static int map_memory(struct link_xdp *x, uint32_t frame_max, struct km_err *err)
{
	const uint32_t chunk =
		frame_max <= LINK_XDP_CHUNK_SMALL ? LINK_XDP_CHUNK_SMALL : LINK_XDP_CHUNK;
	const uint32_t chunks = LINK_XDP_UMEM_BYTES / chunk;

	x->memory_len = LINK_XDP_UMEM_BYTES + xdp_frames_bytes(chunks);
	x->memory = mmap(NULL, x->memory_len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (x->memory == MAP_FAILED) {
		x->memory = NULL;
		return km_err_set_errno(err, EX_OSERR, "AF_XDP: no memory for frames");
	}
	xdp_frames_init(&x->frames, x->memory, chunk, chunks,
			(uint8_t *)x->memory + LINK_XDP_UMEM_BYTES);
	return 0;
}

static int open_socket(struct link_xdp *x, uint32_t frame_max, bool force,
		       struct km_err *err)
{
	const struct xsk_plan plan = {
		.interface = x->interface,
		.umem = x->memory,
		.umem_bytes = LINK_XDP_UMEM_BYTES,
		.chunk = x->frames.chunk,
		.tx = x->frames.chunks,
		.completion = x->frames.chunks,
		.fill = 1,
		.several = frame_max > x->frames.chunk,
		.force = force,
	};

	x->fd = xsk_open(&plan, err);
	if (x->fd < 0 ||
	    xsk_ring_map(&x->frames.tx, x->fd, XSK_RING_TX, plan.tx, err) != 0 ||
	    xsk_ring_map(&x->frames.completion, x->fd, XSK_RING_COMPLETION, plan.completion,
			 err) != 0)
		return -1;
	x->zero_copy = xsk_is_zero_copy(x->fd);
	return 0;
}

/* Copy mode: what is on its way at most, and at once. */
static void set_limits(const struct link_xdp *x)
{
	const int sndbuf = (int)x->link->sndbuf;
	const uint32_t budget = LINK_PACKET_BATCH * XSK_FRAME_BUFFERS_MAX;

	(void)setsockopt(x->fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	/* Linux 6.18; without it a batch of long frames takes a few wake-ups */
	(void)setsockopt(x->fd, SOL_XDP, XSK_OPT_TX_BUDGET, &budget, sizeof(budget));
}

/* One wake-up with an empty ring. Some drivers only send where a program is attached. */
static int try_to_wake(const struct link_xdp *x, struct km_err *err)
{
	if (sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0 || errno == EAGAIN ||
	    errno == EBUSY || errno == ENETDOWN || errno == ENOBUFS)
		return 0;
	return km_err_set_errno(err, EX_UNAVAILABLE,
				"interface %s: its driver does not send by AF_XDP without "
				"an XDP program",
				x->interface);
}

int link_xdp_open(struct link_xdp *x, struct link_packet *link, const char *interface,
		  uint32_t frame_max, bool force, struct km_err *err)
{
	memset(x, 0, sizeof(*x));
	x->fd = -1;
	x->link = link;
	x->interface = interface;
	if (map_memory(x, frame_max, err) == 0 &&
	    open_socket(x, frame_max, force, err) == 0 && try_to_wake(x, err) == 0) {
		set_limits(x);
		return 0;
	}
	link_xdp_close(x);
	return -1;
}

/* What is on its way leaves; closing takes its memory away from the NIC. */
static void drain(struct link_xdp *x)
{
	const uint64_t until_ns = clock_mono_ns() + LINK_XDP_STUCK_NS;

	while (x->frames.n_free < x->frames.chunks && clock_mono_ns() < until_ns) {
		if (sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno == ENETDOWN)
			return;
		if (xdp_frames_reap(&x->frames) == 0)
			clock_sleep_until(clock_mono_ns() + LINK_XDP_RETRY_NS);
	}
}

void link_xdp_close(struct link_xdp *x)
{
	if (x->frames.tx.map && x->frames.completion.map)
		drain(x);
	xsk_ring_unmap(&x->frames.tx);
	xsk_ring_unmap(&x->frames.completion);
	km_close(&x->fd);
	if (x->memory)
		(void)munmap(x->memory, x->memory_len);
	x->memory = NULL;
}

static bool has_carrier(const struct link_xdp *x)
{
	struct ifreq request = {0};

	strncpy(request.ifr_name, x->interface, sizeof(request.ifr_name) - 1);
	return ioctl(x->link->fd, SIOCGIFFLAGS, &request) != 0 ||
	       (request.ifr_flags & IFF_RUNNING) != 0;
}

/* One wake-up. KM_OK also when the kernel took nothing. */
static enum km_rc wake(struct link_xdp *x)
{
	if (x->zero_copy && !xsk_ring_asleep(&x->frames.tx))
		return KM_OK; /* the driver looks by itself */
	x->wakeups++;
	if (sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
		return KM_OK;
	switch (errno) {
	case EINTR:
	case EAGAIN: /* its budget is spent, or the send buffer is full */
		return KM_OK;
	case ENOBUFS:
		x->link->enobufs++;
		return KM_OK;
	case EBUSY:
		if (x->zero_copy)
			return KM_OK;
		/* Completed and not sent. Without carrier every further one would be too. */
		x->refused++;
		x->carrier_lost = !has_carrier(x);
		return x->carrier_lost ? KM_ERR_TIMEOUT : KM_OK;
	case ENETDOWN:
		return KM_ERR_TIMEOUT;
	case ENXIO:
	case ENODEV:
		return KM_ERR_CLOSED;
	default:
		return KM_ERR_SYS;
	}
}

/* Until the kernel has taken what was submitted. KM_ERR_FULL: nothing moved for a while. */
static enum km_rc push(struct link_xdp *x)
{
	uint32_t left = xdp_frames_waiting(&x->frames);
	uint64_t moved_ns = 0;

	while (left > 0) {
		const enum km_rc rc = wake(x);
		const uint32_t now_left = xdp_frames_waiting(&x->frames);
		uint64_t now_ns;

		if (rc != KM_OK)
			return rc;
		(void)xdp_frames_reap(&x->frames);
		if (now_left != left) {
			left = now_left;
			moved_ns = 0;
			continue;
		}
		now_ns = clock_mono_ns();
		if (moved_ns == 0)
			moved_ns = now_ns;
		if (now_ns - moved_ns > LINK_XDP_STUCK_NS)
			return KM_ERR_FULL;
		clock_sleep_until(now_ns + LINK_XDP_RETRY_NS);
	}
	return KM_OK;
}

/* All chunks are out, their completions late. */
static bool wait_for_chunks(struct link_xdp *x)
{
	const uint64_t until_ns = clock_mono_ns() + LINK_XDP_STUCK_NS;

	while (xdp_frames_reap(&x->frames) == 0) {
		const uint64_t now_ns = clock_mono_ns();

		if (now_ns > until_ns)
			return false;
		clock_sleep_until(now_ns + LINK_XDP_RETRY_NS);
	}
	return true;
}

enum km_rc link_xdp_send(struct link_xdp *x, const struct iovec *frames, unsigned n,
			 unsigned *done)
{
	enum km_rc rc;

	*done = 0;
	if (x->carrier_lost && !has_carrier(x)) {
		errno = ENETDOWN;
		return KM_ERR_TIMEOUT;
	}
	x->carrier_lost = false;
	rc = push(x); /* what an earlier call left when the link went down */
	while (rc == KM_OK && *done < n) {
		const unsigned before = *done;

		(void)xdp_frames_reap(&x->frames);
		while (*done < n && xdp_frames_put(&x->frames, &frames[*done]))
			(*done)++;
		if (*done == before && !wait_for_chunks(x))
			return KM_OK;
		xdp_frames_submit(&x->frames);
		rc = push(x);
	}
	return rc == KM_ERR_FULL ? KM_OK : rc;
}

uint64_t link_xdp_heard(struct link_xdp *x)
{
	struct xdp_statistics seen = {0};
	socklen_t len = sizeof(seen);
	const uint64_t before = x->heard;

	if (getsockopt(x->fd, SOL_XDP, XDP_STATISTICS, &seen, &len) != 0)
		return 0;
	x->heard = seen.rx_dropped + seen.rx_ring_full;
	return x->heard - before;
}
