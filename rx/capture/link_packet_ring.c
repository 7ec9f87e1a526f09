// SPDX-License-Identifier: ISC
#include "link_packet_ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int link_packet_ring_set(int fd, int option, const void *value, socklen_t len)
{
	return setsockopt(fd, SOL_PACKET, option, value, len);
}

static int link_packet_ring_map_ring(int fd, const struct intake_plan *plan)
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

static int link_packet_ring_filter(int fd, uint16_t ethertype)
{
	/* tcpdump -d 'ether proto 0x88b5':
	 * (000) ldh [12]  (001) jeq #0x88b5 jt 2 jf 3  (002) ret #262144  (003) ret #0
	 * A VLAN tag does not stand in the bytes here: the kernel has taken it off. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ethertype, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0x40000),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {.len = KM_COUNT(code), .filter = code};
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		return -1;
	return setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on));
}

static int link_packet_ring_bind(int fd, const char *interface, uint16_t ethertype,
				 uint32_t *mtu, struct km_err *err)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
				      .sll_protocol = htons(ethertype)};
	struct packet_mreq promiscuous = {.mr_type = PACKET_MR_PROMISC};
	struct ifreq request = {0};
	int on = 1;

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

int link_packet_ring_open(const char *interface, uint16_t ethertype,
			  const struct intake_plan *plan, uint32_t *mtu, bool *refused,
			  struct km_err *err)
{
	_cleanup_close_ int fd =
		socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*refused = false;
	if (fd < 0)
		return km_err_set_errno(
			err, errno == EPERM ? EX_NOPERM : EX_OSERR,
			"diode port: not allowed: start as root or with CAP_NET_RAW");
	if (link_packet_ring_map_ring(fd, plan) < 0) {
		*refused = true;
		return km_err_set_errno(
			err, EX_OSERR,
			"interface %s: receive ring of %u blocks of %u bytes refused: "
			"lower `ring` or set `capture = pcap`",
			interface, plan->blocks, plan->block_bytes);
	}
	if (link_packet_ring_filter(fd, ethertype) < 0)
		return km_err_set_errno(err, EX_OSERR, "interface %s: filter refused",
					interface);
	if (link_packet_ring_bind(fd, interface, ethertype, mtu, err) < 0)
		return -1;
	return km_take_fd(&fd);
}
