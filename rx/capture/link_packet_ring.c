// SPDX-License-Identifier: ISC
#include "link_packet_ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link_filter.h"

static int link_packet_ring_set(int fd, int option, const void *value, socklen_t len)
{
	return setsockopt(fd, SOL_PACKET, option, value, len);
}

static int link_packet_ring_socket(struct km_err *err)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return km_err_set_errno(
			err, errno == EPERM ? EX_NOPERM : EX_OSERR,
			"diode port: not allowed: start as root or with CAP_NET_RAW");
	return fd;
}

static int link_packet_ring_map_blocks(int fd, const struct intake_plan *plan)
{
	int version = TPACKET_V3;
	struct tpacket_req3 request = {
		.tp_block_size = plan->block_bytes,
		.tp_block_nr = plan->blocks,
		.tp_frame_size =
			plan->block_bytes, /* V3 packs frames; only checked, not used */
		.tp_frame_nr = plan->blocks,
		.tp_retire_blk_tov = plan->retire_ms,
	};

	if (link_packet_ring_set(fd, PACKET_VERSION, &version, sizeof(version)) < 0)
		return -1;
	return link_packet_ring_set(fd, PACKET_RX_RING, &request, sizeof(request));
}

static int link_packet_ring_map_slots(int fd, const struct intake_plan *plan)
{
	uint32_t block =
		plan->slot_bytes > INTAKE_SLOT_BLOCK ? plan->slot_bytes : INTAKE_SLOT_BLOCK;
	int version = TPACKET_V2;
	struct tpacket_req request = {
		.tp_block_size = block,
		.tp_block_nr = (uint32_t)((uint64_t)plan->slots * plan->slot_bytes / block),
		.tp_frame_size = plan->slot_bytes,
		.tp_frame_nr = plan->slots,
	};

	if (link_packet_ring_set(fd, PACKET_VERSION, &version, sizeof(version)) < 0)
		return -1;
	return link_packet_ring_set(fd, PACKET_RX_RING, &request, sizeof(request));
}

/* The filter, and then the interface. */
static int link_packet_ring_bind(int fd, enum link_filter filter, const char *interface,
				 const struct link_match *match, uint32_t *mtu,
				 struct km_err *err)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
				      .sll_protocol = htons(ETH_P_ALL)};
	struct packet_mreq promiscuous = {.mr_type = PACKET_MR_PROMISC};
	struct ifreq request = {0};
	int on = 1;

	if (link_filter_lock(fd, filter, match) < 0)
		return km_err_set_errno(err, EX_OSERR, "interface %s: filter refused",
					interface);
	strncpy(request.ifr_name, interface, sizeof(request.ifr_name) - 1);
	if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
		return km_err_set_errno(
			err, EX_UNAVAILABLE,
			"interface %s: not found: set `interface` to the diode port",
			interface);
	address.sll_ifindex = promiscuous.mr_ifindex = request.ifr_ifindex;
	if (ioctl(fd, SIOCGIFMTU, &request) < 0)
		return km_err_set_errno(err, EX_OSERR, "interface %s: MTU unknown",
					interface);
	*mtu = (uint32_t)request.ifr_mtu;
	if (link_packet_ring_set(fd, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0)
		return km_err_set_errno(err, EX_OSERR,
					"interface %s: own frames cannot be ignored",
					interface);
	/* The destination is a group address nobody joined. */
	if (link_packet_ring_set(fd, PACKET_ADD_MEMBERSHIP, &promiscuous,
				 sizeof(promiscuous)) < 0)
		return km_err_set_errno(
			err, EX_OSERR, "interface %s: promiscuous mode refused", interface);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return km_err_set_errno(err, EX_UNAVAILABLE,
					"interface %s: cannot be bound", interface);
	return 0;
}

static int link_packet_ring_blocks(struct link_packet_rings *rings, const char *interface,
				   const struct link_match *match,
				   const struct intake_plan *plan, bool *refused,
				   struct km_err *err)
{
	enum link_filter filter = rings->realtime < 0 ? LINK_FILTER_ALL : LINK_FILTER_REST;

	rings->ring = link_packet_ring_socket(err);
	if (rings->ring < 0)
		return -1;
	if (link_packet_ring_map_blocks(rings->ring, plan) < 0) {
		*refused = true;
		return km_err_set_errno(
			err, EX_OSERR,
			"interface %s: receive ring of %u blocks of %u bytes refused: "
			"lower `ring` or set `capture = pcap`",
			interface, plan->blocks, plan->block_bytes);
	}
	return link_packet_ring_bind(rings->ring, filter, interface, match, &rings->mtu,
				     err);
}

/* 0 also when the kernel refuses the ring: then it is not there. */
static int link_packet_ring_slots(struct link_packet_rings *rings, const char *interface,
				  const struct link_match *match,
				  const struct intake_plan *plan, struct km_err *err)
{
	if (plan->slots == 0)
		return 0;
	rings->realtime = link_packet_ring_socket(err);
	if (rings->realtime < 0)
		return -1;
	if (link_packet_ring_map_slots(rings->realtime, plan) < 0) {
		rings->refused = errno;
		km_close(&rings->realtime);
		return 0;
	}
	return link_packet_ring_bind(rings->realtime, LINK_FILTER_REALTIME, interface,
				     match, &rings->mtu, err);
}

int link_packet_rings_open(struct link_packet_rings *rings, const char *interface,
			   const struct link_match *match, const struct intake_plan *plan,
			   bool *refused, struct km_err *err)
{
	*rings = (struct link_packet_rings)LINK_PACKET_RINGS_INIT;
	*refused = false;
	if (link_packet_ring_slots(rings, interface, match, plan, err) == 0 &&
	    link_packet_ring_blocks(rings, interface, match, plan, refused, err) == 0)
		return 0;
	link_packet_rings_close(rings);
	return -1;
}

void link_packet_rings_close(struct link_packet_rings *rings)
{
	km_close(&rings->ring);
	km_close(&rings->realtime);
}
