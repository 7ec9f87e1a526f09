// SPDX-License-Identifier: ISC
/*
 * One-way latency of realtime frames into decode: from before a frame is sealed until its
 * record is a message in the ring to publish. The rings are those that capture opens, the
 * engine is decode's, its loop is that of decode.c; what follows (the wake-up of publish
 * or of a sink) is not in the figure.
 *
 *	km-bench-realtime INTERFACE SOCKET one|two|spin SECONDS BULK
 *
 * SOCKET: number of an open packet socket that sends to INTERFACE. Frames of 250 bytes of
 * class realtime leave at random 2 to 6 ms; beside them BULK frames of 582 bytes of class
 * normal per second. Prints `p50 p90 p99 max n bulk`: microseconds, samples, and frames/s
 * of the bulk that decode opened.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "clock.h"
#include "link_packet_ring.h"
#include "record.h"
#include "rig.h"

#define SAMPLES_MAX 100000u
#define REALTIME_LANE 1u
#define SPIN_NS UINT64_C(50000) /* as decode.c */
#define BULK_BATCH 32u

struct bench {
	struct rig *rig;
	struct rig_tx *tx;
	int sock;
	bool spin;
	uint64_t until_ns;
	unsigned bulk; /* frames/s */
	double us[SAMPLES_MAX];
	unsigned n;
};

static void die(const char *what)
{
	fprintf(stderr, "km-bench-realtime: %s\n", what);
	exit(1);
}

static void send_frame(const struct bench *b, const struct rig_frame *f)
{
	if (send(b->sock, f->p, f->len, 0) != (ssize_t)f->len)
		die("send");
}

static void *send_realtime(void *arg)
{
	struct bench *b = arg;
	uint64_t state = rig_seed(), next_ns = clock_mono_ns();

	(void)prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	for (uint32_t i = 0; next_ns < b->until_ns; i++) {
		struct frame_header h = {.type = FRAME_SOURCE,
					 .lane = REALTIME_LANE,
					 .channel = RIG_CHANNEL + 1,
					 .depth = 1,
					 .window = i / 200,
					 .index = (uint16_t)(i % 200)};
		struct rig_frames out = {0};
		uint8_t payload[180] = {0}, *to;
		size_t taken;
		struct wr wr;
		uint64_t now_ns;

		next_ns += 2 * RIG_MS + rig_random(&state) % (4 * RIG_MS);
		clock_sleep_until(next_ns);
		wr_init(&wr, payload, sizeof(payload));
		if (record_put_fragment(&wr, 1, 1, (uint64_t)i * 1000, 160, &to, &taken) !=
		    KM_OK)
			die("record");
		now_ns = clock_mono_ns();
		memcpy(to, &now_ns, sizeof(now_ns));
		rig_tx_frame(b->tx, &out, h, payload, wr.used);
		send_frame(b, &out.v[0]);
		rig_frames_free(&out);
	}
	return NULL;
}

static void *send_bulk(void *arg)
{
	struct bench *b = arg;
	uint64_t next_ns = clock_mono_ns();
	struct rig_window w = {.channel = RIG_CHANNEL, .depth = 1, .symbols = 240};

	(void)prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	for (; b->bulk && next_ns < b->until_ns; w.number++) {
		struct rig_frames out = {0};

		rig_tx_window(b->tx, &out, &w);
		for (size_t i = 0; i < out.n; i++) {
			if (i % BULK_BATCH == 0)
				clock_sleep_until(next_ns);
			send_frame(b, &out.v[i]);
			next_ns += CLOCK_NS_PER_SEC / b->bulk;
		}
		rig_frames_free(&out);
	}
	return NULL;
}

/* What publish would get, and when. */
static void take_messages(struct bench *b)
{
	struct ring *ring = &b->rig->publish;
	uint64_t at, sent_ns, now_ns = clock_mono_ns();
	uint32_t n;

	while (ring_peek(ring, 1024, &at, &n) == KM_OK) {
		for (uint32_t i = 0; i < n; i++) {
			const struct deliver_msg *m = ring_slot(ring, at + i);

			if (m->type != DELIVER_FRAGMENT || m->channel != RIG_CHANNEL + 1 ||
			    b->n == SAMPLES_MAX)
				continue;
			memcpy(&sent_ns, b->rig->maps.segment + m->pos, sizeof(sent_ns));
			b->us[b->n++] = (double)(now_ns - sent_ns) / 1000;
		}
		if (ring_release(ring, n) != KM_OK)
			die("publish ring");
	}
}

/* The loop of decode.c. */
static void receive(struct bench *b)
{
	struct rx_engine *e = &b->rig->e;
	uint64_t now_ns;

	while ((now_ns = clock_mono_ns()) < b->until_ns) {
		unsigned frames = rx_engine_step(e, now_ns);

		take_messages(b);
		if (frames)
			continue;
		if (b->spin)
			feed_slots_spin(&e->realtime, SPIN_NS);
		else
			feed_wait(&e->realtime, &e->feed, rx_engine_idle_ms(e));
	}
}

static void open_rings(struct bench *b, const char *interface, bool two)
{
	struct intake_plan plan = {
		.form = INTAKE_RING,
		.block_bytes = 1u << 18,
		.blocks = 256,
		.retire_ms = 2,
		.frame_max = 1518,
		.slot_bytes = 2048,
		.slots = two ? 8192 : 0,
	};
	const struct link_match match = {.ethertype = WIRE_ETHERTYPE};
	struct km_err err = KM_ERR_INIT;
	struct link_packet_rings rings;
	bool refused;

	if (link_packet_rings_open(&rings, interface, &match, &plan, &refused, &err) != 0 ||
	    feed_ring_open(&b->rig->e.feed, rings.ring, &plan, &err) != 0 ||
	    (two && feed_slots_open(&b->rig->e.realtime, rings.realtime, &plan, &err) != 0))
		die(err.text);
}

static void begin_session(struct bench *b)
{
	struct rig_frames out = {0};

	b->tx = rig_tx_new(b->rig, 1000);
	rig_tx_announce(b->tx, &out);
	send_frame(b, &out.v[0]);
	for (unsigned i = 0; i < 100 && rig_count(b->rig, COUNT_SESSIONS) == 0; i++) {
		clock_sleep_until(clock_mono_ns() + RIG_MS);
		b->rig->now_ns = clock_mono_ns();
		rig_run(b->rig, 0);
	}
	if (rig_count(b->rig, COUNT_SESSIONS) != 1)
		die("the session was not accepted");
	rig_frames_free(&out);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	static struct bench b;
	pthread_t realtime, bulk;
	double seconds;

	if (argc != 6)
		die("arguments");
	b.rig = rig_new(20000, 1 << 20);
	b.sock = atoi(argv[2]);
	b.spin = strcmp(argv[3], "spin") == 0;
	seconds = atof(argv[4]);
	b.bulk = (unsigned)atoi(argv[5]);
	open_rings(&b, argv[1], strcmp(argv[3], "one") != 0);
	begin_session(&b);
	b.until_ns = clock_mono_ns() + (uint64_t)(seconds * 1e9);
	if (pthread_create(&realtime, NULL, send_realtime, &b) != 0 ||
	    pthread_create(&bulk, NULL, send_bulk, &b) != 0)
		die("threads");
	receive(&b);
	(void)pthread_join(realtime, NULL);
	(void)pthread_join(bulk, NULL);
	if (b.n < 10)
		die("nothing came");
	qsort(b.us, b.n, sizeof(*b.us), compare);
	printf("%.1f %.1f %.1f %.1f %u %.0f\n", b.us[b.n / 2], b.us[b.n * 9 / 10],
	       b.us[b.n * 99 / 100], b.us[b.n - 1], b.n,
	       (double)b.rig->e.sessions.current->lane[3].account.taken / seconds);
	return 0;
}
