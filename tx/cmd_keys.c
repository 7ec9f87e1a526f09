// SPDX-License-Identifier: ISC
/* keys list: every key that the configuration names, and what is wrong with it. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "tx_commands.h"
#include "tx_keys.h"

#define DAY_NS (UINT64_C(86400) * CLOCK_NS_PER_SEC)

int cmd_keys(const struct tx_options *options)
{
	struct keys_row row[TX_KEYS_MAX];
	struct km_err err = KM_ERR_INIT;
	struct tx_parse *parse;
	unsigned problems;
	int code;

	if (strcmp(options->action, "list") != 0) {
		(void)fprintf(
			stderr,
			"katamichi-tx keys: unknown action '%s'; try katamichi-tx keys "
			"--help\n",
			options->action);
		return EX_USAGE;
	}
	parse = tx_open_config(options->config, NULL, NULL, &code);
	if (!parse)
		return code;
	if (keys_init(&err) != 0) {
		(void)fprintf(stderr, "katamichi-tx: %s\n", err.text);
		tx_parse_free(parse);
		return err.code;
	}
	problems = keys_rows_print(
		row, tx_keys_rows(&parse->config, row), keys_day_of(clock_real_ns()),
		(uint32_t)(parse->config.key_warning_ns / DAY_NS), stdout);
	tx_parse_free(parse);
	return problems ? EX_CONFIG : EX_OK;
}
