// SPDX-License-Identifier: ISC
#include "link_filter.h"

#include <string.h>
#include <sys/socket.h>

#include "frame.h"

#define ACCEPT 0x40000
#define AT_ETHERTYPE 12
/* type and class of the clear header: docs/wire.md, Frame */
#define AT_TYPE (WIRE_ETHER_LEN + 1)
#define AT_CLASS (WIRE_ETHER_LEN + 2)

/* tcpdump -d 'ether proto 0x88b5' */
static unsigned make_all(struct sock_filter *code, uint16_t ethertype)
{
	const struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, AT_ETHERTYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ethertype, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, ACCEPT),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};

	memcpy(code, program, sizeof(program));
	return sizeof(program) / sizeof(program[0]);
}

/*
 * tcpdump -d 'ether proto 0x88b5 and greater 17 and (ether[15] = 1 or ether[16] = 1)', and
 * with SHORT and OTHERS the other way round
 * 'ether proto 0x88b5 and (less 16 or (ether[15] != 1 and ether[16] != 1))'
 * (a frame that ends before its class is nobody's realtime).
 */
static unsigned make_split(struct sock_filter *code, uint16_t ethertype, uint32_t urgent,
			   uint32_t others)
{
	const struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, AT_ETHERTYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ethertype, 0, 8),
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, AT_CLASS + 1, 0, 5),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, AT_TYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FRAME_ANNOUNCE, 2, 0),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, AT_CLASS),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FRAME_CLASS_REALTIME, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, urgent),
		BPF_STMT(BPF_RET | BPF_K, others),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};

	memcpy(code, program, sizeof(program));
	return sizeof(program) / sizeof(program[0]);
}

unsigned link_filter_make(struct sock_filter *code, enum link_filter which,
			  uint16_t ethertype)
{
	switch (which) {
	case LINK_FILTER_REALTIME:
		return make_split(code, ethertype, ACCEPT, 0);
	case LINK_FILTER_REST:
		return make_split(code, ethertype, 0, ACCEPT);
	case LINK_FILTER_ALL:
		break;
	}
	return make_all(code, ethertype);
}

int link_filter_lock(int fd, enum link_filter which, uint16_t ethertype)
{
	struct sock_filter code[LINK_FILTER_MAX];
	struct sock_fprog program = {.filter = code};
	int on = 1;

	program.len = (unsigned short)link_filter_make(code, which, ethertype);
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		return -1;
	return setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on));
}
