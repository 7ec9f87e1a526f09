// SPDX-License-Identifier: ISC
#include "load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "clock.h"
#include "crc32.h"
#include "lane.h"
#include "link_packet.h"
#include "link_udp.h"
#include "linktest_sent.h"
#include "log.h"
#include "pace.h"
#include "sender_cage.h"
#include "shm.h"
#include "tx_config.h"

#define LOAD_LOOK_NS (5 * CLOCK_NS_PER_MS)
/* A schedule is announced this often before it begins. */
#define LOAD_HELLO_NS (10 * CLOCK_NS_PER_MS)
/* What tx made of a step is said so often, and so again when all are over. */
#define LOAD_REPEATS 3u
#define LOAD_REPEAT_NS CLOCK_NS_PER_MS
/* A step may take so many times its time before it is cut short. */
#define LOAD_SLOWER_MAX 2u
/* A rate is reached when less than 2 % are missing. */
#define LOAD_REACHED_PERCENT 98u

struct load {
	struct role_ctx *ctx;
	struct tx_config config;
	struct cage cage;
	struct shm_map map;
	struct linktest_sent *page;
	struct linktest_plan plan;
	uint32_t run;
	struct linktest_step step[LINKTEST_STEPS_MAX];
	unsigned steps;
	struct link_packet link;
	struct link_udp udp;
	bool is_udp;
	uint32_t head_len; /* udp: written by link_udp */
	uint8_t plan_bytes[LINKTEST_PLAN_LEN];
	uint32_t plan_crc;
	uint64_t next_seq; /* of frames that are no load */
	uint8_t *frames;   /* batch slots of frame_max bytes */
	uint32_t frame_max, batch, ether_len;
	uint64_t look_ns;
	bool stop;
};

static int open_link(struct load *l, struct km_err *err)
{
	if (link_packet_open(&l->link, l->config.interface,
			     tx_config_send_buffer(&l->config), err) < 0)
		return -1;
	if (l->link.mtu < l->plan.size[l->plan.sizes - 1])
		return km_err_set(
			err, EX_CONFIG, "interface %s: MTU %u is below the largest size %u",
			l->config.interface, l->link.mtu, l->plan.size[l->plan.sizes - 1]);
	l->ether_len = tx_config_link_header_len(&l->config);
	l->batch = LINK_PACKET_BATCH;
	l->is_udp = l->config.framing == TX_FRAMING_UDP;
	if (!l->is_udp)
		return 0;
	link_udp_open(&l->udp, &l->link, &l->config);
	l->head_len = link_udp_head_len(&l->udp);
	l->ether_len = 0;
	l->batch = LINK_UDP_BATCH;
	return 0;
}

/* The supervisor's part of the page, judged once and kept. */
static int take_plan(struct load *l, struct km_err *err)
{
	if (shm_map(&l->map, LINKTEST_FD_SENT, sizeof(*l->page), SHM_MAP_WRITE, err) < 0)
		return km_err_prefix(err, "page of results");
	l->page = l->map.p;
	l->plan = l->page->plan;
	l->run = l->page->run;
	if (linktest_plan_check(&l->plan) != KM_OK)
		return km_err_set(err, EX_SOFTWARE, "schedule out of range");
	l->steps = linktest_steps(&l->plan, l->step);
	l->next_seq = linktest_frames(l->step, l->steps);
	linktest_plan_encode(l->plan_bytes, &l->plan);
	l->plan_crc = crc32_add(0, l->plan_bytes, LINKTEST_PLAN_LEN);
	return 0;
}

static int set_up(struct load *l, struct km_err *err)
{
	if (tx_config_for_role(&l->config, TX_FD_CONFIG, l->ctx->argc, l->ctx->argv, err) <
	    0)
		return -1;
	if (take_plan(l, err) < 0 || open_link(l, err) < 0)
		return -1;
	l->frame_max = l->ether_len + l->plan.size[l->plan.sizes - 1];
	l->frames = calloc(l->batch, l->frame_max);
	if (!l->frames)
		return km_err_set(err, EX_OSERR, "out of memory");
	if (sandbox_drop_caps(0, &l->ctx->sandbox, err) < 0)
		return -1;
	(void)prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	sender_cage(&l->cage, &l->config, l->link.fd, -1);
	if (role_cage(l->ctx, &l->cage, err) < 0)
		return -1;
	return role_ready(l->ctx, "link socket deaf (protocol 0, filter locked)", err);
}

/* The frame FRAME of SIZE into the first N slots; *BYTES are those of a slot. */
static void fill(struct load *l, const struct linktest_frame *frame, uint16_t size,
		 unsigned n, uint32_t *bytes)
{
	const uint32_t carrier = tx_config_carrier_len(&l->config);
	uint8_t ether[WIRE_ETHER_VLAN_LEN];

	tx_config_link_header(&l->config, ether);
	*bytes = l->ether_len + size - carrier;
	for (unsigned i = 0; i < n; i++) {
		uint8_t *slot = l->frames + (size_t)i * l->frame_max;

		memcpy(slot, ether, l->ether_len);
		linktest_encode(slot + l->ether_len, frame, l->plan_bytes,
				(uint16_t)(size - carrier - WIRE_HEADER_LEN));
	}
}

/* Hand over the first N slots of BYTES; *DONE of them were taken. */
static enum km_rc hand_over(struct load *l, unsigned n, uint32_t bytes, unsigned *done)
{
	struct iovec frames[LINK_UDP_BATCH];

	for (unsigned i = 0; i < n; i++)
		frames[i] = (struct iovec){l->frames + (size_t)i * l->frame_max, bytes};
	if (l->is_udp)
		return link_udp_send(&l->udp, frames, n, LINK_UDP_TRAIN, done);
	return link_packet_send(&l->link, frames, n, done);
}

static void look_for_stop(struct load *l, uint64_t now_ns)
{
	if (now_ns < l->look_ns)
		return;
	l->look_ns = now_ns + LOAD_LOOK_NS;
	l->stop = l->stop || role_stop_requested(l->ctx);
}

static void rest(struct load *l, uint64_t until_ns)
{
	uint64_t now_ns;

	while (!l->stop && (now_ns = clock_mono_ns()) < until_ns) {
		look_for_stop(l, now_ns);
		clock_sleep_until(until_ns < l->look_ns ? until_ns : l->look_ns);
	}
}

static int failed(struct load *l, enum km_rc rc, struct km_err *err)
{
	if (rc == KM_ERR_TIMEOUT)
		return km_err_set(err, EX_UNAVAILABLE,
				  "interface %s is down: `ip link set %s up`",
				  l->config.interface, l->config.interface);
	return km_err_set_errno(err, EX_UNAVAILABLE,
				"interface %s is gone or refuses frames",
				l->config.interface);
}

/* One frame that is no load. */
static int say(struct load *l, enum linktest_kind kind, uint32_t step, uint32_t flags,
	       struct km_err *err)
{
	struct linktest_frame f = {
		.run = l->run, .seq = l->next_seq++, .step = step, .kind = (uint8_t)kind};
	uint32_t bytes;
	unsigned done;
	enum km_rc rc;

	if (kind == LINKTEST_END) {
		const struct linktest_sent_step *s = &l->page->step[step];

		f.flags = (uint8_t)(s->flags | flags);
		f.sent = s->sent;
		f.elapsed_ns = s->elapsed_ns;
	}
	fill(l, &f, l->plan.size[0], 1, &bytes);
	rc = hand_over(l, 1, bytes, &done);
	if (rc != KM_OK)
		return failed(l, rc, err);
	rest(l, clock_mono_ns() + LOAD_REPEAT_NS);
	return 0;
}

/* How many may leave now; 0: it has slept, ask again. */
static unsigned allowance(struct load *l, const struct linktest_step *step,
			  struct pace *pace, uint32_t on_wire, uint64_t now_ns)
{
	uint64_t until_ns, n;

	if (step->burst)
		return l->batch;
	until_ns = pace_until_ns(pace, now_ns);
	if (until_ns > 0) {
		clock_wait_until(now_ns, until_ns);
		return 0;
	}
	n = pace_allowance(pace, now_ns) / on_wire;
	return n < 1 ? 1 : n > l->batch ? l->batch : (unsigned)n;
}

/* The frames of a step, until all are sent or LIMIT; how many into *SENT. */
static int run_frames(struct load *l, const struct linktest_step *step, uint64_t limit_ns,
		      uint64_t *sent, struct km_err *err)
{
	const struct linktest_frame f = {
		.run = l->run, .step = (uint32_t)(step - l->step), .kind = LINKTEST_LOAD};
	struct pace pace;
	uint32_t bytes, on_wire;
	uint64_t now_ns = clock_mono_ns();

	fill(l, &f, step->size, l->batch, &bytes);
	on_wire = l->head_len + bytes;
	pace_init(&pace, (uint64_t)step->rate_kbps * 1000, on_wire, PACE_BURST_FRAMES,
		  now_ns);
	*sent = 0;
	while (!l->stop && *sent < step->frames && now_ns < limit_ns) {
		unsigned n = allowance(l, step, &pace, on_wire, now_ns), done;
		enum km_rc rc;

		if (n > step->frames - *sent)
			n = (unsigned)(step->frames - *sent);
		for (unsigned i = 0; i < n; i++)
			linktest_renumber(l->frames + (size_t)i * l->frame_max +
						  l->ether_len,
					  step->first + *sent + i, l->plan_crc);
		rc = n ? hand_over(l, n, bytes, &done) : KM_OK;
		if (n) {
			*sent += done;
			pace_sent(&pace, (uint64_t)done * on_wire);
		}
		if (rc != KM_OK)
			return failed(l, rc, err);
		now_ns = clock_mono_ns();
		look_for_stop(l, now_ns);
	}
	return 0;
}

static uint32_t judge(const struct linktest_step *step, uint64_t sent, uint64_t elapsed_ns)
{
	/* bits x 10^6 / ns = kbit/s; 4 Mi frames of 64 KiB are 2^41 bits */
	uint64_t kbps = sent * linktest_frame_bits(step->size) * UINT64_C(1000000) /
			(elapsed_ns ? elapsed_ns : 1);
	uint32_t flags = sent < step->frames ? LINKTEST_CUT : 0;

	/* a step of a few frames has no rate to speak of: the last one has no time */
	if (!step->burst && step->frames >= 10 &&
	    kbps * 100 < (uint64_t)step->rate_kbps * LOAD_REACHED_PERCENT)
		flags |= LINKTEST_SLOWER;
	return flags;
}

static int run_step(struct load *l, unsigned number, struct km_err *err)
{
	const struct linktest_step *step = &l->step[number];
	struct linktest_sent_step *out = &l->page->step[number];
	const uint64_t pause_ns = l->plan.pause_ms * CLOCK_NS_PER_MS;
	uint64_t start_ns = clock_mono_ns(), enobufs = l->link.enobufs;
	uint64_t limit_ns = start_ns + (step->burst ? step->away_ms : l->plan.step_ms) *
					       CLOCK_NS_PER_MS *
					       (step->burst ? 1 : LOAD_SLOWER_MAX);

	if (run_frames(l, step, limit_ns, &out->sent, err) < 0)
		return -1;
	out->elapsed_ns = clock_mono_ns() - start_ns;
	out->enobufs = l->link.enobufs - enobufs;
	out->flags = judge(step, out->sent, out->elapsed_ns);
	out->trains = l->is_udp && l->udp.trains == LINK_UDP_ON;
	link_packet_check_deaf(&l->link);
	atomic_store(&l->page->heard, l->link.heard);
	atomic_store(&l->page->done, number + 1);
	/* not before the receiver reads again */
	rest(l,
	     (step->burst ? start_ns + step->away_ms * CLOCK_NS_PER_MS : clock_mono_ns()) +
		     pause_ns / 2);
	for (unsigned i = 0; i < LOAD_REPEATS; i++)
		if (say(l, LINKTEST_END, number, 0, err) < 0)
			return -1;
	rest(l, clock_mono_ns() + pause_ns / 2);
	return 0;
}

static int hello(struct load *l, struct km_err *err)
{
	uint64_t until_ns = clock_mono_ns() + l->page->hello_ms * CLOCK_NS_PER_MS;

	do {
		if (say(l, LINKTEST_HELLO, 0, 0, err) < 0)
			return -1;
		rest(l, clock_mono_ns() + LOAD_HELLO_NS);
	} while (!l->stop && clock_mono_ns() < until_ns);
	return 0;
}

/* Everything once more, for a receiver that missed it; and that nothing follows. After a stop
 * too: the receiver should know how far tx came. */
static int goodbye(struct load *l, struct km_err *err)
{
	uint32_t done = atomic_load(&l->page->done);

	for (unsigned i = 0; i < LOAD_REPEATS; i++) {
		for (uint32_t step = 0; step < done; step++)
			if (say(l, LINKTEST_END, step, LINKTEST_LAST, err) < 0)
				return -1;
		for (unsigned k = 0; k < LOAD_REPEATS; k++)
			if (say(l, LINKTEST_OVER, done, 0, err) < 0)
				return -1;
	}
	return 0;
}

static int work(struct load *l, struct km_err *err)
{
	if (hello(l, err) < 0)
		return -1;
	for (unsigned i = 0; i < l->steps && !l->stop; i++)
		if (run_step(l, i, err) < 0)
			return -1;
	if (goodbye(l, err) < 0)
		return -1;
	atomic_store(&l->page->over, 1);
	return 0;
}

int load_main(struct role_ctx *ctx)
{
	static struct load self;
	struct km_err err = KM_ERR_INIT;

	self.ctx = ctx;
	self.link.fd = -1;
	if ((set_up(&self, &err) < 0 || work(&self, &err) < 0) && err.code != 0)
		log_event(EVENT_DAEMON_FAILED, "%s", err.text);
	link_packet_close(&self.link);
	free(self.frames);
	return err.code;
}
