// SPDX-License-Identifier: ISC
#include "link_filter.h"

#include <sys/socket.h>

#include "frame.h"

#define ACCEPT 0x40000u
/* Offsets in an untagged Ethernet frame: the kernel has taken a VLAN tag off. */
#define AT_ETHERTYPE 12u
#define AT_IP WIRE_ETHER_LEN
#define AT_FRAGMENT (AT_IP + 6u)
#define AT_PROTOCOL (AT_IP + 9u)
#define AT_FROM (AT_IP + 12u)
#define AT_TO (AT_IP + 16u)
#define IP_PLAIN 0x45u /* version 4, no options */
#define IP_LATER 0x1fffu
#define IP_UDP 17u
/* type and class of the clear header: docs/wire.md, Frame */
#define TYPE 1u
#define CLASS 2u

/* Where a jump goes: on, or to one of the ends, whose places are known when the program is
 * whole. */
enum { NEXT = 0, URGENT = 0xfd, OTHERS, DROP };

struct assembly {
	struct sock_filter *code;
	unsigned n;
};

static void add(struct assembly *a, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
	a->code[a->n++] = (struct sock_filter)BPF_JUMP(code, k, yes, no);
}

/* Load SIZE (BPF_W, BPF_H, BPF_B) bytes AT, and go on if they are VALUE. */
static void want(struct assembly *a, uint16_t size, uint32_t at, uint32_t value, uint8_t no)
{
	add(a, BPF_LD | size | BPF_ABS, at, 0, 0);
	add(a, BPF_JMP | BPF_JEQ | BPF_K, value, NEXT, no);
}

/* The same for a port, behind an IP header of the length in X. */
static void want_port(struct assembly *a, uint32_t at, uint16_t value)
{
	add(a, BPF_LD | BPF_H | BPF_IND, AT_IP + at, 0, 0);
	add(a, BPF_JMP | BPF_JEQ | BPF_K, value, NEXT, DROP);
}

static uint32_t word(const uint8_t ip[4])
{
	return (uint32_t)ip[0] << 24 | (uint32_t)ip[1] << 16 | (uint32_t)ip[2] << 8 | ip[3];
}

/*
 * What of IPv4 is ours, close to
 * tcpdump -d 'src host S and dst host D and udp src port P and udp dst port Q':
 * (000) ldh [12]      (001) jeq #0x800        else drop
 * (002) ldb [23]      (003) jeq #17           else drop
 * (004) ld [30]       (005) jeq #D            else drop
 * (006) ld [26]       (007) jeq #S            else drop; left out, like 13 and 14, for any
 * (008) ldh [20]      (009) jset #0x1fff others          a later fragment has no ports:
 * (010) ldxb 4*([14]&0xf)                                taken, to be counted as refused
 * (011) ldh [x + 16]  (012) jeq #Q            else drop
 * (013) ldh [x + 14]  (014) jeq #P            else drop
 */
static void add_path(struct assembly *a, const struct carrier_udp *path)
{
	const bool any = path->from.port == 0;

	want(a, BPF_B, AT_PROTOCOL, IP_UDP, DROP);
	want(a, BPF_W, AT_TO, word(path->to.ip), DROP);
	if (!any)
		want(a, BPF_W, AT_FROM, word(path->from.ip), DROP);
	add(a, BPF_LD | BPF_H | BPF_ABS, AT_FRAGMENT, 0, 0);
	add(a, BPF_JMP | BPF_JSET | BPF_K, IP_LATER, OTHERS, NEXT);
	add(a, BPF_LDX | BPF_B | BPF_MSH, AT_IP, 0, 0);
	want_port(a, 2, path->to.port);
	if (!any)
		want_port(a, 0, path->from.port);
}

/*
 * Which of two rings. As tcpdump -d has it for
 * 'ether proto 0x88b5 and greater 17 and (ether[15] = 1 or ether[16] = 1)'
 * (a frame that ends before its class is nobody's realtime); with udp 28 bytes further, and
 * where IP has options, that is refused later, it is nobody's either. Nor is a train: a slot of
 * the realtime ring has room for one datagram, and our sender makes no trains of realtime.
 */
static void add_steering(struct assembly *a, const struct link_match *match)
{
	const uint32_t head = WIRE_ETHER_LEN + (match->udp ? WIRE_CARRIER_UDP : 0);

	if (match->udp) {
		want(a, BPF_B, AT_IP, IP_PLAIN, OTHERS);
		add(a, BPF_LD | BPF_W | BPF_LEN, 0, 0, 0);
		add(a, BPF_JMP | BPF_JGT | BPF_K, match->longest, OTHERS, NEXT);
	}
	add(a, BPF_LD | BPF_W | BPF_LEN, 0, 0, 0);
	add(a, BPF_JMP | BPF_JGE | BPF_K, head + CLASS + 1, NEXT, OTHERS);
	add(a, BPF_LD | BPF_B | BPF_ABS, head + TYPE, 0, 0);
	add(a, BPF_JMP | BPF_JEQ | BPF_K, FRAME_ANNOUNCE, URGENT, NEXT);
	want(a, BPF_B, head + CLASS, FRAME_CLASS_REALTIME, OTHERS);
}

/* The ends, in the order of their names; whoever comes here is urgent. */
static void finish(struct assembly *a, uint32_t urgent, uint32_t others)
{
	const unsigned ends = a->n;

	add(a, BPF_RET | BPF_K, urgent, 0, 0);
	add(a, BPF_RET | BPF_K, others, 0, 0);
	add(a, BPF_RET | BPF_K, 0, 0, 0);
	for (unsigned i = 0; i < ends; i++) {
		struct sock_filter *f = &a->code[i];

		if (f->jt >= URGENT)
			f->jt = (uint8_t)(ends + (f->jt - URGENT) - i - 1);
		if (f->jf >= URGENT)
			f->jf = (uint8_t)(ends + (f->jf - URGENT) - i - 1);
	}
}

unsigned link_filter_make(struct sock_filter *code, enum link_filter which,
			  const struct link_match *match)
{
	struct assembly a = {.code = code};

	want(&a, BPF_H, AT_ETHERTYPE, match->ethertype, DROP);
	if (match->udp)
		add_path(&a, &match->path);
	if (which != LINK_FILTER_ALL)
		add_steering(&a, match);
	finish(&a, which == LINK_FILTER_REST ? 0 : ACCEPT,
	       which == LINK_FILTER_REALTIME ? 0 : ACCEPT);
	return a.n;
}

int link_filter_lock(int fd, enum link_filter which, const struct link_match *match)
{
	struct sock_filter code[LINK_FILTER_MAX];
	struct sock_fprog program = {.filter = code};
	int on = 1;

	program.len = (unsigned short)link_filter_make(code, which, match);
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		return -1;
	return setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on));
}
