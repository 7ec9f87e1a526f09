// SPDX-License-Identifier: ISC
/*
 * The wall between rx capture and rx decode. Three forms:
 *
 * ring: capture opens a TPACKET_V3 socket, filters, locks and binds it, hands
 *	the descriptor over and exits; decode maps the ring (INTAKE_* below says its shape).
 *	Beside it, where the plan has slots for it, a second socket for the frames that must
 *	not wait for a block of the first to be full or old: class realtime, and announces.
 *	Its TPACKET_V2 ring hands over frame by frame. The filters of the two are each
 *	other's complement: a frame of ours comes by exactly one.
 * xdp:	capture opens an AF_XDP socket whose chunks of memory are a memfd, puts a program in the
 *	driver that gives our frames to the socket and drops all others, hands over and exits.
 *	decode maps the chunks (read-only) and the RX and fill rings. All classes come by it,
 *	frame by frame.
 * pump: capture stays and copies frames as they come from libpcap (live, or a
 *	recorded file for `replay`) into a byte-slot ring (base/ring.h) that decode reads.
 *	It parses nothing.
 */
#ifndef INTAKE_H
#define INTAKE_H

#include <stddef.h>
#include <stdint.h>

#include "ring.h"

enum intake_form {
	INTAKE_RING = 1,
	INTAKE_PUMP = 2,
	INTAKE_SLOTS = 3, /* the realtime ring beside INTAKE_RING */
	INTAKE_XDP = 4,
};

/* Geometry: decided by the supervisor, used by both. */
struct intake_plan {
	uint32_t form;
	uint32_t block_bytes; /* power of two, multiple of the page */
	uint32_t blocks;
	uint32_t retire_ms;
	uint32_t frame_max; /* bytes of the largest link frame */
	/* realtime ring, TPACKET_V2: one frame per slot */
	uint32_t slot_bytes; /* power of two */
	uint32_t slots;	     /* 0: there is none, the one ring takes every class */
	/* xdp; always planned, for capture = auto finds out whether it serves */
	uint32_t chunk_bytes;
	uint32_t chunks;    /* power of two; entries of both rings too */
	uint32_t frame_xdp; /* bytes of the largest frame there: nothing joins datagrams */
};

/* The kernel's blocks of the realtime ring: whole slots. */
#define INTAKE_SLOT_BLOCK 16384u
/* Before a frame in its slot: header, address, alignment, room for a tag; the kernel's
 * sum is 66 and 14 of Ethernet. */
#define INTAKE_SLOT_HEAD 96u

/* Pump: one ring slot per frame of sizeof(struct intake_frame) + frame_max bytes; a quarter
 * of them when frames are large: framing udp has room for what the kernel joins (64 MiB). */
#define INTAKE_PUMP_SLOTS 4096u
#define INTAKE_PUMP_LARGE 16384u
struct intake_frame {
	uint32_t len;	   /* captured bytes that follow, Ethernet header included */
	uint32_t wire_len; /* on the wire; larger = cut short */
	uint64_t time_ns;  /* CLOCK_REALTIME of capture */
	uint32_t drops;	   /* libpcap's drop counter so far */
	uint32_t end;	   /* 1: end of a recorded file, no frame */
	uint8_t bytes[];
};

/*
 * How capture hands over. Its argument `--intake auto|ring|xdp|pump` says which form to try;
 * auto: xdp where the driver takes it without copying, else ring. Ring: after
 * "go" one message with the locked and bound socket, or both, on the control socket, then
 * exit 0; when the kernel refuses the ring, exit INTAKE_EXIT_REFUSED before ready (with
 * capture = auto the supervisor then starts it again with `pump`). When it refuses only the
 * realtime ring, the first socket is opened for every class. Pump: no message, it stays.
 * Replay: pump with `--replay`; the recorded file is open at INTAKE_FD_REPLAY. After its end
 * it submits one slot with `end` = 1 and exits 0. (decode, keeper and publish get `--replay`
 * too: the keeper then takes an epoch however far from our clock.)
 */
#define INTAKE_MSG_SOCKET 64   /* IPC_TYPE_OWN: no body, one descriptor */
#define INTAKE_MSG_SOCKETS 65  /* no body, two: the ring, the realtime ring */
/* Xdp: no body, five: socket, chunks, map of the count of foreign frames; and what the
 * supervisor keeps open as long as the port is ours: the program's link, a packet socket that
 * keeps the port promiscuous. */
#define INTAKE_MSG_XDP 66
#define INTAKE_XDP_FDS 5
#define INTAKE_EXIT_REFUSED 79 /* behind the sysexits */
#define INTAKE_FD_REPLAY 11
#define INTAKE_FD_REALTIME 12 /* decode: the realtime ring's socket, or absent */
/* decode, xdp: beside RX_FD_INTAKE, which is the socket */
#define INTAKE_FD_CHUNKS 13
#define INTAKE_FD_FOREIGN 14

/* Slot size of the pump, its slots, and bytes of its memfd: one plain ring at offset 0 with
 * its own bells. */
static inline uint32_t intake_pump_slot(const struct intake_plan *plan)
{
	return (uint32_t)(sizeof(struct intake_frame) + plan->frame_max + 7u) & ~7u;
}
static inline uint32_t intake_pump_slots(const struct intake_plan *plan)
{
	return plan->frame_max > INTAKE_PUMP_LARGE ? INTAKE_PUMP_SLOTS / 4
						   : INTAKE_PUMP_SLOTS;
}
static inline size_t intake_pump_bytes(const struct intake_plan *plan)
{
	return ring_bytes(intake_pump_slot(plan), intake_pump_slots(plan));
}

#endif
