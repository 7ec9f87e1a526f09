// SPDX-License-Identifier: ISC
/*
 * The effective configuration of katamichi-rx, one struct, filled and judged by
 * rx_config_load(). Every role parses the same sealed copy of the bytes that
 * the supervisor read.
 */
#ifndef RX_CONFIG_H
#define RX_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "carrier.h"
#include "cores.h"
#include "intake.h"
#include "km_err.h"
#include "local_end.h"
#include "manifest.h"
#include "rx_scan.h"
#include "segment.h"
#include "sink.h"
#include "wire_limits.h"

#define RX_PATH_LEN 512u
#define RX_TRUSTED_MAX 16u
#define RX_SCAN_PATHS_MAX 16u

enum rx_capture {
	RX_CAPTURE_AUTO, /* AF_XDP where zero-copy, else ring, else libpcap */
	RX_CAPTURE_RING,
	RX_CAPTURE_XDP,
	RX_CAPTURE_PCAP,
};

enum rx_framing {
	RX_FRAMING_ETHERNET,
	RX_FRAMING_UDP,
};

enum rx_replace {
	RX_REPLACE_GENERATION,
	RX_REPLACE_REFUSE,
};

struct rx_config_channel {
	char name[MANIFEST_NAME_MAX + 1];
	uint16_t number;
	char owner[MANIFEST_TEXT_MAX + 1];
	char purpose[MANIFEST_TEXT_MAX + 1];
	char classification[MANIFEST_TEXT_MAX + 1];
	char root
		[RX_PATH_LEN]; /* ROOT/{.incoming,.quarantine,generations,manifests,tree} */
	uint8_t replace;       /* enum rx_replace */
	uint32_t keep_generations;    /* per path, 10 */
	uint64_t keep_ns;	      /* keep_days of generations, 30 days */
	uint64_t max_object;	      /* bytes, 1 TiB */
	uint64_t min_free;	      /* bytes left free on the root's file system, 1 GiB */
	uint16_t file_mode, dir_mode; /* 0644, 0755 */
	char scan[RX_SCAN_LEN];	      /* "" = nobody looks */
	uint64_t scan_timeout_ns;     /* 60 s */
	unsigned scan_jobs;	      /* at once, 2 */
	unsigned fec_k, fec_m, depth_max; /* the transmitter's; only to judge the pool */
};

enum rx_kind { RX_KIND_FILES, RX_KIND_DATAGRAM, RX_KIND_STATE, RX_KIND_STREAM, RX_KINDS };

/* What a consumer of a stream meets where bytes were lost: its end, or a line that says so. */
enum rx_gap { RX_GAP_CLOSE, RX_GAP_MARK };
#define RX_GAP_TEXT_MAX 128u

#define RX_LIVES_MAX SINK_CHANNELS
#define RX_STATES_MAX 6u /* of kind state; rows of counters for each */
/* Memory of a live channel for what is held back: decode/order.h's cells and table. */
#define RX_LIVE_HOLD (5u << 20)

/* A channel of any other kind than files: messages that go on at once. */
struct rx_config_live {
	char name[MANIFEST_NAME_MAX + 1];
	uint16_t number;
	uint8_t kind; /* enum rx_kind */
	char owner[MANIFEST_TEXT_MAX + 1];
	char purpose[MANIFEST_TEXT_MAX + 1];
	char classification[MANIFEST_TEXT_MAX + 1];
	struct local_end deliver;   /* the consumer; never by the diode port */
	char deliver_interface[16]; /* by which a group is reached; "" = no group */
	uint8_t deliver_ttl;	    /* of what goes to a group, 1 */
	uint64_t deliver_buffer; /* bytes on the way to it, or to the kind's role; 1 MiB */
	uint64_t hold_ns;	 /* a gap holds back what is behind it so long: 50 ms */
	/* kind = state */
	uint16_t socket_mode;	/* of a path in deliver, 0660 */
	uint64_t stale_ns;	/* an older value is stale; 30 s */
	uint32_t max_keys;	/* 10,000 */
	uint64_t max_table;	/* bytes of keys and values; 64 MiB */
	char file[RX_PATH_LEN]; /* "": none */
	uint64_t file_every_ns; /* 1 s */
	uint16_t file_mode;	/* 0644 */
	/* kind = stream */
	unsigned connections;		/* consumers at a time, 16; of a FIFO 1 */
	uint64_t consumer_buffer;	/* bytes that wait for one of them, 1 MiB */
	uint8_t gap;			/* enum rx_gap; close */
	char gap_text[RX_GAP_TEXT_MAX]; /* of RX_GAP_MARK, with %u for the bytes lost */
};

struct rx_config {
	char name[64];
	char interface[16];
	uint16_t ethertype;
	uint16_t vlan;
	uint8_t framing;	/* enum rx_framing */
	struct carrier_udp udp; /* framing = udp; from.port 0: any sender */
	uint32_t mtu;		/* 0: the interface's */
	uint16_t environment;
	uint8_t capture;	 /* enum rx_capture */
	uint64_t ring_bytes;	 /* receive ring, 64 MiB */
	uint32_t retire_ms;	 /* 2 */
	uint64_t realtime_bytes; /* ring for class realtime, 16 MiB; 0: none */
	bool spin;		 /* never sleep on it */
	uint64_t pool_bytes;	 /* window pool, 256 MiB */
	uint64_t hold_bytes;	 /* frames of sessions not yet announced, 16 MiB */
	char state_dir[RX_PATH_LEN];
	char run_dir[RX_PATH_LEN];
	char key[RX_PATH_LEN];
	char trust[RX_TRUSTED_MAX][RX_PATH_LEN]; /* tx public keys (minisign .pub) */
	unsigned trusted;
	char retired[RX_TRUSTED_MAX]
		    [RX_PATH_LEN]; /* they sign no more, what they signed stands */
	unsigned retired_count;
	char passphrase_file[RX_PATH_LEN]; /* "" = none */
	uint64_t key_warning_ns;
	uint64_t silent_ns; /* alarm `link silent` after this, 5 s */
	char user[64];
	char scan_user[64]; /* "" = user */
	char scan_path[RX_SCAN_PATHS_MAX][RX_PATH_LEN];
	unsigned scan_paths;
	char fec_kernel[16];
	int log_level;
	bool permissive;     /* sandbox: a wall that the kernel lacks is done without */
	bool pin;	     /* cores: busy threads get processors of their own */
	uint64_t summary_ns; /* 60 s */
	char metrics[RX_PATH_LEN]; /* "" = none */

	/* files and live ones; together at most WIRE_CHANNELS_MAX, numbers and names unique */
	struct rx_config_channel channel[WIRE_CHANNELS_MAX]; /* files */
	unsigned channels;
	struct rx_config_live live[RX_LIVES_MAX];
	unsigned lives;

	uint8_t digest[32];
};

int rx_config_load(struct rx_config *config, const char *bytes, size_t len,
		   const char *file_name, FILE *report);

/* The effective configuration of the file with the origin of each value, as a file that
 * parses again. */
int rx_config_dump(const char *bytes, size_t len, const char *file_name, FILE *out,
		   struct km_err *err);

/* What a role calls first: reads the sealed copy at FD, parses it again, and
 * overrides the MTU by the `--mtu N` among its arguments. */
int rx_config_for_role(struct rx_config *config, int fd, int argc, char **argv,
		       struct km_err *err);

/* Shapes of what roles share, from the configuration. MTU must be resolved. */
void rx_config_segment_plan(const struct rx_config *config, struct segment_plan *plan);
void rx_config_intake_plan(const struct rx_config *config, struct intake_plan *plan);

/* Which processors the busy threads get: slots of cores.h. The interrupt of the port is busy
 * too, and placed by hand (docs/tuning.md): a processor is left for it. */
#define RX_SLOT_DECODE 0u
#define RX_SLOT_PUBLISH 1u
#define RX_SLOTS 2u
void rx_config_cores(const struct rx_config *config, struct cores *cores);

/* Largest symbol at this MTU, and bytes of the Ethernet header. MTU must be resolved. */
uint32_t rx_config_symbol_size(const struct rx_config *config);
uint32_t rx_config_link_header_len(const struct rx_config *config); /* 14 or 18 */

/* What the file calls a kind. */
const char *rx_kind_name(enum rx_kind kind);
/* Its messages go to a role of its own (a folder of rx/), not to a consumer's socket. */
static inline bool rx_kind_has_role(enum rx_kind kind)
{
	return kind > RX_KIND_DATAGRAM;
}
/* Consumers connect to `deliver`, where that role listens. */
static inline bool rx_kind_serves(enum rx_kind kind)
{
	return kind == RX_KIND_STATE;
}
/* Live channels of that kind. */
unsigned rx_config_count(const struct rx_config *config, enum rx_kind kind);

/* The configured files channel NUMBER, or NULL. */
const struct rx_config_channel *rx_config_channel(const struct rx_config *config,
						  uint16_t number);

/* Some channel has its files looked at: there is a role scan. */
bool rx_config_scans(const struct rx_config *config);

/* Name of the channel NUMBER of any kind, or NULL. */
const char *rx_config_name(const struct rx_config *config, uint16_t number);

#endif
