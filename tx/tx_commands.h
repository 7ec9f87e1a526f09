// SPDX-License-Identifier: ISC
/*
 * The subcommands of katamichi-tx, one file each, and the options they share. Called by
 * main() only; each returns the exit code of the program.
 */
#ifndef TX_COMMANDS_H
#define TX_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

#include "opt.h"
#include "tx_table.h"

#define TX_CONFIG_PATH "/etc/katamichi/tx.conf"

/* Exit code of resend: something that was asked for is no longer kept. */
#define TX_EXIT_NOT_KEPT EX_UNAVAILABLE

struct tx_options {
	const char *config;
	const char *key, *public_key; /* keygen */
	const char *passphrase_file, *expires, *owner;
	const char *old_passphrase_file; /* keys passphrase */
	bool passphrase, remove;
	uint64_t environment;
	const char *action;	       /* keys */
	bool offline, dump, list_keys; /* check */
	bool json, all;		       /* status; json: oneway-check too */
	uint64_t wait_s;	       /* resend */
	struct opt_rest tickets;
	/* linktest */
	bool quick;
	uint64_t seconds, max_rate, burst;
	const char *sizes, *rates, *json_file;
	const char *manifest, *release_key, *root; /* verify-install */
};

int cmd_run(const struct tx_options *options);
int cmd_check(const struct tx_options *options);
int cmd_keygen(const struct tx_options *options);
int cmd_keys(const struct tx_options *options);
int cmd_status(const struct tx_options *options);
int cmd_resend(const struct tx_options *options);
int cmd_linktest(const struct tx_options *options);
int cmd_oneway(const struct tx_options *options);
int cmd_verify_install(const struct tx_options *options);

/*
 * Reads and judges the file; every finding goes to stderr. The result is the caller's
 * (tx_parse_free); NULL with *code set. bytes and len (may be NULL) get the file itself (free).
 */
struct tx_parse *tx_open_config(const char *path, char **bytes, size_t *len, int *code);

#endif
