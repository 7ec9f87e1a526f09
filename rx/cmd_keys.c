// SPDX-License-Identifier: ISC
/* keys list: every key that the configuration names, and what is wrong with it. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "rx_commands.h"
#include "rx_keys.h"

#define DAY_NS (UINT64_C(86400) * CLOCK_NS_PER_SEC)

int cmd_keys(const struct rx_options *options)
{
	struct keys_row row[RX_KEYS_MAX];
	struct km_err err = KM_ERR_INIT;
	struct rx_parse *parse;
	unsigned problems;
	int code;

	if (strcmp(options->action, "list") != 0) {
		(void)fprintf(
			stderr,
			"katamichi-rx keys: unknown action '%s'; try katamichi-rx keys "
			"--help\n",
			options->action);
		return EX_USAGE;
	}
	parse = rx_open_config(options->config, NULL, NULL, &code);
	if (!parse)
		return code;
	if (keys_init(&err) != 0) {
		(void)fprintf(stderr, "katamichi-rx: %s\n", err.text);
		rx_parse_free(parse);
		return err.code;
	}
	problems = keys_rows_print(
		row, rx_keys_rows(&parse->config, row), keys_day_of(clock_real_ns()),
		(uint32_t)(parse->config.key_warning_ns / DAY_NS), stdout);
	rx_parse_free(parse);
	return problems ? EX_CONFIG : EX_OK;
}
