// SPDX-License-Identifier: ISC
#include <linux/if_packet.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "clock.h"
#include "feed.h"

#define VLAN_ID_MASK 0x0fffu
/* Between two looks at the clock; a pause is 40 to 140 cycles. */
#define SPIN_PAUSES 32u

int feed_slots_open(struct feed *f, int sock, const struct intake_plan *plan,
		    struct km_err *err)
{
	size_t len = (size_t)plan->slot_bytes * plan->slots;
	void *map;

	memset(f, 0, sizeof(*f));
	f->form = INTAKE_SLOTS;
	f->sock = sock;
	f->block_bytes = plan->slot_bytes;
	f->blocks = plan->slots;
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, sock, 0);
	if (map == MAP_FAILED)
		return km_err_set_errno(err, EX_OSERR,
					"cannot map the realtime ring of %zu bytes", len);
	f->map = map;
	return 0;
}

static struct tpacket2_hdr *slot_at(const struct feed *f, uint32_t ahead)
{
	uint32_t i = f->blocks - f->block > ahead ? f->block + ahead
						  : ahead - (f->blocks - f->block);

	return (void *)(f->map + (size_t)i * f->block_bytes);
}

/* The kernel fills the slot, then sets its status; the acquire orders the contents. */
static bool slot_ready(const struct tpacket2_hdr *slot)
{
	return (__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) != 0;
}

static void slot_give_back(struct feed *f)
{
	__atomic_store_n(&slot_at(f, 0)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	f->block = f->block + 1 < f->blocks ? f->block + 1 : 0;
}

/* False when the slot's offsets are impossible. */
static bool take_slot(const struct feed *f, const struct tpacket2_hdr *slot,
		      struct feed_frame *frame)
{
	struct tpacket2_hdr h;

	memcpy(&h, slot, sizeof(h));
	if (h.tp_mac > f->block_bytes || f->block_bytes - h.tp_mac < h.tp_snaplen)
		return false;
	frame->p = (const uint8_t *)slot + h.tp_mac;
	frame->len = h.tp_snaplen;
	frame->wire_len = h.tp_len;
	frame->vlan = -1;
	if (h.tp_status & TP_STATUS_VLAN_VALID)
		frame->vlan = (int)(h.tp_vlan_tci & VLAN_ID_MASK);
	return true;
}

unsigned feed_slots_peek(struct feed *f, struct feed_frame *frames, unsigned max)
{
	/* once around, all slots would be ready still */
	while (f->left < max && f->left < f->blocks) {
		const struct tpacket2_hdr *slot = slot_at(f, f->left);

		if (!slot_ready(slot))
			break;
		if (take_slot(f, slot, &frames[f->left])) {
			f->left++;
			continue;
		}
		if (f->left > 0)
			break; /* it is the first one of the next peek */
		f->bad++;
		slot_give_back(f);
	}
	return f->left;
}

void feed_slots_release(struct feed *f)
{
	for (; f->left > 0; f->left--)
		slot_give_back(f);
}

bool feed_slots_ready(const struct feed *f)
{
	return slot_ready(slot_at(f, 0));
}

static void cpu_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#else
	atomic_signal_fence(memory_order_seq_cst);
#endif
}

void feed_slots_spin(const struct feed *f, uint64_t ns)
{
	const uint64_t until_ns = clock_mono_ns() + ns;

	do {
		for (unsigned i = 0; i < SPIN_PAUSES; i++) {
			if (feed_slots_ready(f))
				return;
			cpu_pause();
		}
	} while (clock_mono_ns() < until_ns);
}

uint64_t feed_slots_drops(struct feed *f)
{
	struct tpacket_stats st = {0};
	socklen_t len = sizeof(st);

	/* reading resets the kernel's counters */
	if (getsockopt(f->sock, SOL_PACKET, PACKET_STATISTICS, &st, &len) != 0)
		return 0;
	return st.tp_drops;
}
