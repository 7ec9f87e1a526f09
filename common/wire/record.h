// SPDX-License-Identifier: ISC
/*
 * Records: what a symbol is made of. A symbol is a sequence of whole records;
 * no record crosses a symbol. A record is
 *
 *	u8 type, varint length of the body, body
 *
 * Type 0 (no length, no body) means that the rest of the symbol is padding,
 * all zero. varint is unsigned LEB128 in its shortest form, at most 10 bytes.
 * Fixed-width integers are big-endian.
 *
 * The decoder hands out views into the caller's bytes: nothing is copied and
 * nothing is allocated. It accepts exactly what the encoder can write: unknown
 * types are skipped and counted by the caller (a later minor version may add
 * some), a malformed body ends the symbol.
 */
#ifndef RECORD_H
#define RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "cursor.h"
#include "km_err.h"
#include "wire_limits.h"

enum record_type {
	RECORD_PADDING = 0,
	/* data stream of a `files` channel */
	RECORD_BEGIN = 1,     /* facts of an object; again once per window */
	RECORD_FRAGMENT = 2,  /* bytes of an object */
	RECORD_WITHDRAWN = 3, /* tx gave an object up; its number stays used */
	/* data stream of a live channel (`datagram`) */
	RECORD_MESSAGE = 4, /* a message, or a piece of one */
	/* ledger stream of any channel */
	RECORD_MANIFEST = 8, /* bytes of a manifest file and its signature */
	/* control channel */
	RECORD_HEARTBEAT = 16,
	RECORD_HEADS = 17,
	RECORD_CLOSE = 18,
	RECORD_LIVE = 19, /* how far a live channel has come */
};

enum record_object_kind {
	RECORD_OBJECT_FILE = 0,
	RECORD_OBJECT_DIR = 1, /* an empty directory: size 0, no fragment */
};

/* varint chain, varint number, u8 kind, varint size, i64 mtime_s, u32 mtime_ns, path */
struct record_begin {
	uint64_t chain, number, size;
	int64_t mtime_s;
	uint32_t mtime_ns; /* < 1e9 */
	uint8_t kind;
	const uint8_t *path; /* relative, '/'-separated; judged by name.h, not here */
	size_t path_len;     /* 1..WIRE_PATH_MAX */
};

/* varint chain, varint number, varint offset, data (>= 1 byte) */
struct record_fragment {
	uint64_t chain, number, offset;
	const uint8_t *data;
	size_t len;
};

enum record_withdrawn_reason {
	RECORD_WITHDRAWN_CHANGED = 1, /* it changed while it was read */
	RECORD_WITHDRAWN_GONE = 2,    /* it could not be opened or read any more */
};

/* varint chain, varint number, u8 reason */
struct record_withdrawn {
	uint64_t chain, number;
	uint8_t reason;
};

/* varint chain, varint manifest number, varint total, varint offset, data.
 * The bytes so numbered are: u32 text length, text, minisig file to the end. */
struct record_manifest {
	uint64_t chain, number;
	uint64_t total; /* 4 + text + signature, <= WIRE_MANIFEST_MAX */
	uint64_t offset;
	const uint8_t *data;
	size_t len;
};

enum record_heartbeat_flags {
	RECORD_HB_FAREWELL = 1 << 0,	/* tx stops in order: nothing follows */
	RECORD_HB_PERMISSIVE = 1 << 1,	/* tx runs without its full sandbox */
	RECORD_HB_RETURN_SEEN = 1 << 2, /* tx's diode port has received something */
};

/* u64 tx_time_ns, u64 port_received, u8 flags, u8[8] config digest prefix,
 * u8 lane count, count x { u16 lane, u64 accepted }, lanes ascending, each once */
struct record_heartbeat {
	uint64_t tx_time_ns;	/* CLOCK_REALTIME of tx when sealed */
	uint64_t port_received; /* frames tx's link interface ever received */
	uint8_t flags;
	uint8_t config_digest[8];
	uint8_t lanes;
	struct {
		uint16_t lane;
		uint64_t
			accepted; /* frames of the lane that the kernel took: 0..accepted-1 */
	} lane[WIRE_LANES_MAX];
};

/* u16 channel, varint chain, varint objects, varint manifests, u8[32] head hash.
 * One record per channel; every channel's within each second. */
struct record_heads {
	uint16_t channel;
	uint64_t chain;	  /* 0: the channel has no chain yet, nor objects, nor manifests */
	uint64_t objects; /* highest object number given out and sent, 0 = none */
	uint64_t manifests; /* highest manifest number whose frames have left */
	uint8_t head[32];   /* SHA-256 of that manifest's text, zero if none */
};

/* u16 channel, u8 stream, u32 window, u16 symbols, u16 repairs.
 * Says how a window ended even when all its repair symbols are lost. Sent on
 * the control lane, twice. `symbols` is the number of source symbols N: block b
 * has k = ceil((N - b) / D). `repairs` counts those of all blocks together. */
struct record_close {
	uint16_t channel;
	uint8_t stream;
	uint32_t window;
	uint32_t symbols; /* 1..WIRE_WINDOW_SYMBOLS_MAX */
	uint16_t repairs;
};

/* varint number, u64 tx_time_ns, u8 source length, source, varint total, varint offset,
 * data (>= 1 byte, none if total is 0). All pieces of a message say the same but for offset
 * and data. */
struct record_message {
	uint64_t number;       /* of the channel in this session, from 1 */
	uint64_t tx_time_ns;   /* CLOCK_REALTIME of tx when it took the message */
	const uint8_t *source; /* address and port in network order, as received */
	size_t source_len;     /* 0 none, WIRE_SOURCE_IPV4 or WIRE_SOURCE_IPV6 */
	uint32_t total;	       /* bytes of the message, <= WIRE_MESSAGE_MAX */
	uint32_t offset;
	const uint8_t *data;
	size_t len;
};

/* u16 channel, varint messages, varint dropped. One record per live channel; every
 * channel's within each second. */
struct record_live {
	uint16_t channel;
	uint64_t messages; /* highest number sealed in this session, 0 = none */
	uint64_t
		dropped; /* messages that tx had to drop before numbering, since it started */
};

struct record {
	uint8_t type;
	const uint8_t *body; /* the raw body, for unknown types too */
	size_t body_len;
	union {
		struct record_begin begin;
		struct record_fragment fragment;
		struct record_withdrawn withdrawn;
		struct record_manifest manifest;
		struct record_heads heads;
		struct record_close close;
		struct record_message message;
		struct record_live live;
		/* heartbeat is large: decoded by record_heartbeat_decode() from body */
	};
};

/*
 * Take the next record of a symbol from RD.
 *
 * KM_OK             R is filled; views point into RD's bytes
 * KM_ERR_EMPTY      the end, or padding (checked: all zero) up to the end
 * KM_ERR_MALFORMED  the rest of the symbol cannot be read
 * KM_ERR_NOTFOUND   an unknown type: body and length set, call again to go on
 */
KM_MUST_CHECK enum km_rc record_next(struct rd *rd, struct record *r);
KM_MUST_CHECK enum km_rc record_heartbeat_decode(struct record_heartbeat *hb,
						 const uint8_t *body, size_t len);

/* Encoders append one record to WR or, when it does not fit, leave WR as it
 * was and return KM_ERR_FULL. KM_ERR_RANGE: a field that the decoder would
 * refuse (object, manifest and chain numbers begin at 1). */
KM_MUST_CHECK enum km_rc record_put_begin(struct wr *wr, const struct record_begin *b);
KM_MUST_CHECK enum km_rc record_put_withdrawn(struct wr *wr,
					      const struct record_withdrawn *w);
KM_MUST_CHECK enum km_rc record_put_heartbeat(struct wr *wr,
					      const struct record_heartbeat *hb);
KM_MUST_CHECK enum km_rc record_put_heads(struct wr *wr, const struct record_heads *h);
KM_MUST_CHECK enum km_rc record_put_close(struct wr *wr, const struct record_close *c);
KM_MUST_CHECK enum km_rc record_put_live(struct wr *wr, const struct record_live *l);

/*
 * Fragments fill what is left: write the header of a fragment of at most WANT
 * bytes and return in *TAKEN how many data bytes follow, and in *DATA where
 * the caller puts them (already counted into WR). KM_ERR_FULL when fewer than
 * min(WANT, RECORD_FRAGMENT_MIN) bytes would fit.
 */
#define RECORD_FRAGMENT_MIN 32u
KM_MUST_CHECK enum km_rc record_put_fragment(struct wr *wr, uint64_t chain, uint64_t number,
					     uint64_t offset, size_t want, uint8_t **data,
					     size_t *taken);
KM_MUST_CHECK enum km_rc record_put_manifest(struct wr *wr, uint64_t chain, uint64_t number,
					     uint64_t total, uint64_t offset, size_t want,
					     uint8_t **data, size_t *taken);

/* The same for a piece of a message: M->len bytes are wanted from M->offset on; M->data is
 * not looked at. An empty message is one record without data (*TAKEN 0). */
KM_MUST_CHECK enum km_rc record_put_message(struct wr *wr, const struct record_message *m,
					    uint8_t **data, size_t *taken);

/* Bytes of that record when nothing is cut. */
size_t record_message_bytes(const struct record_message *m);

#endif
