// SPDX-License-Identifier: ISC
/*
 * The subcommands of katamichi-rx, one file each, and the options they share. Called by
 * main() only; each returns the exit code of the program.
 */
#ifndef RX_COMMANDS_H
#define RX_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

#include "opt.h"
#include "rx_table.h"

#define RX_CONFIG_PATH "/etc/katamichi/rx.conf"

struct rx_options {
	const char *config;
	const char *key, *public_key; /* keygen */
	const char *passphrase_file, *expires, *owner;
	const char *old_passphrase_file; /* keys passphrase */
	bool passphrase, remove;
	uint64_t environment;
	const char *action;	       /* keys */
	bool offline, dump, list_keys; /* check */
	bool json, all;		       /* status; json: oneway-check too */
	const char *channel;	       /* verify, missing: NULL = every channel */
	const char *into, *capture;    /* replay */
	const char *object, *reason;   /* quarantine; its channel and wait_s too */
	const char *fingerprint;       /* accept-session */
	uint64_t epoch;
	uint64_t mtu;
	uint64_t wait_s; /* linktest: 0 = for ever */
	const char *json_file, *svg_file;
	const char *manifest, *release_key, *root; /* verify-install */
};

int cmd_run(const struct rx_options *options);
int cmd_check(const struct rx_options *options);
int cmd_keygen(const struct rx_options *options);
int cmd_keys(const struct rx_options *options);
int cmd_status(const struct rx_options *options);
int cmd_verify(const struct rx_options *options);
int cmd_missing(const struct rx_options *options);
int cmd_replay(const struct rx_options *options);
int cmd_accept(const struct rx_options *options);
int cmd_quarantine(const struct rx_options *options);
int cmd_linktest(const struct rx_options *options);
int cmd_oneway(const struct rx_options *options);
int cmd_verify_install(const struct rx_options *options);

/*
 * Reads and judges the file; every finding goes to stderr. The result is the caller's
 * (rx_parse_free); NULL with *code set. bytes and len (may be NULL) get the file itself (free).
 */
struct rx_parse *rx_open_config(const char *path, char **bytes, size_t *len, int *code);

/* The lines of status that stand on counters alone, for status and at the end of replay. */
struct stats_map;
void rx_print_counters(const struct stats_map *map);

#endif
