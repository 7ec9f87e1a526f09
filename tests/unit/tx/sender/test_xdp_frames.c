// SPDX-License-Identifier: ISC
/* Chunks, descriptors and completions against a kernel of our own, whose rings are made by
 * hand. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "xdp_frames.h"

#define CHUNK 2048u
#define CHUNKS 64u

static struct kernel {
	uint32_t tx_producer, tx_consumer, done_producer, done_consumer, flags;
	struct xdp_desc tx[CHUNKS];
	uint64_t done[CHUNKS];
	uint8_t umem[CHUNKS * CHUNK];
	uint64_t memory[CHUNKS * 2]; /* xdp_frames_bytes(), aligned */
	/* taken and not completed yet */
	uint64_t out[CHUNKS];
	unsigned n_out;
} k;

static struct xdp_frames frames_begin(void)
{
	struct xdp_frames f = {0};

	memset(&k, 0, sizeof(k));
	cr_assert_leq(xdp_frames_bytes(CHUNKS), sizeof(k.memory));
	f.tx = (struct xsk_ring){.producer = &k.tx_producer,
				 .consumer = &k.tx_consumer,
				 .flags = &k.flags,
				 .desc = k.tx,
				 .size = CHUNKS,
				 .mask = CHUNKS - 1,
				 .ours = &k.tx_producer,
				 .theirs = &k.tx_consumer};
	f.completion = (struct xsk_ring){.producer = &k.done_producer,
					 .consumer = &k.done_consumer,
					 .flags = &k.flags,
					 .desc = k.done,
					 .size = CHUNKS,
					 .mask = CHUNKS - 1,
					 .ours = &k.done_consumer,
					 .theirs = &k.done_producer};
	xdp_frames_init(&f, k.umem, CHUNK, CHUNKS, k.memory);
	return f;
}

/* The kernel takes one frame: its bytes into TO, its chunks out. Returns its length. */
static uint32_t take(uint8_t *to)
{
	uint32_t len = 0;

	for (;;) {
		const struct xdp_desc *d = &k.tx[k.tx_consumer % CHUNKS];

		cr_assert_neq(k.tx_consumer, k.tx_producer, "a frame without its end");
		k.tx_consumer++;
		cr_assert(d->len > 0 && d->len <= CHUNK - d->addr % CHUNK);
		cr_assert_leq(d->addr + d->len, sizeof(k.umem));
		for (unsigned i = 0; i < k.n_out; i++)
			cr_assert_neq(k.out[i], d->addr, "a chunk that is out, again");
		k.out[k.n_out++] = d->addr;
		memcpy(to + len, k.umem + d->addr, d->len);
		len += d->len;
		if (!(d->options & XSK_DESC_CONTINUED))
			return len;
	}
}

static void complete(unsigned which)
{
	cr_assert_lt(which, k.n_out);
	k.done[k.done_producer++ % CHUNKS] = k.out[which];
	k.out[which] = k.out[--k.n_out];
}

static struct iovec frame(uint8_t *bytes, size_t len, uint8_t what)
{
	memset(bytes, what, len);
	return (struct iovec){bytes, len};
}

Test(xdp_frames, nothing_is_seen_before_submit)
{
	struct xdp_frames f = frames_begin();
	uint8_t bytes[100], got[100];
	struct iovec one = frame(bytes, 100, 7);

	cr_assert(xdp_frames_put(&f, &one));
	cr_assert_eq(k.tx_producer, 0);
	xdp_frames_submit(&f);
	cr_assert_eq(xdp_frames_waiting(&f), 1);
	cr_assert_eq(take(got), 100);
	cr_assert_arr_eq(got, bytes, 100);
	cr_assert_eq(xdp_frames_waiting(&f), 0);
}

/* Every length around the ends of chunks: as many buffers as it takes, the bytes in order. */
Test(xdp_frames, buffers_of_a_frame)
{
	static uint8_t bytes[5 * CHUNK], got[5 * CHUNK];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	for (unsigned n = 1; n <= 4; n++)
		for (int d = -1; d <= 1; d++) {
			struct xdp_frames f = frames_begin();
			const size_t len = (size_t)((int)(n * CHUNK) + d);
			struct iovec one = {bytes, len};

			cr_assert(xdp_frames_put(&f, &one));
			xdp_frames_submit(&f);
			cr_assert_eq(xdp_frames_waiting(&f), n + (d > 0));
			cr_assert_eq(take(got), len);
			cr_assert_arr_eq(got, bytes, len);
			cr_assert_eq(f.n_free, CHUNKS - n - (d > 0));
		}
}

/* All chunks are out: no frame until one is completed, and a long one not before there are
 * enough; a frame that does not fit leaves no trace. */
Test(xdp_frames, bounded)
{
	struct xdp_frames f = frames_begin();
	static uint8_t bytes[3 * CHUNK], got[CHUNK];
	struct iovec one = frame(bytes, 100, 1), three = {bytes, 3 * CHUNK};

	for (unsigned i = 0; i < CHUNKS; i++)
		cr_assert(xdp_frames_put(&f, &one));
	cr_assert_not(xdp_frames_put(&f, &one));
	xdp_frames_submit(&f);
	for (unsigned i = 0; i < CHUNKS; i++)
		(void)take(got);
	cr_assert_not(xdp_frames_put(&f, &one), "taken is not completed");
	complete(5);
	complete(0);
	cr_assert_eq(xdp_frames_reap(&f), 2);
	cr_assert_not(xdp_frames_put(&f, &three));
	cr_assert_eq(f.n_free, 2);
	complete(1);
	cr_assert_eq(xdp_frames_reap(&f), 1);
	cr_assert(xdp_frames_put(&f, &three));
	cr_assert_eq(f.n_free, 0);
	cr_assert_eq(f.violations, 0);
}

/* Chunks come back while the kernel has not taken what waits in the TX ring: the ring's own
 * room bounds. */
Test(xdp_frames, a_full_ring)
{
	struct xdp_frames f = frames_begin();
	uint8_t bytes[100];
	struct iovec one = frame(bytes, 100, 1);

	f.tx.size = 8;
	for (unsigned i = 0; i < 8; i++)
		cr_assert(xdp_frames_put(&f, &one));
	cr_assert_not(xdp_frames_put(&f, &one));
}

/* What no kernel says: chunks that are not out, that are none, twice, and an index too far. */
Test(xdp_frames, impossible_completions)
{
	struct xdp_frames f = frames_begin();
	uint8_t bytes[100], got[100];
	struct iovec one = frame(bytes, 100, 1);
	uint64_t addr;

	cr_assert(xdp_frames_put(&f, &one));
	xdp_frames_submit(&f);
	(void)take(got);
	addr = k.out[0];
	k.done[k.done_producer++] = addr + 1;
	k.done[k.done_producer++] = sizeof(k.umem);
	k.done[k.done_producer++] = UINT64_MAX - CHUNK + 1;
	k.done[k.done_producer++] = (addr + CHUNK) % sizeof(k.umem);
	k.done[k.done_producer++] = addr;
	k.done[k.done_producer++] = addr;
	cr_assert_eq(xdp_frames_reap(&f), 1);
	cr_assert_eq(f.violations, 5);
	cr_assert_eq(f.n_free, CHUNKS, "never more than there are");
	k.done_producer += CHUNKS + 1;
	cr_assert_eq(xdp_frames_reap(&f), 0);
	cr_assert_eq(f.violations, 6);
}

/* Frames of any length, completed in any order and late: what the kernel reads is what was
 * given, in order, and no chunk is written while it is out. */
Test(xdp_frames, by_chance)
{
	const char *given = getenv("KM_SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
	struct xdp_frames f = frames_begin();
	static uint8_t bytes[6 * CHUNK], got[6 * CHUNK];
	uint32_t length[CHUNKS];
	unsigned sent = 0, taken = 0;

	printf("KM_SEED=%u\n", seed);
	srand(seed);
	while (taken < 50000) {
		const size_t len = (size_t)(rand() % (int)sizeof(bytes)) + 1;
		struct iovec one = frame(bytes, len, (uint8_t)sent);

		if (rand() % 2 && xdp_frames_put(&f, &one)) {
			length[sent++ % CHUNKS] = (uint32_t)len;
			xdp_frames_submit(&f);
		}
		while (taken < sent && rand() % 3) {
			const uint32_t n = take(got);

			cr_assert_eq(n, length[taken % CHUNKS]);
			for (uint32_t i = 0; i < n; i++)
				cr_assert_eq(got[i], (uint8_t)taken);
			taken++;
		}
		while (k.n_out > 0 && rand() % 5)
			complete((unsigned)rand() % k.n_out);
		(void)xdp_frames_reap(&f);
	}
	cr_assert_eq(f.violations, 0);
}

/* The first bytes are the sender's, whatever the slot holds. */
Test(xdp_frames, head_is_ours)
{
	struct xdp_frames f = frames_begin();
	uint8_t bytes[CHUNK + 100], got[2 * CHUNK];
	const struct iovec one = {bytes, sizeof(bytes)};

	memset(bytes, 0xee, sizeof(bytes));
	memset(f.head, 0x11, sizeof(f.head));
	f.head_len = 18;
	cr_assert(xdp_frames_put(&f, &one));
	xdp_frames_submit(&f);
	cr_assert_eq(take(got), sizeof(bytes));
	cr_expect_arr_eq(got, f.head, 18);
	cr_expect_arr_eq(got + 18, bytes + 18, sizeof(bytes) - 18);
}
