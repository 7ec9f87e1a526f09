// SPDX-License-Identifier: ISC
#include "bench_link.h"

#include <linux/if_ether.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "feed.h"
#include "link_packet_ring.h"

#define RECEIVE_BATCH 64u /* as decode takes them */
#define RECEIVE_RETIRE_MS 2u
#define RECEIVE_WAIT_MS 50

struct receiver {
	const struct bench_link_options *o;
	struct link_packet_rings rings;
	struct feed feed;
	size_t payload;
	uint64_t frames, torn, next, backwards;
	uint64_t packets; /* a super-frame counts one */
	uint64_t sent;	  /* as the end frame says */
	uint64_t first_ns, last_ns, cpu_first, cpu_last;
	bool ended;
};

static void receive_open(struct receiver *r)
{
	const struct intake_plan plan = {
		.form = INTAKE_RING,
		.block_bytes = r->o->block_kib << 10,
		.blocks = (r->o->ring_mib << 10) / r->o->block_kib,
		.retire_ms = RECEIVE_RETIRE_MS,
		.frame_max = BENCH_LINK_ETHER_LEN + r->o->mtu,
	};
	struct link_match match = {.ethertype = BENCH_LINK_ETHERTYPE};
	struct km_err err = {0};
	bool refused;

	if (r->o->udp)
		match = (struct link_match){
			.ethertype = ETH_P_IP,
			.udp = true,
			.longest = BENCH_LINK_ETHER_LEN + r->o->mtu,
			.path.to = {{192, 0, 2, 2}, BENCH_LINK_UDP_PORT},
		};
	r->payload = bench_link_payload(r->o);
	if (link_packet_rings_open(&r->rings, r->o->interface, &match, &plan, &refused,
				   &err) < 0 ||
	    feed_ring_open(&r->feed, r->rings.ring, &plan, &err) < 0)
		bench_link_refused(err.text);
	/* the first pass over the ring would otherwise pay for its pages */
	for (size_t at = 0; at < (size_t)plan.block_bytes * plan.blocks; at += 4096)
		(void)*(volatile uint8_t *)(r->feed.map + at);
}

static void receive_frame(struct receiver *r, const uint8_t *frame)
{
	uint64_t head, tail;

	memcpy(&head, frame, sizeof(head));
	memcpy(&tail, frame + r->payload - sizeof(tail), sizeof(tail));
	if (head == BENCH_LINK_END) {
		memcpy(&r->sent, frame + sizeof(head), sizeof(r->sent));
		r->ended = true;
		return;
	}
	r->torn += head != tail;
	r->backwards += head < r->next;
	r->next = head + 1;
	r->frames++;
}

static void receive_packet(struct receiver *r, const struct feed_frame *packet)
{
	size_t head = BENCH_LINK_ETHER_LEN + (r->o->udp ? BENCH_LINK_UDP_HEADERS : 0);
	const uint8_t *data = packet->p + head;
	size_t len = packet->len;

	r->packets++;
	if (len < head)
		return;
	for (len -= head; len >= r->payload && !r->ended; len -= r->payload) {
		receive_frame(r, data);
		data += r->payload;
	}
	r->torn += !r->ended && len != 0;
}

/* One peek and its release; false when nothing was there. */
static bool receive_batch(struct receiver *r)
{
	struct feed_frame frames[RECEIVE_BATCH];
	unsigned n = feed_peek(&r->feed, frames, RECEIVE_BATCH);

	if (n && !r->frames) {
		r->first_ns = bench_link_now_ns();
		r->cpu_first = bench_link_cpu_ns();
	}
	for (unsigned i = 0; i < n && !r->ended; i++)
		receive_packet(r, &frames[i]);
	feed_release(&r->feed);
	if (n && !r->ended) {
		r->last_ns = bench_link_now_ns();
		r->cpu_last = bench_link_cpu_ns();
	}
	return n > 0;
}

int bench_link_run(const struct bench_link_options *o)
{
	struct receiver r = {.o = o, .rings = LINK_PACKET_RINGS_INIT};
	const struct feed none = {0};
	uint64_t end, drops;

	receive_open(&r);
	puts("ready");
	fflush(stdout);
	end = bench_link_now_ns() + (uint64_t)(o->seconds * 1e9);
	while (!r.ended && bench_link_now_ns() < end)
		if (!receive_batch(&r))
			feed_wait(&none, &r.feed, RECEIVE_WAIT_MS);
	drops = feed_drops(&r.feed);
	printf("{\"frames\": %llu, \"sent\": %llu, \"ended\": %s, \"torn\": %llu, "
	       "\"backwards\": %llu, \"drops\": %llu, \"packets\": %llu, \"payload\": %zu, "
	       "\"wall_ns\": %llu, \"cpu_ns\": %llu}\n",
	       (unsigned long long)r.frames, (unsigned long long)r.sent,
	       r.ended ? "true" : "false", (unsigned long long)r.torn,
	       (unsigned long long)r.backwards, (unsigned long long)drops,
	       (unsigned long long)r.packets, r.payload,
	       (unsigned long long)(r.last_ns - r.first_ns),
	       (unsigned long long)(r.cpu_last - r.cpu_first));
	link_packet_rings_close(&r.rings);
	return EX_OK;
}
