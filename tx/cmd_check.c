// SPDX-License-Identifier: ISC
/* check: the judgement of the file, of this machine, and the sums. Changes nothing. */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "digest.h"
#include "tx_advise.h"
#include "tx_commands.h"
#include "tx_keys.h"
#include "tx_probe.h"

#define DAY_NS (UINT64_C(86400) * CLOCK_NS_PER_SEC)

/* What needs this machine. -1: the interface is not there (said in the log line). */
static int check_machine(struct tx_parse *parse, struct host_interface *port)
{
	struct km_err err = KM_ERR_INIT;
	int rc = tx_probe_link(parse, port, &err);

	if (rc != 0)
		conf_report_add(&parse->report, &parse->raw, "transmitter", 0, "interface",
				"%s", err.text);
	tx_probe_kernel(parse);
	tx_probe_files(parse);
	return rc;
}

static void check_host(const struct tx_config *config)
{
	struct advice_list list = {.n = 0};
	struct keys_row row[TX_KEYS_MAX];

	tx_advise_host(&list, config);
	advice_print(&list, stdout);
	keys_rows_print_due(row, tx_keys_rows(config, row), keys_day_of(clock_real_ns()),
			    (uint32_t)(config->key_warning_ns / DAY_NS), stdout);
}

static int check_parsed(const struct tx_options *options, struct tx_parse *parse)
{
	char hex[DIGEST_HEX_LEN + 1];
	struct host_interface port;
	int link = 0;

	if (options->dump) {
		conf_dump(stdout, &parse->raw, &parse->report);
		return EX_OK;
	}
	if (!options->offline)
		link = check_machine(parse, &port);
	if (parse->report.errors != 0) {
		conf_report_print(&parse->report, stderr);
		return link != 0 && parse->report.errors == 1 ? EX_UNAVAILABLE : EX_CONFIG;
	}
	digest_hex(hex, parse->config.digest);
	(void)printf("%s: accepted\nconfiguration digest %s\n", options->config, hex);
	if (parse->config.mtu != 0)
		tx_probe_report(&parse->config, options->offline ? NULL : &port, stdout);
	else
		(void)printf("the MTU is the interface's: sums need it, run check without "
			     "--offline\n");
	if (!options->offline)
		check_host(&parse->config);
	return EX_OK;
}

int cmd_check(const struct tx_options *options)
{
	struct tx_parse *parse;
	int code;

	if (options->list_keys) {
		conf_print_keys(stdout, &tx_table);
		return EX_OK;
	}
	parse = tx_open_config(options->config, NULL, NULL, &code);
	if (!parse)
		return code;
	code = check_parsed(options, parse);
	tx_parse_free(parse);
	return code;
}
