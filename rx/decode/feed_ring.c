// SPDX-License-Identifier: ISC
#include <linux/if_packet.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "feed.h"

#define VLAN_ID_MASK 0x0fffu
#define FEED_RING_PAGE 4096u

/*
 * Under a hypervisor the first touch of a page costs more than opening the frame in it, and
 * a ring goes through all of its pages before it touches one again: touched here, the first
 * seconds of a transfer are like all others.
 */
static void touch(const uint8_t *map, size_t len)
{
	for (size_t at = 0; at < len; at += FEED_RING_PAGE)
		(void)*(const volatile uint8_t *)(map + at);
}

int feed_ring_open(struct feed *f, int sock, const struct intake_plan *plan,
		   struct km_err *err)
{
	size_t len = (size_t)plan->block_bytes * plan->blocks;
	void *map;

	memset(f, 0, sizeof(*f));
	f->form = INTAKE_RING;
	f->sock = sock;
	f->block_bytes = plan->block_bytes;
	f->blocks = plan->blocks;
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, sock, 0);
	if (map == MAP_FAILED)
		return km_err_set_errno(err, EX_OSERR,
					"cannot map the receive ring of %zu bytes", len);
	f->map = map;
	touch(f->map, len);
	return 0;
}

static struct tpacket_hdr_v1 *block_head(const struct feed *f)
{
	uint8_t *at = f->map + (size_t)f->block * f->block_bytes;
	struct tpacket_block_desc *desc = (void *)at;

	return &desc->hdr.bh1;
}

/* The kernel fills the block, then sets its status; the acquire orders the contents. */
static bool block_ready(const struct feed *f)
{
	uint32_t status = __atomic_load_n(&block_head(f)->block_status, __ATOMIC_ACQUIRE);

	return (status & TP_STATUS_USER) != 0;
}

static void block_give_back(struct feed *f)
{
	__atomic_store_n(&block_head(f)->block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	f->held = false;
	f->left = 0;
	f->block = f->block + 1 < f->blocks ? f->block + 1 : 0;
}

/* The frame at f->offset; false when its offsets are impossible. */
static bool take_frame(struct feed *f, struct feed_frame *frame)
{
	const uint8_t *block = f->map + (size_t)f->block * f->block_bytes;
	struct tpacket3_hdr h;
	uint32_t room;

	if (f->offset > f->block_bytes || f->block_bytes - f->offset < sizeof(h))
		return false;
	memcpy(&h, block + f->offset, sizeof(h));
	room = f->block_bytes - f->offset;
	if (h.tp_mac > room || room - h.tp_mac < h.tp_snaplen)
		return false;
	frame->p = block + f->offset + h.tp_mac;
	frame->len = h.tp_snaplen;
	frame->wire_len = h.tp_len;
	frame->vlan = -1;
	if (h.tp_status & TP_STATUS_VLAN_VALID)
		frame->vlan = (int)(h.hv1.tp_vlan_tci & VLAN_ID_MASK);
	if (h.tp_next_offset > room)
		return f->left == 1; /* only the last one may point nowhere */
	f->offset += h.tp_next_offset;
	/* Frames lie too far apart for the processor to guess the next. */
	__builtin_prefetch(block + f->offset);
	__builtin_prefetch(frame->p);
	return true;
}

unsigned feed_ring_peek(struct feed *f, struct feed_frame *frames, unsigned max)
{
	unsigned n = 0;

	if (!f->held) {
		if (!block_ready(f))
			return 0;
		f->held = true;
		f->left = block_head(f)->num_pkts;
		f->offset = block_head(f)->offset_to_first_pkt;
	}
	while (n < max && f->left > 0) {
		if (!take_frame(f, &frames[n])) {
			f->bad++;
			f->left = 0;
			break;
		}
		f->left--;
		n++;
	}
	/* a block retired by its timer may be empty */
	if (n == 0)
		block_give_back(f);
	return n;
}

void feed_ring_release(struct feed *f)
{
	if (f->held && f->left == 0)
		block_give_back(f);
}

bool feed_ring_ready(const struct feed *f)
{
	return f->held || block_ready(f);
}

uint64_t feed_ring_drops(struct feed *f)
{
	struct tpacket_stats_v3 st = {0};
	socklen_t len = sizeof(st);

	/* reading resets the kernel's counters */
	if (getsockopt(f->sock, SOL_PACKET, PACKET_STATISTICS, &st, &len) != 0)
		return 0;
	return st.tp_drops;
}
