// SPDX-License-Identifier: ISC
#include "xdp_program.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define AT_ETHERTYPE 12
#define AT_IP WIRE_ETHER_LEN
#define AT_UDP (AT_IP + WIRE_IPV4_LEN)
#define IP_PLAIN 0x45 /* version 4, no options */
#define ETHERTYPE_VLAN 0x8100u
#define TAG_BYTES 4
#define IP_LATER 0x1fffu
#define IP_UDP 17

/* Registers: R6 the context, R2 the frame (behind a tag, if any: moved by its length), R3 its
 * end, R4 and R5 for the moment. */
enum { R0, R1, R2, R3, R4, R5, R6 };

/* Where a jump goes when not on: known when the program is whole. */
enum { OURS = 0x7001, DROP = 0x7002 };

struct assembly {
	struct bpf_insn *code;
	unsigned n;
};

static void add(struct assembly *a, uint8_t op, int dst, int src, int off, int32_t imm)
{
	a->code[a->n++] = (struct bpf_insn){.code = op,
					    .dst_reg = (uint8_t)(dst & 15),
					    .src_reg = (uint8_t)(src & 15),
					    .off = (int16_t)off,
					    .imm = imm};
}

/* An opcode is its fields, of which some are 0. NOLINTBEGIN(misc-redundant-expression) */

/* Go on only when the frame has BYTES, counted from REG. */
static void need(struct assembly *a, int reg, int bytes)
{
	add(a, BPF_ALU64 | BPF_MOV | BPF_X, R4, reg, 0, 0);
	add(a, BPF_ALU64 | BPF_ADD | BPF_K, R4, 0, 0, bytes);
	add(a, BPF_JMP | BPF_JGT | BPF_X, R4, R3, DROP, 0);
}

/* Load SIZE bytes at REG + AT, and go on if they are VALUE, which is in the order of the wire. */
static void want(struct assembly *a, uint8_t size, int reg, int at, uint32_t value)
{
	add(a, BPF_LDX | size | BPF_MEM, R5, reg, at, 0);
	/* 32-bit comparison: the immediate of a 64-bit one would be extended by its sign */
	add(a, BPF_JMP32 | BPF_JNE | BPF_K, R5, 0, DROP, (int32_t)value);
}

static uint32_t word(const uint8_t ip[4])
{
	uint32_t v;

	memcpy(&v, ip, sizeof(v));
	return v;
}

/* An address of a map, or of the value in it, in REG. */
static void map_address(struct assembly *a, int reg, int kind, int fd)
{
	add(a, BPF_LD | BPF_DW | BPF_IMM, reg, kind, 0, fd);
	add(a, 0, 0, 0, 0, 0);
}

/*
 * Behind the Ethernet header: as add_path() of link_filter.c has it. A later fragment has no
 * ports, and those behind IP options are not looked for (without CAP_PERFMON the verifier takes
 * no pointer moved by a length out of the frame): both are decode's, to refuse and count.
 */
static void add_path(struct assembly *a, const struct carrier_udp *path)
{
	const bool any = path->from.port == 0;

	need(a, R2, AT_IP + WIRE_CARRIER_UDP);
	want(a, BPF_B, R2, AT_IP + 9, IP_UDP);
	want(a, BPF_W, R2, AT_IP + 16, word(path->to.ip));
	if (!any)
		want(a, BPF_W, R2, AT_IP + 12, word(path->from.ip));
	add(a, BPF_LDX | BPF_H | BPF_MEM, R5, R2, AT_IP + 6, 0);
	add(a, BPF_JMP | BPF_JSET | BPF_K, R5, 0, OURS, htons(IP_LATER));
	add(a, BPF_LDX | BPF_B | BPF_MEM, R5, R2, AT_IP, 0);
	add(a, BPF_JMP | BPF_JNE | BPF_K, R5, 0, OURS, IP_PLAIN);
	want(a, BPF_H, R2, AT_UDP + 2, htons(path->to.port));
	if (!any)
		want(a, BPF_H, R2, AT_UDP, htons(path->from.port));
}

/* The two ends; and every jump learns where they are. */
static void finish(struct assembly *a, int sockets, int foreign)
{
	const unsigned ours = a->n;
	unsigned drop;

	/* bpf_redirect_map(sockets, queue, XDP_DROP when there is no socket) */
	map_address(a, R1, BPF_PSEUDO_MAP_FD, sockets);
	add(a, BPF_LDX | BPF_W | BPF_MEM, R2, R6, offsetof(struct xdp_md, rx_queue_index),
	    0);
	add(a, BPF_ALU64 | BPF_MOV | BPF_K, R3, 0, 0, XDP_DROP);
	add(a, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_map);
	add(a, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	drop = a->n;
	map_address(a, R1, BPF_PSEUDO_MAP_VALUE, foreign);
	add(a, BPF_ALU64 | BPF_MOV | BPF_K, R2, 0, 0, 1);
	add(a, BPF_STX | BPF_DW | BPF_XADD, R1, R2, 0, 0);
	add(a, BPF_ALU64 | BPF_MOV | BPF_K, R0, 0, 0, XDP_DROP);
	add(a, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	for (unsigned i = 0; i < ours; i++) {
		if (a->code[i].off == OURS)
			a->code[i].off = (int16_t)(ours - i - 1);
		else if (a->code[i].off == DROP)
			a->code[i].off = (int16_t)(drop - i - 1);
	}
}

unsigned xdp_program_make(struct bpf_insn *code, const struct link_match *match,
			  int sockets, int foreign)
{
	struct assembly a = {.code = code};

	add(&a, BPF_ALU64 | BPF_MOV | BPF_X, R6, R1, 0, 0);
	add(&a, BPF_LDX | BPF_W | BPF_MEM, R2, R1, offsetof(struct xdp_md, data), 0);
	add(&a, BPF_LDX | BPF_W | BPF_MEM, R3, R1, offsetof(struct xdp_md, data_end), 0);
	need(&a, R2, WIRE_ETHER_LEN);
	add(&a, BPF_LDX | BPF_H | BPF_MEM, R5, R2, AT_ETHERTYPE, 0);
	/* one tag: go on behind it; need() has three instructions */
	add(&a, BPF_JMP | BPF_JNE | BPF_K, R5, 0, 4, htons(ETHERTYPE_VLAN));
	add(&a, BPF_ALU64 | BPF_ADD | BPF_K, R2, 0, 0, TAG_BYTES);
	need(&a, R2, WIRE_ETHER_LEN);
	want(&a, BPF_H, R2, AT_ETHERTYPE, htons(match->ethertype));
	if (match->udp)
		add_path(&a, &match->path);
	finish(&a, sockets, foreign);
	return a.n;
}

/* ---- what the kernel is asked for; there is no glibc function ---------------------- */

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int make_map(enum bpf_map_type type, uint32_t value_size, uint32_t entries,
		    uint32_t flags)
{
	union bpf_attr attr = {0};

	attr.map_type = type;
	attr.key_size = sizeof(uint32_t);
	attr.value_size = value_size;
	attr.max_entries = entries;
	attr.map_flags = flags;
	return bpf(BPF_MAP_CREATE, &attr);
}

/* The count of foreign frames. Frozen: whoever has it may map it to read, and nothing else. (A
 * descriptor for reading only could not be mapped.) */
static int make_count(void)
{
	union bpf_attr attr = {0};
	int map = make_map(BPF_MAP_TYPE_ARRAY, sizeof(uint64_t), 1, BPF_F_MMAPABLE);

	attr.map_fd = (uint32_t)map;
	if (map >= 0 && bpf(BPF_MAP_FREEZE, &attr) != 0)
		km_close(&map);
	return map;
}

static int put_socket(int map, uint32_t queue, int socket)
{
	union bpf_attr attr = {0};

	attr.map_fd = (uint32_t)map;
	attr.key = (uint64_t)(uintptr_t)&queue;
	attr.value = (uint64_t)(uintptr_t)&socket;
	return bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

static int load(const struct bpf_insn *code, unsigned n, bool several)
{
	union bpf_attr attr = {0};

	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insns = (uint64_t)(uintptr_t)code;
	attr.insn_cnt = n;
	attr.license = (uint64_t)(uintptr_t) "ISC";
	attr.expected_attach_type = BPF_XDP;
	attr.prog_flags = several ? BPF_F_XDP_HAS_FRAGS : 0;
	return bpf(BPF_PROG_LOAD, &attr);
}

static int attach(int program, unsigned ifindex)
{
	union bpf_attr attr = {0};

	attr.link_create.prog_fd = (uint32_t)program;
	attr.link_create.target_ifindex = ifindex;
	attr.link_create.attach_type = BPF_XDP;
	attr.link_create.flags = 1u << 2; /* XDP_FLAGS_DRV_MODE of linux/if_link.h */
	return bpf(BPF_LINK_CREATE, &attr);
}

static int why_not_attached(const char *name, struct km_err *err)
{
	switch (errno) {
	case EBUSY:
	case EEXIST:
		return km_err_set_errno(err, EX_UNAVAILABLE,
					"interface %s: another XDP program is on it: `ip "
					"link set %s xdp off`",
					name, name);
	case EOPNOTSUPP:
		return km_err_set_errno(err, EX_UNAVAILABLE,
					"interface %s: its driver takes no XDP program",
					name);
	default:
		return km_err_set_errno(
			err, EX_UNAVAILABLE,
			"interface %s: XDP program not attached (long frames need a driver "
			"that takes several buffers)",
			name);
	}
}

int xdp_program_attach(struct xdp_program *program, const char *name, unsigned ifindex,
		       uint32_t queue, int socket, bool several,
		       const struct link_match *match, struct km_err *err)
{
	_cleanup_close_ int sockets = make_map(BPF_MAP_TYPE_XSKMAP, 4, queue + 1, 0);
	_cleanup_close_ int loaded = -1;
	struct bpf_insn code[XDP_PROGRAM_MAX];

	*program = (struct xdp_program)XDP_PROGRAM_INIT;
	if (sockets >= 0)
		program->foreign = make_count();
	if (sockets < 0 || program->foreign < 0) {
		(void)km_err_set_errno(err, errno == EPERM ? EX_NOPERM : EX_OSERR,
				       "AF_XDP: no BPF maps%s",
				       errno == EPERM ? ": start as root or with CAP_BPF "
							"and CAP_NET_ADMIN"
						      : "");
	} else if (put_socket(sockets, queue, socket) != 0) {
		(void)km_err_set_errno(err, EX_OSERR,
				       "AF_XDP: the map does not take the socket");
	} else {
		loaded =
			load(code, xdp_program_make(code, match, sockets, program->foreign),
			     several);
		if (loaded < 0)
			(void)km_err_set_errno(err, EX_OSERR,
					       "AF_XDP: the kernel refuses the program");
		else
			program->link = attach(loaded, ifindex);
		if (loaded >= 0 && program->link < 0)
			(void)why_not_attached(name, err);
	}
	if (program->link >= 0)
		return 0;
	xdp_program_close(program);
	return -1;
}

void xdp_program_close(struct xdp_program *program)
{
	km_close(&program->foreign);
	km_close(&program->link);
}

/* NOLINTEND(misc-redundant-expression) */
