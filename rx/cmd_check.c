// SPDX-License-Identifier: ISC
/* check: the judgement of the file, of this machine, and the sums. Changes nothing. */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "digest.h"
#include "rx_advise.h"
#include "rx_commands.h"
#include "rx_keys.h"
#include "rx_probe.h"

#define DAY_NS (UINT64_C(86400) * CLOCK_NS_PER_SEC)

/* What needs this machine. -1: the interface is not there (said in the log line). */
static int check_machine(struct rx_parse *parse, struct host_interface *port)
{
	struct km_err err = KM_ERR_INIT;
	int rc = rx_probe_link(parse, port, &err);

	if (rc != 0)
		conf_report_add(&parse->report, &parse->raw, "receiver", 0, "interface",
				"%s", err.text);
	rx_probe_address(parse);
	rx_probe_consumers(parse);
	rx_probe_kernel(parse);
	if (rc == 0)
		rx_probe_size(parse);
	rx_probe_files(parse);
	return rc;
}

static void check_host(const struct rx_config *config)
{
	struct advice_list list = {.n = 0};
	struct keys_row row[RX_KEYS_MAX];

	rx_advise_host(&list, config);
	advice_print(&list, stdout);
	keys_rows_print_due(row, rx_keys_rows(config, row), keys_day_of(clock_real_ns()),
			    (uint32_t)(config->key_warning_ns / DAY_NS), stdout);
}

static int check_parsed(const struct rx_options *options, struct rx_parse *parse)
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
		rx_probe_report(&parse->config, options->offline ? NULL : &port, stdout);
	else
		(void)printf("the MTU is the interface's: sums need it, run check without "
			     "--offline\n");
	if (!options->offline)
		check_host(&parse->config);
	return EX_OK;
}

int cmd_check(const struct rx_options *options)
{
	struct rx_parse *parse;
	int code;

	if (options->list_keys) {
		conf_print_keys(stdout, &rx_table);
		return EX_OK;
	}
	parse = rx_open_config(options->config, NULL, NULL, &code);
	if (!parse)
		return code;
	code = check_parsed(options, parse);
	rx_parse_free(parse);
	return code;
}
