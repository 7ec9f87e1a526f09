// SPDX-License-Identifier: ISC
/*
 * Filling of lanes. Each lane has one message: its whole blocks where they stand, then the
 * one or two blocks of padding, made on the stack when the lane is loaded. All lanes step
 * together by as many blocks as the shortest has; whoever is done is replaced by the next
 * message.
 */
#include "digest_kern.h"

#include <string.h>

#define LENGTH_BYTES 8u /* of the length behind the padding */

struct lane {
	const uint8_t *at;
	size_t blocks;	      /* from at on */
	unsigned tail_blocks; /* of padding; 0 once at is in it */
	uint8_t *out;	      /* NULL: the lane idles */
	uint8_t tail[2 * DIGEST_BLOCK];
};

struct lanes {
	const struct digest_ops *ops;
	unsigned busy;
	_Alignas(64) uint32_t state[DIGEST_WORDS * DIGEST_LANES_MAX];
	struct lane lane[DIGEST_LANES_MAX];
};

/* What is not in a lane yet. */
struct queue {
	const struct digest_job *jobs;
	size_t n;
};

const uint32_t digest_iv[DIGEST_WORDS] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

const uint32_t digest_k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static void state_set(struct lanes *ls, unsigned l, const uint32_t words[DIGEST_WORDS])
{
	for (unsigned w = 0; w < DIGEST_WORDS; w++)
		ls->state[w * ls->ops->lanes + l] = words[w];
}

static void state_get(const struct lanes *ls, unsigned l, uint32_t words[DIGEST_WORDS])
{
	for (unsigned w = 0; w < DIGEST_WORDS; w++)
		words[w] = ls->state[w * ls->ops->lanes + l];
}

static void put_be(uint8_t *p, uint64_t v, unsigned bytes)
{
	while (bytes--) {
		p[bytes] = (uint8_t)v;
		v >>= 8;
	}
}

static void begin_tail(struct lane *lane)
{
	lane->at = lane->tail;
	lane->blocks = lane->tail_blocks;
	lane->tail_blocks = 0;
}

static void lane_load(struct lanes *ls, unsigned l, const struct digest_job *job)
{
	struct lane *lane = &ls->lane[l];
	const size_t rest = job->len % DIGEST_BLOCK;
	size_t end;

	lane->at = job->p;
	lane->blocks = job->len / DIGEST_BLOCK;
	lane->tail_blocks = rest < DIGEST_BLOCK - LENGTH_BYTES ? 1 : 2;
	lane->out = job->out;
	end = lane->tail_blocks * DIGEST_BLOCK;
	memset(lane->tail, 0, end);
	if (rest)
		memcpy(lane->tail, lane->at + (job->len - rest), rest);
	lane->tail[rest] = 0x80;
	put_be(lane->tail + end - LENGTH_BYTES, (uint64_t)job->len * 8, LENGTH_BYTES);
	if (!lane->blocks)
		begin_tail(lane);
	state_set(ls, l, digest_iv);
	ls->busy++;
}

static void lane_finish(struct lanes *ls, unsigned l)
{
	uint32_t words[DIGEST_WORDS];

	state_get(ls, l, words);
	for (unsigned w = 0; w < DIGEST_WORDS; w++)
		put_be(ls->lane[l].out + 4 * w, words[w], 4);
	ls->lane[l].out = NULL;
	ls->busy--;
}

static void queue_next(struct queue *q, struct lanes *ls, unsigned l)
{
	if (!q->n)
		return;
	lane_load(ls, l, q->jobs);
	q->jobs++;
	q->n--;
}

/* All busy lanes, as far as the shortest goes; then those at an end move on. */
static void step(struct lanes *ls, struct queue *q)
{
	const uint8_t *data[DIGEST_LANES_MAX];
	const uint8_t *some = NULL; /* what idle lanes read: anything that is long enough */
	size_t count = SIZE_MAX;

	for (unsigned l = 0; l < ls->ops->lanes; l++)
		if (ls->lane[l].out) {
			some = ls->lane[l].at;
			count = ls->lane[l].blocks < count ? ls->lane[l].blocks : count;
		}
	for (unsigned l = 0; l < ls->ops->lanes; l++)
		data[l] = ls->lane[l].out ? ls->lane[l].at : some;
	ls->ops->blocks(ls->state, data, count);
	for (unsigned l = 0; l < ls->ops->lanes; l++) {
		struct lane *lane = &ls->lane[l];

		if (!lane->out)
			continue;
		lane->at += count * DIGEST_BLOCK;
		lane->blocks -= count;
		if (lane->blocks)
			continue;
		if (lane->tail_blocks) {
			begin_tail(lane);
		} else {
			lane_finish(ls, l);
			queue_next(q, ls, l);
		}
	}
}

/* Run until fewer than `least` messages are left, in lanes or waiting. */
static void run(struct lanes *ls, struct queue *q, unsigned least)
{
	while (ls->busy && ls->busy + q->n >= least)
		step(ls, q);
}

static void open_lanes(struct lanes *ls, const struct digest_ops *ops, struct queue *q)
{
	ls->ops = ops;
	ls->busy = 0;
	/* Lanes stay busy only for a kernel that is there.
	 * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	for (unsigned l = 0; l < ops->lanes; l++) {
		ls->lane[l].out = NULL;
		queue_next(q, ls, l);
	}
}

/* A lane of `from` goes on in lane l of `to`, which idles. */
static void hand_over(struct lanes *to, unsigned l, struct lanes *from, unsigned of)
{
	const struct lane *old = &from->lane[of];
	struct lane *lane = &to->lane[l];
	uint32_t words[DIGEST_WORDS];

	*lane = *old;
	if (!old->tail_blocks)
		lane->at = lane->tail + (old->at - old->tail);
	state_get(from, of, words);
	state_set(to, l, words);
	from->lane[of].out = NULL;
	from->busy--;
	to->busy++;
}

/* What the wide kernel left, by the narrow one. */
static void drain(struct lanes *narrow, struct lanes *wide, struct queue *q)
{
	unsigned of = 0;

	do {
		for (unsigned l = 0; l < narrow->ops->lanes; l++) {
			if (narrow->lane[l].out)
				continue;
			while (of < wide->ops->lanes && !wide->lane[of].out)
				of++;
			if (of < wide->ops->lanes)
				hand_over(narrow, l, wide, of);
		}
		/* As long as others wait a lane that falls free is filled at once. */
		run(narrow, q, wide->busy ? narrow->busy : 1);
	} while (narrow->busy || wide->busy);
}

void digest_many_by(const struct digest_serve *serve, const struct digest_job *jobs,
		    size_t n)
{
	struct queue q = {jobs, n};
	struct queue none = {NULL, 0};
	struct lanes wide, narrow;

	/* One message alone: interleaving it with nothing is no faster than libcrypto. */
	if (n < 2 || (!serve->wide && !serve->narrow)) {
		for (size_t i = 0; i < n; i++)
			digest_sha256(jobs[i].out, jobs[i].p, jobs[i].len);
		return;
	}
	if (!serve->wide || (serve->narrow && n < DIGEST_WIDE_WORTH)) {
		open_lanes(&narrow, serve->narrow, &q);
		run(&narrow, &q, 1);
		return;
	}
	open_lanes(&wide, serve->wide, &q);
	run(&wide, &q, serve->narrow ? DIGEST_WIDE_WORTH : 1);
	if (wide.busy) {
		open_lanes(&narrow, serve->narrow, &none);
		drain(&narrow, &wide, &none);
	}
}
