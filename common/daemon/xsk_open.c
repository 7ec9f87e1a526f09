// SPDX-License-Identifier: ISC
#include "xsk_open.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "xsk_ring.h"

#define XSK_PAGE 4096u
/* The kernel dismantles a closed socket in a work queue; until then its queue is taken. */
#define XSK_BUSY_STEP_NS (10 * CLOCK_NS_PER_MS)
#define XSK_BUSY_STEPS 200u

static int make_socket(struct km_err *err)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		return fd;
	if (errno == EPERM)
		return km_err_set_errno(
			err, EX_NOPERM,
			"AF_XDP: not allowed: start as root or with CAP_NET_RAW");
	return km_err_set_errno(err, EX_OSERR, "AF_XDP: this kernel has none");
}

static int add_ring(int fd, int option, uint32_t entries, const char *what,
		    struct km_err *err)
{
	if (entries == 0 || setsockopt(fd, SOL_XDP, option, &entries, sizeof(entries)) == 0)
		return 0;
	return km_err_set_errno(err, EX_OSERR, "AF_XDP: %s ring of %u entries refused",
				what, entries);
}

static int add_memory(int fd, const struct xsk_plan *plan, struct km_err *err)
{
	struct xdp_umem_reg memory = {
		.addr = (uint64_t)(uintptr_t)plan->umem,
		.len = plan->umem_bytes,
		.chunk_size = plan->chunk,
	};

	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &memory, sizeof(memory)) == 0)
		return 0;
	return km_err_set_errno(err, EX_OSERR,
				"AF_XDP: memory of %zu bytes refused: give CAP_IPC_LOCK "
				"or raise LimitMEMLOCK=",
				plan->umem_bytes);
}

static int why_not_bound(const struct xsk_plan *plan, struct km_err *err)
{
	const char *interface = plan->interface;

	switch (errno) {
	case EBUSY:
		return km_err_set_errno(
			err, EX_UNAVAILABLE,
			"interface %s: queue %u is in use by another AF_XDP socket",
			interface, plan->queue);
	case ENODEV:
		return km_err_set_errno(err, EX_UNAVAILABLE,
					"interface %s: not found: set `interface` to the "
					"diode port",
					interface);
	case EOPNOTSUPP:
		return km_err_set_errno(
			err, EX_UNAVAILABLE, "interface %s: its driver has no %s%s",
			interface, plan->force ? "AF_XDP" : "zero-copy AF_XDP",
			plan->several ? " for frames of more than one buffer" : "");
	case EINVAL:
		return km_err_set_errno(
			err, EX_UNAVAILABLE, "interface %s: AF_XDP not bound%s", interface,
			plan->several ? ": frames this long need several buffers, which "
					"come with Linux 6.6"
				      : "");
	default:
		return km_err_set_errno(err, EX_UNAVAILABLE,
					"interface %s: AF_XDP not bound", interface);
	}
}

static int bind_queue(int fd, const struct xsk_plan *plan, struct km_err *err)
{
	struct sockaddr_xdp address = {
		.sxdp_family = AF_XDP,
		.sxdp_ifindex = if_nametoindex(plan->interface),
		.sxdp_queue_id = plan->queue,
		.sxdp_flags = XDP_USE_NEED_WAKEUP,
	};

	if (address.sxdp_ifindex == 0) {
		errno = ENODEV;
		return why_not_bound(plan, err);
	}
	if (!plan->force)
		address.sxdp_flags |= XDP_ZEROCOPY;
	if (plan->several)
		address.sxdp_flags |= XSK_BIND_USE_SG;
	for (unsigned i = 0; i < XSK_BUSY_STEPS; i++) {
		if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
			return 0;
		if (errno != EBUSY)
			break;
		clock_sleep_until(clock_mono_ns() + XSK_BUSY_STEP_NS);
		errno = EBUSY;
	}
	return why_not_bound(plan, err);
}

int xsk_open(const struct xsk_plan *plan, struct km_err *err)
{
	_cleanup_close_ int fd = make_socket(err);

	if (fd < 0 || add_memory(fd, plan, err) != 0 ||
	    add_ring(fd, XDP_UMEM_FILL_RING, plan->fill, "fill", err) != 0 ||
	    add_ring(fd, XDP_UMEM_COMPLETION_RING, plan->completion, "completion", err) !=
		    0 ||
	    add_ring(fd, XDP_RX_RING, plan->rx, "receive", err) != 0 ||
	    add_ring(fd, XDP_TX_RING, plan->tx, "send", err) != 0 ||
	    bind_queue(fd, plan, err) != 0)
		return -1;
	return km_take_fd(&fd);
}

int xsk_try_zero_copy(const struct xsk_plan *plan, struct km_err *err)
{
	struct xsk_plan small = *plan;
	int fd, rc;

	small.force = false;
	small.umem_bytes = XSK_PAGE;
	small.chunk = XSK_PAGE;
	small.rx = plan->rx != 0;
	small.tx = plan->tx != 0;
	small.fill = small.completion = 1;
	small.umem = mmap(NULL, XSK_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (small.umem == MAP_FAILED)
		return km_err_set_errno(err, EX_OSERR, "AF_XDP: no memory");
	fd = xsk_open(&small, err);
	rc = fd < 0 ? -1 : 0;
	km_close(&fd);
	(void)munmap(small.umem, XSK_PAGE);
	return rc;
}

bool xsk_is_zero_copy(int fd)
{
	struct xdp_options options = {0};
	socklen_t len = sizeof(options);

	return getsockopt(fd, SOL_XDP, XDP_OPTIONS, &options, &len) == 0 &&
	       (options.flags & XDP_OPTIONS_ZEROCOPY) != 0;
}

static bool ask_ethtool(int fd, const char *interface, void *question)
{
	struct ifreq request = {0};

	strncpy(request.ifr_name, interface, sizeof(request.ifr_name) - 1);
	request.ifr_data = question;
	return ioctl(fd, SIOCETHTOOL, &request) == 0;
}

uint32_t xsk_queues(int fd, const char *interface)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	uint32_t n;

	if (!ask_ethtool(fd, interface, &channels))
		return 1;
	n = channels.rx_count + channels.combined_count;
	return n > 0 ? n : 1;
}

bool xsk_strips_tags(int fd, const char *interface)
{
	struct ethtool_value value = {.cmd = ETHTOOL_GFLAGS};

	return ask_ethtool(fd, interface, &value) && (value.data & ETH_FLAG_RXVLAN) != 0;
}
