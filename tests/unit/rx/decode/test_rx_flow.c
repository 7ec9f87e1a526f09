// SPDX-License-Identifier: ISC
/* End to end in one process: many windows over a link that loses, copies, swaps and
 * breaks frames; what comes out is right byte for byte, and every loss is named by its
 * number. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

#define WINDOWS 40u

struct flow {
	struct rig *rig;
	struct rig_tx *tx;
	struct rig_frames all;
	struct rig_window w[WINDOWS];
	uint8_t *dropped; /* per frame of `all` */
	uint64_t broken, copies;
};

static struct flow fl;
static bool have[WIRE_WINDOW_SYMBOLS_MAX];

static void make(uint64_t *state)
{
	memset(&fl, 0, sizeof(fl));
	fl.rig = rig_new(2048, 1 << 20);
	fl.tx = rig_tx_new(fl.rig, 77);
	for (unsigned i = 0; i < WINDOWS; i++) {
		struct rig_window *w = &fl.w[i];
		unsigned D = 1 + (unsigned)(rig_random(state) % 12);

		*w = (struct rig_window){
			.channel = RIG_CHANNEL,
			.number = i,
			.depth = D,
			.M = 8,
			.m = 8,
			.symbols = 1 + (uint32_t)(rig_random(state) % (D * 20)),
			.last_len = 100,
		};
		if (i % 3 == 0)
			rig_tx_announce(fl.tx, &fl.all);
		rig_tx_window(fl.tx, &fl.all, w);
		for (unsigned j = 0; j < 2; j++)
			rig_tx_close(fl.tx, &fl.all, w->channel, 0, i, w->symbols,
				     (uint16_t)(8 * (w->symbols < D ? w->symbols : D)));
		rig_tx_heartbeat(fl.tx, &fl.all, 0);
	}
	for (unsigned i = 0; i < 3; i++)
		rig_tx_heartbeat(fl.tx, &fl.all, RECORD_HB_FAREWELL);
	fl.dropped = calloc(fl.all.n, 1);
}

static void send_one(size_t i, uint64_t *state)
{
	struct rig_frame *f = &fl.all.v[i];

	if (rig_random(state) % 50 == 0 && f->h.type != FRAME_ANNOUNCE) {
		/* one bit of what is authenticated, on a copy that comes before */
		uint8_t bad[2048];
		size_t at = WIRE_ETHER_LEN + WIRE_HEADER_LEN +
			    (size_t)(rig_random(state) % f->h.length);

		memcpy(bad, f->p, f->len);
		bad[at] ^= 4;
		rig_push(fl.rig, bad, f->len);
		fl.broken++;
	}
	rig_push(fl.rig, f->p, f->len);
	if (rig_random(state) % 50 == 0 && f->h.type != FRAME_ANNOUNCE) {
		rig_push(fl.rig, f->p, f->len);
		fl.copies++;
	}
	if (i % 7 == 0)
		rig_run(fl.rig, RIG_MS);
}

static void finish(void)
{
	rig_run(fl.rig, RIG_MS);
	rig_wait(fl.rig, 3000 * RIG_MS);
	cr_assert_eq(rig_messages(fl.rig, DELIVER_SESSION_END), 1);
	rx_engine_gauges(&fl.rig->e);
	cr_assert_eq(rig_count(fl.rig, COUNT_HELD), 0);
}

/* Lost as rx says it, against our own list: number by number. */
static void compare_losses(void)
{
	uint64_t want = 0, said = 0;
	uint8_t *lost[2];

	for (unsigned l = 0; l < 2; l++)
		lost[l] = calloc(fl.all.n + 1, 1);
	for (size_t i = 0; i < fl.rig->msgs_n; i++) {
		const struct deliver_msg *m = &fl.rig->msgs[i].msg;

		if (m->type != DELIVER_LOST)
			continue;
		cr_assert(m->lane == RIG_LANE_CONTROL || m->lane == RIG_LANE_DATA);
		for (uint64_t n = m->a; n <= m->b; n++) {
			cr_assert(n < fl.all.n);
			lost[m->lane == RIG_LANE_DATA][n]++;
			said++;
		}
	}
	for (size_t i = 0; i < fl.all.n; i++) {
		const struct frame_header *h = &fl.all.v[i].h;

		if (h->type == FRAME_ANNOUNCE)
			continue;
		cr_assert_eq(lost[h->lane == RIG_LANE_DATA][h->seq], fl.dropped[i],
			     "lane %u number %u", h->lane, (unsigned)h->seq);
		want += fl.dropped[i];
	}
	cr_assert_eq(said, want);
	cr_assert_eq(rig_count(fl.rig, COUNT_LOST), want);
	cr_assert_eq(rig_count(fl.rig, COUNT_REFUSED_AUTH) +
			     rig_count(fl.rig, COUNT_REFUSED_DUPLICATE),
		     fl.broken + fl.copies);
	for (unsigned l = 0; l < 2; l++)
		free(lost[l]);
}

static void done(void)
{
	free(fl.dropped);
	rig_frames_free(&fl.all);
	rig_tx_free(fl.tx);
	rig_free(fl.rig);
}

/* Loss that the code can repair: everything arrives. */
Test(flow, one_percent_loss_loses_nothing, .timeout = 120)
{
	uint64_t state = rig_seed();
	uint64_t repaired = 0;

	make(&state);
	for (size_t i = 0; i < fl.all.n; i++) {
		const struct frame_header *h = &fl.all.v[i].h;

		if (i > 0 && i + 3 < fl.all.n && h->type != FRAME_ANNOUNCE &&
		    rig_random(&state) % 100 == 0) {
			fl.dropped[i] = 1;
			repaired += h->type == FRAME_SOURCE && h->channel == RIG_CHANNEL;
			continue;
		}
		send_one(i, &state);
	}
	finish();
	compare_losses();
	for (unsigned i = 0; i < WINDOWS; i++)
		cr_assert_eq(rig_arrived(fl.rig, &fl.w[i], have), fl.w[i].symbols,
			     "window %u", i);
	cr_assert_eq(rig_count(fl.rig, COUNT_SYMBOLS_MISSING), 0);
	cr_assert_eq(rig_count(fl.rig, COUNT_SYMBOLS_REPAIRED), repaired);
	cr_assert_eq(rig_messages(fl.rig, DELIVER_WINDOW), 0);
	done();
}

/* Bursts, swaps, loss far beyond repair, tail lost: nothing is silent, the rest is
 * right. */
static void rough(uint64_t seed)
{
	uint64_t state = seed, missing = 0, named = 0;
	size_t burst = 0, *order;

	make(&state);
	order = malloc(fl.all.n * sizeof(*order));
	for (size_t i = 0; i < fl.all.n; i++)
		order[i] = i;
	for (size_t i = 0; i + 8 < fl.all.n; i++) {
		size_t j = i + (size_t)(rig_random(&state) % 8), t = order[i];

		order[i] = order[j];
		order[j] = t;
	}
	for (size_t n = 0; n < fl.all.n; n++) {
		size_t i = order[n];
		bool keep = fl.all.v[i].h.type == FRAME_ANNOUNCE || i + 3 >= fl.all.n;

		if (rig_random(&state) % 300 == 0)
			burst = (size_t)(rig_random(&state) % 120);
		if (burst)
			burst--;
		if (!keep && (burst || rig_random(&state) % 20 == 0)) {
			fl.dropped[i] = 1;
			continue;
		}
		send_one(i, &state);
	}
	free(order);
	finish();
	compare_losses();
	for (unsigned i = 0; i < WINDOWS; i++)
		missing += fl.w[i].symbols - rig_arrived(fl.rig, &fl.w[i], have);
	for (size_t i = 0; i < rig_messages(fl.rig, DELIVER_WINDOW); i++)
		named += rig_find(fl.rig, DELIVER_WINDOW, i)->msg.a;
	cr_assert_eq(named, rig_count(fl.rig, COUNT_SYMBOLS_MISSING));
	/* A symbol may come after its window was given up (then it was named and still
	 * arrived), or stand behind the last thing ever seen of its window. */
	cr_assert_leq(missing, named + fl.rig->e.counts.v[COUNT_LOST]);
	done();
}

Test(flow, rough_link, .timeout = 240)
{
	uint64_t seed = rig_seed();

	for (unsigned i = 0; i < 12; i++)
		rough(seed + i);
}

Test(flow, recording_ends)
{
	uint64_t state = 4;

	make(&state);
	for (size_t i = 0; i < 60; i++)
		send_one(i, &state);
	rig_run(fl.rig, RIG_MS);
	rx_engine_stop(&fl.rig->e, true);
	rig_run(fl.rig, 30 * RIG_MS);
	rig_run(fl.rig, 30 * RIG_MS);
	cr_assert_eq(rig_find(fl.rig, DELIVER_SESSION_END, 0)->msg.a, RX_SESSION_VANISHED);
	cr_assert_eq(fl.rig->e.windows.pool.used, 1, "all but the landing slot");
	done();
}
