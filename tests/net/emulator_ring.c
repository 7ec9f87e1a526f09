// SPDX-License-Identifier: ISC
#include "emulator_ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK_BYTES (1u << 20) /* a frame of 65,535 bytes fills a sixteenth */
#define FRAME_BYTES 2048u      /* only divides the block; V3 packs frames tightly */
#define RETIRE_MS 1u	       /* the latency that a partly filled block may add */
#define TAG_BYTES 4u

static int say(const char *what, const char *name)
{
	int saved = errno;

	fprintf(stderr, "km-linkemu: --in %s: %s: %s\n", name, what, strerror(saved));
	errno = saved;
	return -1;
}

static int set(int fd, int option, const void *value, size_t bytes)
{
	return setsockopt(fd, SOL_PACKET, option, value, (socklen_t)bytes);
}

static int map_ring(struct emulator_ring *r, const char *name, size_t mib)
{
	struct tpacket_req3 req = {
		.tp_block_size = BLOCK_BYTES,
		.tp_block_nr = (unsigned)(mib * (1u << 20) / BLOCK_BYTES),
		.tp_frame_size = FRAME_BYTES,
		.tp_frame_nr = (unsigned)(mib * (1u << 20) / FRAME_BYTES),
		.tp_retire_blk_tov = RETIRE_MS,
	};
	int version = TPACKET_V3, virtio = r->split;
	unsigned headroom = TAG_BYTES; /* to put a VLAN tag back in place */

	if (set(r->fd, PACKET_VERSION, &version, sizeof(version)))
		return say("no TPACKET_V3", name);
	if (set(r->fd, PACKET_RESERVE, &headroom, sizeof(headroom)))
		return say("no headroom in the ring", name);
	if (set(r->fd, PACKET_VNET_HDR, &virtio, sizeof(virtio)))
		return say("no virtio headers in the ring", name);
	if (set(r->fd, PACKET_RX_RING, &req, sizeof(req)))
		return say("receive ring refused (lower --ring-mib)", name);
	r->blocks = req.tp_block_nr;
	r->map_bytes = (size_t)req.tp_block_nr * BLOCK_BYTES;
	r->map = mmap(NULL, r->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		      r->fd, 0);
	if (r->map == MAP_FAILED) {
		r->map = NULL;
		return say("cannot map the receive ring", name);
	}
	return 0;
}

/* The order leaves no moment in which the socket hears something it should not: protocol
 * 0 until the last step. */
static int set_up(struct emulator_ring *r, const char *name, size_t mib)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct packet_mreq all = {.mr_type = PACKET_MR_PROMISC};
	int one = 1;

	to.sll_ifindex = (int)if_nametoindex(name);
	if (!to.sll_ifindex)
		return say("no such interface", name);
	if (map_ring(r, name, mib))
		return -1;
	if (set(r->fd, PACKET_IGNORE_OUTGOING, &one, sizeof(one)))
		return say("cannot ignore outgoing frames", name);
	all.mr_ifindex = to.sll_ifindex;
	if (set(r->fd, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)))
		return say("cannot see frames for other stations", name);
	if (bind(r->fd, (struct sockaddr *)&to, sizeof(to)))
		return say("cannot bind", name);
	return 0;
}

int emulator_ring_open(struct emulator_ring *r, const char *name, size_t mib, bool split)
{
	int saved;

	memset(r, 0, sizeof(*r));
	r->split = split;
	if (split && emulator_split_open(&r->pieces, BLOCK_BYTES))
		return say("no room for datagrams", name);
	r->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (r->fd < 0)
		return say("no packet socket (needs CAP_NET_RAW)", name);
	if (!set_up(r, name, mib))
		return 0;
	saved = errno;
	emulator_ring_close(r);
	errno = saved;
	return -1;
}

static struct tpacket_block_desc *block_at_hand(const struct emulator_ring *r)
{
	return (struct tpacket_block_desc *)(void *)(r->map + r->next * BLOCK_BYTES);
}

static bool block_is_ours(const struct emulator_ring *r)
{
	const struct tpacket_block_desc *b = block_at_hand(r);

	return __atomic_load_n(&b->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER;
}

/* The kernel keeps a VLAN tag beside the frame; on the wire it stood behind the
 * addresses. */
static uint8_t *put_tag_back(const struct tpacket3_hdr *h, uint8_t *p, size_t *bytes)
{
	uint16_t tpid = ETH_P_8021Q, tci = (uint16_t)h->hv1.tp_vlan_tci;

	if (!(h->tp_status & TP_STATUS_VLAN_VALID))
		return p;
	if (h->tp_status & TP_STATUS_VLAN_TPID_VALID)
		tpid = h->hv1.tp_vlan_tpid;
	memmove(p - TAG_BYTES, p, 2 * ETH_ALEN);
	p -= TAG_BYTES;
	p[12] = (uint8_t)(tpid >> 8);
	p[13] = (uint8_t)tpid;
	p[14] = (uint8_t)(tci >> 8);
	p[15] = (uint8_t)tci;
	*bytes += TAG_BYTES;
	return p;
}

/* The frame of @h as it was on the wire, or the first piece of a train. NULL: a train that
 * makes no sense. */
static uint8_t *hand_out(struct emulator_ring *r, struct tpacket3_hdr *h, size_t *bytes)
{
	uint8_t *p = (uint8_t *)h + h->tp_mac, vnet[EMULATOR_VNET_BYTES];
	uint8_t *untagged = p;

	*bytes = h->tp_snaplen;
	/* the tag goes where the virtio header stands */
	if (r->split)
		memcpy(vnet, p - EMULATOR_VNET_BYTES, sizeof(vnet));
	p = put_tag_back(h, p, bytes);
	if (r->split &&
	    emulator_split_begin(&r->pieces, vnet, p, *bytes, (size_t)(untagged - p)))
		return emulator_split_next(&r->pieces, bytes);
	return p;
}

uint8_t *emulator_ring_next(struct emulator_ring *r, size_t *bytes, uint64_t *oversize)
{
	struct tpacket_block_desc *b = block_at_hand(r);
	uint8_t *p;

	if (!r->frame) {
		if (!block_is_ours(r))
			return NULL;
		r->frame = (uint8_t *)b + b->hdr.bh1.offset_to_first_pkt;
		r->frames_left = b->hdr.bh1.num_pkts;
	}
	if (r->pieces.rest_bytes) {
		p = emulator_split_next(&r->pieces, bytes);
		if (p)
			return p;
		++*oversize;
		r->pieces.rest_bytes = 0;
	}
	while (r->frames_left) {
		struct tpacket3_hdr *h = r->frame;

		r->frames_left--;
		r->frame = (uint8_t *)h + h->tp_next_offset;
		p = h->tp_snaplen == h->tp_len ? hand_out(r, h, bytes) : NULL;
		if (p)
			return p;
		++*oversize;
	}
	return NULL;
}

bool emulator_ring_release(struct emulator_ring *r)
{
	struct tpacket_block_desc *b = block_at_hand(r);

	if (!r->frame)
		return false;
	__atomic_store_n(&b->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	r->next = (r->next + 1) % r->blocks;
	r->frame = NULL;
	emulator_split_forget(&r->pieces);
	return true;
}

uint64_t emulator_ring_drops(struct emulator_ring *r)
{
	struct tpacket_stats_v3 stats = {0};
	socklen_t bytes = sizeof(stats);

	if (getsockopt(r->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &bytes))
		return 0;
	return stats.tp_drops;
}

int emulator_ring_shut(struct emulator_ring *r)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = {.len = 1, .filter = &nothing};

	return setsockopt(r->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

int emulator_ring_error(struct emulator_ring *r)
{
	int error = 0;
	socklen_t bytes = sizeof(error);

	if (getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &error, &bytes))
		return errno;
	return error;
}

void emulator_ring_close(struct emulator_ring *r)
{
	if (r->map)
		munmap(r->map, r->map_bytes);
	if (r->fd >= 0)
		close(r->fd);
	emulator_split_close(&r->pieces);
	r->map = NULL;
	r->fd = -1;
}
