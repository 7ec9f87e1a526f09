// SPDX-License-Identifier: ISC
/*
 * The keys of katamichi-tx's configuration file: the table that daemon/conf.h reads, the
 * plain struct it fills, and one parse of one file with its errors and origins.
 * tx_config.h is what everybody else sees; only `check` and start-up look in here, to put
 * file and line to what they find out about this machine.
 */
#ifndef TX_TABLE_H
#define TX_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "tx_config.h"

/* As written in the file: the types of conf.h. */
struct tx_raw_channel {
	char name[CONF_NAME_MAX];
	uint64_t number;
	int kind;
	char owner[MANIFEST_TEXT_MAX + 1];
	char purpose[MANIFEST_TEXT_MAX + 1];
	char classification[MANIFEST_TEXT_MAX + 1];
	int priority;
	char spool[TX_PATH_LEN];
	uint64_t settle_ns;
	uint64_t keep_days;
	uint64_t keep_bytes;
	uint64_t min_free;
	uint64_t max_object;
	uint64_t fec_k, fec_m, fec_depth;
	uint64_t flush_ns;
	uint64_t batch_bytes;
	struct local_end listen;
	struct conf_list join;
	char socket_mode[8];
	struct conf_list allow;
	uint64_t max_size;
	uint64_t max_messages;
	uint64_t max_bps;
	uint64_t receive_buffer;
	uint64_t close_ns, gather_ns;
	uint64_t live_k, live_m;
	uint64_t refresh_ns, max_keys, max_table;
	uint64_t connections;
	int overflow;
};

struct tx_raw {
	char name[64];
	char interface[16];
	uint8_t src_mac[6], dst_mac[6];
	uint16_t ethertype;
	uint64_t vlan;
	int framing;
	struct conf_endpoint udp_src, udp_dst;
	bool segmentation;
	int backend;
	uint64_t mtu;
	uint64_t rate_bps;
	uint64_t guarantee;
	uint64_t send_buffer;
	uint64_t read_ahead;
	uint64_t workers;
	uint64_t environment;
	char state_dir[TX_PATH_LEN];
	char run_dir[TX_PATH_LEN];
	char key[TX_PATH_LEN];
	struct conf_list receivers;
	char passphrase_file[TX_PATH_LEN];
	uint64_t key_warning_ns;
	uint64_t session_ns;
	char user[64];
	int fec_kernel;
	int log_level;
	int sandbox;
	int cores;
	uint64_t summary_ns;
	char metrics[TX_PATH_LEN];
	uint32_t channels;
	struct tx_raw_channel channel[WIRE_CHANNELS_MAX];
};

/* One file, parsed and judged; findings may still be added. */
struct tx_parse {
	struct tx_raw raw;
	struct conf_report report;
	struct tx_config config; /* valid when report.errors == 0 */
};

extern const struct conf_table tx_table;

/*
 * Parses and judges; the result is the caller's (tx_parse_free), with its errors in
 * ->report. file_name is borrowed as long as the result lives. NULL: out of memory or a
 * broken table, said in err.
 */
struct tx_parse *tx_parse_new(const char *bytes, size_t len, const char *file_name,
			      struct km_err *err);
void tx_parse_free(struct tx_parse *parse);

/* Checks between keys; adds to the report. Pure. */
void tx_judge(const struct tx_raw *raw, struct conf_report *report);

/* "192.0.2.1" as four bytes; false when it is no such address, or 0.0.0.0. */
bool tx_parse_address(const char *text, uint8_t ip[4]);

/* Rows of the generator for fec_m repairs: 0 for none. A closed block may need up to 6. */
unsigned tx_rows(uint64_t fec_m);

#endif
