// SPDX-License-Identifier: ISC
/*
 * The wall between rx decode and rx publish, messages: one ring (base/ring.h)
 * of fixed-size slots, decode produces, publish consumes. Bytes that do not fit
 * a message lie in the window segment at `pos`; they stay there until publish
 * releases the message, so the consumer index is the acknowledgement. publish
 * releases a message only when what it says is done (written, or refused and
 * counted): a publish that is killed finds unfinished messages again.
 *
 * decode may be hostile: publish checks every field against its own plan and
 * configuration and kills the pair on a violation that no honest decode can
 * make (wild pos, unknown type); the contents of records are merely refused.
 */
#ifndef DELIVER_H
#define DELIVER_H

#include <stddef.h>
#include <stdint.h>

#include "ring.h"

#define DELIVER_MSG_LEN 96u
#define DELIVER_RING_SLOTS 32768u

enum deliver_type {
	/* records, in any order, maybe more than once */
	DELIVER_BEGIN = 1, /* pos/len: body of a RECORD_BEGIN, to be decoded by publish */
	DELIVER_FRAGMENT = 2,  /* chain, number, offset; pos/len: data */
	DELIVER_WITHDRAWN = 3, /* chain, number, a = reason */
	DELIVER_MANIFEST = 4,  /* chain, number, offset, a = total; pos/len: data */
	DELIVER_HEADS = 5,     /* chain, number = objects, a = manifests; head */
	/* what decode wants said; publish is its voice and its memory */
	DELIVER_SESSION = 16, /* a new session: session, a = epoch, head = tx identity */
	DELIVER_HEARTBEAT =
		17, /* session, a = tx time ns, b = flags | port_received << 8 */
	DELIVER_LOST =
		18, /* session, lane, a..b, both included: lane sequences lost for ever */
	DELIVER_WINDOW = 19, /* a window was given up incomplete: channel, stream,
				 * number = window, a = missing source symbols (0: its end was never
				 * told, so how many is not known), b = blocks hit (0: none seen) */
	DELIVER_MARGIN = 20, /* a window was repaired: channel, stream, number = window,
				 * a = symbols repaired, b = repairs left unused in its worst block */
	DELIVER_SESSION_END = 21, /* session; a = 1 farewell, 2 replaced, 3 vanished */
	DELIVER_ALARM = 22,	  /* a = enum deliver_alarm, b = count or detail */
	DELIVER_LIVE = 23, /* channel, session, a..b = message numbers, both included,
			    * chain = enum deliver_live */
};

/* What became of messages of a live channel. */
enum deliver_live {
	DELIVER_LIVE_LOST = 1, /* they did not come, or not whole */
	DELIVER_LIVE_SINK = 2, /* they came, but the sink was behind: not sent on */
	DELIVER_LIVE_JOINED =
		3, /* a process before this one accounts for them, or nobody */
	DELIVER_LIVE_CLOSED =
		4, /* every one of them was handed on, named lost, or not ours */
};

enum deliver_alarm {
	DELIVER_ALARM_SILENT = 1,    /* link silent since b (ns, CLOCK_REALTIME) */
	DELIVER_ALARM_HEARD = 2,     /* it is heard again after b ns */
	DELIVER_ALARM_ANNOUNCE = 3,  /* announce refused: b = enum ask_verdict */
	DELIVER_ALARM_AUTH = 4,	     /* b frames failed authentication since the last one */
	DELIVER_ALARM_DUPLICATE = 5, /* b frames seen twice on one link */
	DELIVER_ALARM_KERNEL_DROP = 6, /* b frames dropped by our own receive ring */
	DELIVER_ALARM_POOL = 7,	       /* window evicted, pool full: b = window */
	DELIVER_ALARM_UNKNOWN = 8,     /* b frames of a session without announce dropped */
	DELIVER_ALARM_MALFORMED = 9,   /* b authenticated symbols that do not parse */
	DELIVER_ALARM_SEEN_SENDING = 10, /* our port has sent b frames */
	DELIVER_ALARM_TX_RETURN = 11, /* tx reports b frames received on its diode port */
	DELIVER_ALARM_TX_PERMISSIVE = 12,
	DELIVER_ALARM_VERSION = 13, /* b frames of another wire version */
	DELIVER_ALARM_FAR = 14,	  /* accepted although its epoch b is far from our clock */
	DELIVER_ALARM_CLOCK = 15, /* a clock has stepped by b ms, either way */
};

struct deliver_msg {
	uint16_t type;
	uint16_t channel;
	uint16_t lane;
	uint8_t stream;
	uint8_t reserved;
	uint32_t session; /* tag */
	uint32_t len;
	uint64_t pos; /* byte offset into the window segment */
	uint64_t chain, number, offset;
	uint64_t a, b;
	uint8_t head[32];
};
_Static_assert(sizeof(struct deliver_msg) == DELIVER_MSG_LEN,
	       "layout of a deliver message");

/* Layout of the deliver memfd: the ring, then a page with the bells. */
struct deliver_bells {
	_Alignas(64) struct bell publish; /* publish sleeps here */
	_Alignas(64) struct bell decode;  /* decode, when the ring is full */
};
static inline size_t deliver_ring_bytes(void)
{
	return (ring_bytes(DELIVER_MSG_LEN, DELIVER_RING_SLOTS) + 4095u) & ~(size_t)4095u;
}
static inline struct deliver_bells *deliver_bells(void *mem)
{
	return (struct deliver_bells *)((uint8_t *)mem + deliver_ring_bytes());
}
static inline size_t deliver_bytes(void)
{
	return deliver_ring_bytes() + 4096u;
}

/* Descriptors a role finds open, beside its control socket. */
enum deliver_fd {
	RX_FD_CONFIG = 4,
	RX_FD_STATS = 5,
	RX_FD_INTAKE =
		6, /* decode: the TPACKET socket or the pump memfd; capture: the pump memfd */
	RX_FD_ASK = 7,
	RX_FD_DELIVER = 8,
	RX_FD_SEGMENT = 9,  /* read-only for publish */
	RX_FD_PORT_TX = 10, /* decode: the interface's tx_packets, or absent */
	/* 11 to 14: intake.h */
	RX_FD_SINK =
		15, /* decode, sink: the ring of sink.h, absent without live channels */
	RX_FD_SCAN = 32, /* publish, scan: the two ends of scan.h's socket, absent without
			  * a channel that scans */
	RX_FD_SINK_SOCKET =
		16,	   /* sink: a connected socket for each live channel, or absent */
	RX_FD_LISTEN = 16, /* a role of a kind: where consumers of live channel i come */
	RX_FD_KEYS = 40,   /* keeper: the roll of keys, keys_roll.h */
	RX_FD_DIAL = 41,   /* stream: where it asks for a way to a consumer, dial.h */
	RX_FD_FEED = 48,   /* a role of a kind: where messages of live channel i come */
};
enum deliver_stats_block {
	RX_STATS_SUPERVISOR = 0,
	RX_STATS_CAPTURE = 1,
	RX_STATS_KEEPER = 2,
	RX_STATS_DECODE = 3,
	RX_STATS_PUBLISH = 4,
	RX_STATS_SINK = 5,
	RX_STATS_LIVE = 6,   /* decode's too: what it counts of each live channel */
	RX_STATS_SCAN = 7,   /* beats, and nothing counted */
	RX_STATS_TIMING = 8, /* decode's too: how long messages are on the way */
	RX_STATS_STATE = 9,
	RX_STATS_STREAM = 10,
	RX_STATS_ROLES = 11,
};

#endif
