// SPDX-License-Identifier: ISC
/*
 * bench_link: the raw link, for measuring. Two programs, bench_link_send and
 * bench_link_receive, move frames that hold nothing but a number at either end through the
 * product's own back ends (tx/sender/link_packet; rx/capture/link_packet_ring with
 * rx/decode/feed). What they reach is what the product could reach if it did nothing else.
 *
 * Frames that follow one another in UDP super-frames are made here, for framing udp: what the
 * kernel can do, whatever the product makes of it.
 *
 * The layout of a frame, shared by both sides:
 *
 *   ethernet   Ethernet header (14), then MTU bytes
 *   udp        Ethernet (14), IPv4 (20), UDP (8), then MTU - 28 bytes; a super-frame has
 *              several such payloads behind one set of headers and is cut by segmentation
 *
 * The bytes of a frame begin and end with its number (u64, host order: both ends are on
 * this machine). Number BENCH_LINK_END says that the sender has finished; the second u64
 * is then how many frames it has sent.
 */
#ifndef BENCH_LINK_H
#define BENCH_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_LINK_ETHERTYPE 0x88B5u
#define BENCH_LINK_END UINT64_MAX
#define BENCH_LINK_END_FRAMES 16u
#define BENCH_LINK_UDP_PORT 19277u
#define BENCH_LINK_UDP_HEADERS 28u /* IPv4 without options, UDP */
#define BENCH_LINK_ETHER_LEN 14u
/* A super-frame is at most what a 16-bit IP length can say, and at most so many frames
 * (UDP_MAX_SEGMENTS of the kernel is 64 up to 6.8, 128 from then on). */
#define BENCH_LINK_SUPER_BYTES 65000u
#define BENCH_LINK_SUPER_FRAMES 64u
/* VIRTIO_NET_HDR_GSO_UDP_L4 of Linux 6.2; Debian 12's headers do not have it. */
#define BENCH_LINK_GSO_UDP_L4 5u

struct bench_link_options {
	const char *interface;
	bool udp;
	unsigned mtu;	    /* bytes after the Ethernet header */
	int cpu;	    /* -1: anywhere */
	double seconds;	    /* sender: how long; receiver: give up after this much more */
	unsigned sndbuf;    /* bytes; 0: the system's default */
	unsigned ring_mib;  /* receiver */
	unsigned block_kib; /* receiver */
	uint64_t rate_bps;  /* sender: 0 = as fast as it goes */
};

/* Bytes of one frame that are neither Ethernet nor IP nor UDP header. */
static inline size_t bench_link_payload(const struct bench_link_options *o)
{
	return o->udp ? o->mtu - BENCH_LINK_UDP_HEADERS : o->mtu;
}

/* Print what failed with errno's text and exit: nothing here can go on without it. */
void bench_link_die(const char *what) __attribute__((noreturn));
/* The same with a text of the product's. */
void bench_link_refused(const char *text) __attribute__((noreturn));

/* What the program does once its options are read: prints one JSON object to standard
 * output; the exit code. Each program has its own. */
int bench_link_run(const struct bench_link_options *o);

uint64_t bench_link_now_ns(void); /* CLOCK_MONOTONIC */
uint64_t bench_link_cpu_ns(void); /* of this process */

#endif
