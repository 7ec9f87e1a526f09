// SPDX-License-Identifier: ISC
/*
 * The effective configuration of katamichi-tx, one struct, filled by
 * tx_config_parse() from the file's bytes and judged by tx_config_judge().
 * Every role parses the same sealed copy of the bytes that the supervisor read.
 */
#ifndef TX_CONFIG_H
#define TX_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "carrier.h"
#include "cores.h"
#include "km_err.h"
#include "lane.h"
#include "local_end.h"
#include "manifest.h"
#include "wire_limits.h"

#define TX_PATH_LEN 512u

struct tx_config_channel {
	char name[MANIFEST_NAME_MAX + 1];
	uint16_t number; /* 1..65,535, unique */
	char owner[MANIFEST_TEXT_MAX + 1];
	char purpose[MANIFEST_TEXT_MAX + 1];
	char classification[MANIFEST_TEXT_MAX + 1];
	uint8_t class;		 /* enum frame_class: normal (default), low, high */
	char spool[TX_PATH_LEN]; /* directory, see tx/source */
	uint64_t settle_ns;	 /* 1 s */
	uint64_t keep_ns;	 /* keep_days = 7 */
	uint64_t keep_bytes;	 /* 0: no limit */
	uint64_t min_free;     /* bytes of free space below which sent files yield; 1 GiB */
	uint64_t max_object;   /* larger files are refused by name; 1 TiB */
	unsigned fec_k, fec_m; /* 160, 16 */
	unsigned depth_max;    /* 63 */
	uint64_t flush_ns;     /* a window open this long without filling is closed: 1 s */
	uint64_t batch_bytes;  /* a batch of small objects ends here: 64 MiB */
};

enum tx_kind { TX_KIND_FILES, TX_KIND_DATAGRAM, TX_KIND_STATE, TX_KIND_STREAM, TX_KINDS };

#define TX_LIVES_MAX 16u /* a socket, and 8 rows of counters, for each */
#define TX_ALLOW_MAX 16u
#define TX_JOIN_MAX 16u
#define TX_STATES_MAX 6u /* of kind state; rows of counters for each */

/* What a role does when the source has no room for more. */
enum tx_overflow { TX_OVERFLOW_WAIT, TX_OVERFLOW_DROP };

/* A channel of any other kind than files: messages, always of class realtime. */
struct tx_config_live {
	char name[MANIFEST_NAME_MAX + 1];
	uint16_t number;
	uint8_t kind; /* enum tx_kind */
	char owner[MANIFEST_TEXT_MAX + 1];
	char purpose[MANIFEST_TEXT_MAX + 1];
	char classification[MANIFEST_TEXT_MAX + 1];
	struct local_end listen;    /* where producers bring it; never by the diode port */
	char join[TX_JOIN_MAX][16]; /* interfaces by which a group in listen comes */
	unsigned joins;
	uint16_t socket_mode;		/* of a path in listen, 0660 */
	uint8_t allow[TX_ALLOW_MAX][4]; /* sources taken; none listed: every one */
	unsigned allowed;
	uint32_t max_size;	 /* bytes of a message; 65,507 */
	uint64_t max_messages;	 /* a second; 0: no limit */
	uint64_t max_bps;	 /* bits of messages a second; 0: no limit */
	uint64_t receive_buffer; /* bytes of the kernel's queue; 4 MiB */
	uint64_t close_ns;	 /* a window open this long is closed: 10 ms */
	uint64_t gather_ns;	 /* a symbol may wait this long for more messages: 0 */
	unsigned fec_k, fec_m;	 /* live_k 32, live_m 8 */
	/* kind = state */
	uint64_t refresh_ns; /* each key is said again within that time; 10 s */
	uint32_t max_keys;   /* 10,000 */
	uint64_t max_table;  /* bytes of keys and values; 64 MiB */
	/* kind = stream */
	unsigned connections; /* producers at a time, 16; of a FIFO 1 */
	uint8_t overflow;     /* enum tx_overflow; wait */
};

enum tx_framing {
	TX_FRAMING_ETHERNET,
	TX_FRAMING_UDP,
};

enum tx_backend {
	TX_BACKEND_AUTO, /* AF_XDP where it is zero-copy, else the packet socket */
	TX_BACKEND_PACKET,
	TX_BACKEND_XDP,
};

struct tx_config {
	char name[64];
	char interface[16];
	uint8_t src_mac[6]; /* 02:4b:4d:00:00:01 */
	uint8_t dst_mac[6]; /* group address 03:4b:4d:00:00:01 */
	uint16_t ethertype;
	uint16_t vlan;		/* 0: untagged */
	uint8_t framing;	/* enum tx_framing */
	struct carrier_udp udp; /* framing = udp */
	bool segmentation; /* framing = udp: hand trains of datagrams to the kernel; yes */
	uint8_t backend;   /* enum tx_backend */
	uint32_t mtu;	   /* bytes after the Ethernet header; 0: the interface's */
	uint64_t rate_bps; /* bits/s on the interface, Ethernet header included; 1 Gbit/s */
	uint32_t guarantee_percent; /* of what leaves, for each class that waits; 5 */
	uint64_t read_ahead;	    /* bytes read of a large file at once, 16 MiB */
	unsigned
		workers; /* threads that fill lanes; 0: not resolved, tx_config_workers() */
	uint32_t
		send_buffer; /* bytes, SO_SNDBUF; 0: 212,992 up to MTU 1,500, else 1,000,000 bounded by wmem_max */
	uint16_t environment; /* 1 */
	char state_dir[TX_PATH_LEN];
	char run_dir[TX_PATH_LEN];
	char key[TX_PATH_LEN];					  /* tx secret key file */
	char receivers[WIRE_ANNOUNCE_RECEIVERS_MAX][TX_PATH_LEN]; /* rx public key files */
	unsigned receiver_count;
	char passphrase_file[TX_PATH_LEN]; /* "" = none */
	uint64_t key_warning_ns;
	uint64_t session_ns; /* at most 24 h */
	char user[64];	     /* "" = as started */
	char fec_kernel[16]; /* "auto" */
	int log_level;
	bool permissive;     /* sandbox: a wall that the kernel lacks is done without */
	bool pin;	     /* cores: busy threads get processors of their own */
	uint64_t summary_ns; /* 60 s between summary lines */
	char metrics[TX_PATH_LEN]; /* "" = none */

	/* files and live ones; together at most WIRE_CHANNELS_MAX, numbers and names unique */
	struct tx_config_channel channel[WIRE_CHANNELS_MAX]; /* files */
	unsigned channels;
	struct tx_config_live live[TX_LIVES_MAX];
	unsigned lives;

	uint8_t digest[32]; /* SHA-256 of the effective configuration as dumped */
};

/* Parse and judge BYTES (the file's content; FILE_NAME for messages). Every error
 * goes to REPORT, one line each; -1 when there was any. */
int tx_config_load(struct tx_config *config, const char *bytes, size_t len,
		   const char *file_name, FILE *report);

/* The effective configuration of the file with the origin of each value, as a file that
 * parses again. */
int tx_config_dump(const char *bytes, size_t len, const char *file_name, FILE *out,
		   struct km_err *err);

/* What a role calls first: reads the sealed copy at FD, parses it again, and
 * overrides the MTU by the `--mtu N` and the workers by the `--workers N` among its
 * arguments: what depends on the machine is found out once, by the supervisor. */
int tx_config_for_role(struct tx_config *config, int fd, int argc, char **argv,
		       struct km_err *err);

/* Workers where `workers` is not set: what the rate needs, as far as there are cores for it
 * beside the sender and the rest of the host; 1 on two cores. */
#define TX_WORKER_BPS UINT64_C(4000000000) /* what one is good for, with a fifth to spare */
unsigned tx_config_workers(uint64_t rate_bps, unsigned cores);
/* What the file calls a kind. */
const char *tx_kind_name(enum tx_kind kind);
/* Its messages come from a role of its own (a folder of tx/), not from a producer's socket. */
static inline bool tx_kind_has_role(enum tx_kind kind)
{
	return kind > TX_KIND_DATAGRAM;
}
/* Live channels of that kind. */
unsigned tx_config_count(const struct tx_config *config, enum tx_kind kind);

/* Which processors the busy threads get: slots of cores.h. */
#define TX_SLOT_SENDER 0u
#define TX_SLOT_WORKER 1u /* and those after it; worker 0 is the loop of the source */
void tx_config_cores(const struct tx_config *config, struct cores *cores);
/* Depth of a window of which all workers have one at once: together no more than fec_depth. */
unsigned tx_config_worker_depth(const struct tx_config *config,
				const struct tx_config_channel *channel);

/* Shape of the lanes, from rate, MTU and the hold times of lane.h. */
void tx_config_lane_plan(const struct tx_config *config, struct lane_plan *plan);

/* What the sender asks for as SO_SNDBUF, bytes: send_buffer, or what goes with the MTU. */
uint32_t tx_config_send_buffer(const struct tx_config *config);

/* Derived figures both source and sender must agree on. MTU must be resolved. */
uint32_t tx_config_symbol_size(const struct tx_config *config);
uint32_t tx_config_link_header_len(const struct tx_config *config); /* 14 or 18 */
/* Of the MTU, what IP and UDP headers take: 0 or 28. */
uint32_t tx_config_carrier_len(const struct tx_config *config);
/* Destination, source, tag if any, EtherType: link_header_len bytes into ETHER. */
void tx_config_link_header(const struct tx_config *config,
			   uint8_t ether[WIRE_ETHER_VLAN_LEN]);

#endif
