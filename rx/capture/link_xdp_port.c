// SPDX-License-Identifier: ISC
#include "link_xdp_port.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "shm.h"
#include "xsk_open.h"
#include "xsk_ring.h"

#define QUEUE 0u

/* Deaf: protocol 0, nothing bound, a locked filter that drops everything. */
static int open_keeper(const char *interface, uint32_t *mtu, struct km_err *err)
{
	struct sock_filter drop_all[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog program = {.len = 1, .filter = drop_all};
	struct packet_mreq promiscuous = {.mr_type = PACKET_MR_PROMISC};
	struct ifreq request = {0};
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return km_err_set_errno(
			err, errno == EPERM ? EX_NOPERM : EX_OSERR,
			"diode port: not allowed: start as root or with CAP_NET_RAW");
	strncpy(request.ifr_name, interface, sizeof(request.ifr_name) - 1);
	if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
		return km_err_set_errno(
			err, EX_UNAVAILABLE,
			"interface %s: not found: set `interface` to the diode port",
			interface);
	promiscuous.mr_ifindex = request.ifr_ifindex;
	if (ioctl(fd, SIOCGIFMTU, &request) < 0)
		return km_err_set_errno(err, EX_OSERR, "interface %s: MTU unknown",
					interface);
	*mtu = (uint32_t)request.ifr_mtu;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous,
		       sizeof(promiscuous)) < 0)
		return km_err_set_errno(
			err, EX_OSERR, "interface %s: promiscuous mode refused", interface);
	return km_take_fd(&fd);
}

/* What has to be so before anything is opened. */
static int judge(const struct link_xdp_port *port, const char *interface, bool tagged,
		 struct km_err *err)
{
	const uint32_t queues = xsk_queues(port->keeper, interface);

	if (queues > 1)
		return km_err_set(
			err, EX_UNAVAILABLE,
			"interface %s: AF_XDP serves one receive queue and it has "
			"%u: `ethtool -L %s combined 1`",
			interface, queues, interface);
	if (tagged && xsk_strips_tags(port->keeper, interface))
		return km_err_set(
			err, EX_UNAVAILABLE,
			"interface %s: takes VLAN tags out of frames, where AF_XDP "
			"does not find them: `ethtool -K %s rxvlan off`",
			interface, interface);
	return 0;
}

/* Every chunk is the kernel's. */
static int fill(const struct link_xdp_port *port, const struct intake_plan *plan,
		struct km_err *err)
{
	struct xsk_ring ring;

	if (xsk_ring_map(&ring, port->socket, XSK_RING_FILL, plan->chunks, err) != 0)
		return -1;
	for (uint32_t i = 0; i < plan->chunks; i++)
		*xsk_ring_addr(&ring, ring.head++) = (uint64_t)i * plan->chunk_bytes;
	xsk_ring_show(&ring);
	xsk_ring_unmap(&ring);
	return 0;
}

static int open_socket(struct link_xdp_port *port, const char *interface,
		       const struct intake_plan *plan, bool several, bool force,
		       struct km_err *err)
{
	const size_t bytes = (size_t)plan->chunk_bytes * plan->chunks;
	struct shm_map map = {0};
	struct xsk_plan xsk = {
		.interface = interface,
		.queue = QUEUE,
		.umem_bytes = bytes,
		.chunk = plan->chunk_bytes,
		.rx = plan->chunks,
		.fill = plan->chunks,
		.completion = 1,
		.several = several,
		.force = force,
	};
	_cleanup_close_ int fd = -1;

	if (!force && xsk_try_zero_copy(&xsk, err) != 0)
		return -1;
	fd = shm_create("rx-xdp", bytes, err);
	if (fd < 0 || shm_map(&map, fd, bytes, SHM_MAP_WRITE, err) != 0)
		return -1;
	xsk.umem = map.p;
	port->socket = xsk_open(&xsk, err);
	/* the kernel holds the pages now; decode maps them anew */
	shm_unmap(&map);
	if (port->socket < 0)
		return -1;
	port->memory = shm_reopen_ro(fd, err);
	port->zero_copy = xsk_is_zero_copy(port->socket);
	return port->memory < 0 ? -1 : fill(port, plan, err);
}

int link_xdp_port_open(struct link_xdp_port *port, const char *interface,
		       const struct link_match *match, const struct intake_plan *plan,
		       bool tagged, bool force, struct km_err *err)
{
	const bool several = plan->frame_xdp > plan->chunk_bytes - XSK_HEADROOM;

	*port = (struct link_xdp_port)LINK_XDP_PORT_INIT;
	port->keeper = open_keeper(interface, &port->mtu, err);
	if (port->keeper >= 0 && judge(port, interface, tagged, err) == 0 &&
	    open_socket(port, interface, plan, several, force, err) == 0 &&
	    xdp_program_attach(&port->program, interface, if_nametoindex(interface), QUEUE,
			       port->socket, several, match, err) == 0)
		return 0;
	link_xdp_port_close(port);
	return -1;
}

void link_xdp_port_close(struct link_xdp_port *port)
{
	xdp_program_close(&port->program);
	km_close(&port->socket);
	km_close(&port->memory);
	km_close(&port->keeper);
}
