// SPDX-License-Identifier: ISC
#include "bench_link.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>

#include "link_packet.h"

#define SEND_HEADERS (BENCH_LINK_ETHER_LEN + BENCH_LINK_UDP_HEADERS)

#define SEND_BATCH LINK_PACKET_BATCH

/* A message is what one entry of a batch holds: a frame, or a super-frame of `frames`. */
struct sender {
	const struct bench_link_options *o;
	struct link_packet link;
	size_t payload, head, bytes; /* of a frame; before it; of a whole message */
	unsigned frames;
	uint8_t *memory;
	struct iovec messages[SEND_BATCH];
	uint64_t sent; /* frames */
};

static const uint8_t send_ethernet[BENCH_LINK_ETHER_LEN] = {
	0x03, 0x4b, 0x4d, 0, 0, 1, 0x02, 0x4b, 0x4d, 0, 0, 1, 0x88, 0xb5};

static uint16_t send_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint32_t send_sum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	return sum;
}

/* virtio header, Ethernet, IPv4 and UDP with the pseudo-header's sum, as NEEDS_CSUM wants. */
static void send_udp_headers(const struct sender *s, uint8_t *p, unsigned frames)
{
	size_t data = s->payload * frames;
	struct virtio_net_hdr virtual = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = frames > 1 ? BENCH_LINK_GSO_UDP_L4 : VIRTIO_NET_HDR_GSO_NONE,
		.hdr_len = frames > 1 ? SEND_HEADERS : 0,
		.gso_size = frames > 1 ? (uint16_t)s->payload : 0,
		.csum_start = BENCH_LINK_ETHER_LEN + 20,
		.csum_offset = 6,
	};
	struct iphdr ip = {.version = 4,
			   .ihl = 5,
			   .ttl = 64,
			   .protocol = IPPROTO_UDP,
			   .tot_len = htons((uint16_t)(BENCH_LINK_UDP_HEADERS + data)),
			   .frag_off = htons(0x4000),
			   .saddr = htonl(0xc0000201), /* 192.0.2.1, 192.0.2.2: RFC 5737 */
			   .daddr = htonl(0xc0000202)};
	struct udphdr udp = {.source = htons(BENCH_LINK_UDP_PORT),
			     .dest = htons(BENCH_LINK_UDP_PORT),
			     .len = htons((uint16_t)(8 + data))};

	ip.check = htons((uint16_t)~send_fold(send_sum(&ip, sizeof(ip))));
	udp.check =
		htons(send_fold(send_sum(&ip.saddr, 8) + IPPROTO_UDP + 8 + (uint32_t)data));
	memcpy(p, &virtual, sizeof(virtual));
	p += sizeof(virtual);
	memcpy(p, send_ethernet, BENCH_LINK_ETHER_LEN);
	p[12] = 0x08;
	p[13] = 0x00;
	memcpy(p + BENCH_LINK_ETHER_LEN, &ip, sizeof(ip));
	memcpy(p + BENCH_LINK_ETHER_LEN + sizeof(ip), &udp, sizeof(udp));
}

static void send_open(struct sender *s)
{
	struct km_err err = {0};
	int on = 1;

	if (link_packet_open(&s->link, s->o->interface, s->o->sndbuf, &err) < 0)
		bench_link_refused(err.text);
	if (s->o->udp &&
	    setsockopt(s->link.fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0)
		bench_link_die("PACKET_VNET_HDR");
}

/* Messages lie an odd number of cache lines apart, so that no two share their sets. */
static void send_prepare(struct sender *s)
{
	const struct bench_link_options *o = s->o;
	size_t stride;

	s->payload = bench_link_payload(o);
	s->frames = 1;
	if (o->udp) {
		s->frames = (unsigned)(BENCH_LINK_SUPER_BYTES / s->payload);
		if (s->frames > BENCH_LINK_SUPER_FRAMES)
			s->frames = BENCH_LINK_SUPER_FRAMES;
		if (!s->frames)
			s->frames = 1;
	}
	s->head = o->udp ? sizeof(struct virtio_net_hdr) + SEND_HEADERS
			 : BENCH_LINK_ETHER_LEN;
	s->bytes = s->head + s->payload * s->frames;
	stride = ((s->bytes + 63) / 64 | 1) * 64;
	if (posix_memalign((void **)&s->memory, 4096, stride * SEND_BATCH) != 0)
		bench_link_die("memory");
	memset(s->memory, 0x5a, stride * SEND_BATCH);
	for (unsigned i = 0; i < SEND_BATCH; i++) {
		uint8_t *p = s->memory + stride * i;

		if (o->udp)
			send_udp_headers(s, p, s->frames);
		else
			memcpy(p, send_ethernet, sizeof(send_ethernet));
		s->messages[i] = (struct iovec){.iov_base = p, .iov_len = s->bytes};
	}
}

static void send_number(uint8_t *frame, size_t payload, uint64_t number)
{
	memcpy(frame, &number, sizeof(number));
	memcpy(frame + payload - sizeof(number), &number, sizeof(number));
}

/* Send messages [0, n). */
static void send_batch(struct sender *s, unsigned n)
{
	unsigned done;

	if (link_packet_send(&s->link, s->messages, n, &done) != KM_OK || done != n)
		bench_link_die("sending");
}

static void send_numbered(struct sender *s)
{
	for (unsigned i = 0; i < SEND_BATCH; i++) {
		uint8_t *frame = (uint8_t *)s->messages[i].iov_base + s->head;

		for (unsigned j = 0; j < s->frames; j++, frame += s->payload)
			send_number(frame, s->payload, s->sent++);
	}
	send_batch(s, SEND_BATCH);
}

static void send_end(struct sender *s)
{
	uint8_t *p = s->messages[0].iov_base;

	if (s->o->udp)
		send_udp_headers(s, p, 1);
	send_number(p + s->head, s->payload, BENCH_LINK_END);
	memcpy(p + s->head + sizeof(uint64_t), &s->sent, sizeof(s->sent));
	s->messages[0].iov_len = s->head + s->payload;
	nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
	for (unsigned i = 0; i < BENCH_LINK_END_FRAMES; i++) {
		send_batch(s, 1);
		nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
	}
}

int bench_link_run(const struct bench_link_options *o)
{
	struct sender s = {.o = o};
	uint64_t begin, end, cpu, due;
	double batch_ns;

	send_open(&s);
	send_prepare(&s);
	batch_ns = o->rate_bps ? (double)(s.payload * s.frames * SEND_BATCH) * 8e9 /
					 (double)o->rate_bps
			       : 0;
	cpu = bench_link_cpu_ns();
	begin = bench_link_now_ns();
	end = begin + (uint64_t)(o->seconds * 1e9);
	for (uint64_t n = 1; bench_link_now_ns() < end; n++) {
		send_numbered(&s);
		due = begin + (uint64_t)(batch_ns * (double)n);
		while (bench_link_now_ns() < due)
			;
	}
	end = bench_link_now_ns();
	cpu = bench_link_cpu_ns() - cpu;
	send_end(&s);
	printf("{\"sent\": %llu, \"payload\": %zu, \"wall_ns\": %llu, \"cpu_ns\": %llu, "
	       "\"enobufs\": %llu, \"frames_per_message\": %u}\n",
	       (unsigned long long)s.sent, s.payload, (unsigned long long)(end - begin),
	       (unsigned long long)cpu, (unsigned long long)s.link.enobufs, s.frames);
	free(s.memory);
	link_packet_close(&s.link);
	return EX_OK;
}
