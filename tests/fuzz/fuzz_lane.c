// SPDX-License-Identifier: ISC
/*
 * A lane as a hostile source fills it (tx/wall/lane.h), read by the sender: descriptors and
 * the page of indices are the input's. The slots lie in memory of exactly their size, so that
 * the sanitizer sees a frame that ends outside. The input is a script of small steps.
 */
#include <string.h>

#include "cursor.h"
#include "fuzz_alloc.h"
#include "fuzz_target.h"
#include "lane_in.h"

#define SLOTS 8u
#define STRIDE 320u
#define BATCH 8u
#define STEPS_MAX 200u

enum step {
	STEP_FILL,   /* u8 slot, u32 length, u8 flags */
	STEP_HEAD,   /* u8: submitted so many more, 0x80 and more: taken back */
	STEP_PAGE,   /* u8 offset, u8 xor: anywhere in the page of indices */
	STEP_GATHER, /* u8 x 16: allowance */
	STEP_GIVE,   /* u8: the kernel took so many, the others go back */
	STEP_ATTACH, /* the sender starts again */
	STEP_COUNT
};

struct scene {
	struct lane_plan plan;
	struct lane_in_limits limits;
	uint8_t *page, *slots;
	struct ring ring;
	unsigned peeked;
};

static void attach(struct scene *sc)
{
	enum km_rc rc =
		ring_attach_split(&sc->ring, sc->page, LANE_PAGE, sc->slots,
				  lane_ring_bytes(&sc->plan), STRIDE, SLOTS, RING_CONSUMER);

	FUZZ_ASSERT((rc == KM_OK) == !sc->ring.dead);
	sc->peeked = 0;
}

static void gather(struct scene *sc, uint64_t allowance)
{
	static volatile uint8_t seen;
	struct iovec frames[BATCH];
	bool announce;
	uint64_t bytes = 0;
	int n;

	if (sc->peeked || sc->ring.dead)
		return;
	n = lane_in_gather(&sc->ring, &sc->plan, &sc->limits, allowance, frames, &announce);
	if (n <= 0) { /* the sender leaves */
		sc->ring.dead = true;
		return;
	}
	FUZZ_ASSERT((unsigned)n <= BATCH);
	sc->peeked = (unsigned)n;
	for (int i = 0; i < n; i++) {
		const uint8_t *p = frames[i].iov_base;
		const size_t at = (size_t)(p - sc->slots) % STRIDE;

		FUZZ_ASSERT(at == sizeof(struct lane_desc));
		FUZZ_ASSERT(frames[i].iov_len >= sc->limits.least &&
			    frames[i].iov_len <= sc->limits.most);
		for (size_t k = 0; k < frames[i].iov_len; k++)
			seen ^= p[k];
		bytes += sc->limits.head_len + frames[i].iov_len;
	}
	FUZZ_ASSERT(n == 1 || bytes <= allowance);
}

static void give(struct scene *sc, unsigned done)
{
	const unsigned n = done < sc->peeked ? done : sc->peeked;

	if (!sc->peeked)
		return;
	FUZZ_ASSERT(n == sc->peeked || ring_cancel(&sc->ring, sc->peeked - n) == KM_OK);
	FUZZ_ASSERT(ring_release(&sc->ring, n) == KM_OK);
	sc->peeked = 0;
}

static void step(struct scene *sc, struct rd *rd)
{
	struct ring_page *page = (struct ring_page *)sc->page;
	struct lane_desc desc;
	unsigned at;

	switch (rd_u8(rd) % STEP_COUNT) {
	case STEP_FILL:
		at = rd_u8(rd) % SLOTS;
		desc.length = rd_u32(rd);
		desc.flags = rd_u8(rd);
		memcpy(sc->slots + at * STRIDE, &desc, sizeof(desc));
		break;
	case STEP_HEAD:
		atomic_fetch_add(&page->head, (uint64_t)(int64_t)(int8_t)rd_u8(rd));
		break;
	case STEP_PAGE:
		at = rd_u8(rd);
		sc->page[at] ^= rd_u8(rd);
		break;
	case STEP_GATHER:
		gather(sc, rd_u8(rd) * 16u);
		break;
	case STEP_GIVE:
		give(sc, rd_u8(rd));
		break;
	case STEP_ATTACH:
		attach(sc);
		break;
	}
	if (!sc->ring.dead && !sc->peeked)
		FUZZ_ASSERT(ring_ready(&sc->ring) <= (int64_t)SLOTS);
}

/* What is no ring at all: the memory is another length or place than was agreed. */
static void refuse_others(struct scene *sc)
{
	const size_t bytes = lane_ring_bytes(&sc->plan);
	struct ring ring;

	FUZZ_ASSERT(ring_attach_split(&ring, sc->page, 64, sc->slots, bytes, STRIDE, SLOTS,
				      RING_CONSUMER) == KM_ERR_RANGE);
	FUZZ_ASSERT(ring_attach_split(&ring, sc->page, LANE_PAGE, sc->slots, bytes - 1,
				      STRIDE, SLOTS, RING_CONSUMER) == KM_ERR_RANGE);
	FUZZ_ASSERT(ring_attach_split(&ring, sc->page + 8, LANE_PAGE - 8, sc->slots, bytes,
				      STRIDE, SLOTS, RING_CONSUMER) == KM_ERR_RANGE);
	FUZZ_ASSERT(ring_attach(&ring, sc->page, LANE_PAGE, STRIDE, SLOTS, RING_CONSUMER) ==
			    KM_ERR_RANGE &&
		    ring.dead);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene sc = {.plan = {.slots = SLOTS, .stride = STRIDE, .workers = 1}};
	struct rd rd;

	rd_init(&rd, data, size);
	sc.limits = (struct lane_in_limits){
		.least = 32, .most = 300, .head_len = rd_u8(&rd) & 63, .batch = BATCH};
	sc.page = aligned_alloc(64, LANE_PAGE);
	sc.slots = calloc(1, lane_ring_bytes(&sc.plan));
	FUZZ_ASSERT(sc.page && sc.slots);
	memset(sc.page, 0, LANE_PAGE);
	FUZZ_ASSERT(ring_format(sc.page, LANE_PAGE, STRIDE, SLOTS) == KM_OK);
	refuse_others(&sc);
	attach(&sc);
	fuzz_alloc_forbid();
	for (unsigned i = 0; i < STEPS_MAX && rd_left(&rd); i++)
		step(&sc, &rd);
	fuzz_alloc_permit();
	free(sc.page);
	free(sc.slots);
	return 0;
}
