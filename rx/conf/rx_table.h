// SPDX-License-Identifier: ISC
/*
 * The keys of katamichi-rx's configuration file: the table that daemon/conf.h reads, the
 * plain struct it fills, and one parse of one file with its errors and origins.
 * rx_config.h is what everybody else sees; only `check` and start-up look in here, to put
 * file and line to what they find out about this machine.
 */
#ifndef RX_TABLE_H
#define RX_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "rx_config.h"
#include "rx_scan.h"

/* As written in the file: the types of conf.h. */
struct rx_raw_channel {
	char name[CONF_NAME_MAX];
	uint64_t number;
	int kind;
	char owner[MANIFEST_TEXT_MAX + 1];
	char purpose[MANIFEST_TEXT_MAX + 1];
	char classification[MANIFEST_TEXT_MAX + 1];
	char root[RX_PATH_LEN];
	int replace;
	uint64_t keep_generations;
	uint64_t keep_days;
	uint64_t max_object;
	uint64_t min_free;
	char file_mode[8], dir_mode[8];
	char scan[RX_SCAN_LEN];
	uint64_t scan_timeout_ns;
	uint64_t scan_jobs;
	uint64_t fec_k, fec_m, fec_depth;
	struct local_end deliver;
	char deliver_interface[16];
	uint64_t deliver_ttl;
	uint64_t deliver_buffer;
	uint64_t hold_back_ns;
	char socket_mode[8];
	uint64_t stale_ns, max_keys, max_table;
	char file[RX_PATH_LEN];
	uint64_t file_every_ns;
	uint64_t connections;
	uint64_t consumer_buffer;
	int gap;
	char gap_text[RX_GAP_TEXT_MAX];
};

struct rx_raw {
	char name[64];
	char interface[16];
	uint16_t ethertype;
	uint64_t vlan;
	int framing;
	struct conf_endpoint udp_src, udp_dst;
	uint64_t mtu;
	uint64_t environment;
	int capture;
	uint64_t ring_bytes;
	uint64_t retire_ns;
	uint64_t realtime_bytes;
	bool spin;
	uint64_t pool_bytes;
	uint64_t hold_bytes;
	char state_dir[RX_PATH_LEN];
	char run_dir[RX_PATH_LEN];
	char key[RX_PATH_LEN];
	struct conf_list trust;
	struct conf_list retired;
	char passphrase_file[RX_PATH_LEN];
	uint64_t key_warning_ns;
	uint64_t silent_ns;
	char user[64];
	char scan_user[64];
	struct conf_list scan_paths;
	int fec_kernel;
	int log_level;
	int sandbox;
	int cores;
	uint64_t summary_ns;
	char metrics[RX_PATH_LEN];
	uint32_t channels;
	struct rx_raw_channel channel[WIRE_CHANNELS_MAX];
};

/* One file, parsed and judged; findings may still be added. */
struct rx_parse {
	struct rx_raw raw;
	struct conf_report report;
	struct rx_config config; /* valid when report.errors == 0 */
};

extern const struct conf_table rx_table;

/*
 * Parses and judges; the result is the caller's (rx_parse_free), with its errors in
 * ->report. file_name is borrowed as long as the result lives. NULL: out of memory or a
 * broken table, said in err.
 */
struct rx_parse *rx_parse_new(const char *bytes, size_t len, const char *file_name,
			      struct km_err *err);
void rx_parse_free(struct rx_parse *parse);

/* Checks between keys; adds to the report. Pure. */
void rx_judge(const struct rx_raw *raw, struct conf_report *report);

/*
 * Adds a finding when the pool does not hold one full window of the largest channel at this
 * MTU, with the least value that does. Pure.
 */
void rx_judge_pool(const struct rx_raw *raw, uint32_t mtu, struct conf_report *report);

/* Slots of a full window of that geometry, sources and repairs. */
uint64_t rx_window_slots(uint64_t fec_k, uint64_t fec_m, uint64_t depth);

/* Bytes of a slot of the window segment for this MTU. */
uint32_t rx_slot_stride(uint32_t mtu);

#endif
