// SPDX-License-Identifier: ISC
/*
 * keys list: every key that the configuration names, and what is wrong with it.
 * keys passphrase: another passphrase for a secret file, or none.
 */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "keys_make.h"
#include "rx_commands.h"
#include "rx_keys.h"

#define DAY_NS (UINT64_C(86400) * CLOCK_NS_PER_SEC)

static int fail(const struct km_err *err)
{
	(void)fprintf(stderr, "katamichi-rx: %s\n", err->text);
	return err->code ? err->code : EX_SOFTWARE;
}

static int list(const struct rx_config *config)
{
	struct keys_row row[RX_KEYS_MAX];
	struct km_err err = KM_ERR_INIT;

	if (keys_init(&err) != 0)
		return fail(&err);
	return keys_rows_print(row, rx_keys_rows(config, row), keys_day_of(clock_real_ns()),
			       (uint32_t)(config->key_warning_ns / DAY_NS), stdout)
		       ? EX_CONFIG
		       : EX_OK;
}

static int change_passphrase(const struct rx_options *options, const char *path)
{
	struct km_err err = KM_ERR_INIT;
	struct keys_box_public pub;
	struct keys_seen seen;
	struct keys_repass change = {
		.path = path,
		.was_file = options->old_passphrase_file,
		.now_file = options->passphrase_file,
		.remove = options->remove,
	};

	if (keys_init(&err) != 0 || keys_box_peek(&pub, &seen, path, &err) != 0)
		return fail(&err);
	change.locked = seen.locked;
	return keys_make_repass(&change, keys_box_repass, &err) == 0 ? EX_OK : fail(&err);
}

int cmd_keys(const struct rx_options *options)
{
	const bool listing = strcmp(options->action, "list") == 0;
	struct rx_parse *parse;
	int code;

	if (!listing && strcmp(options->action, "passphrase") != 0) {
		(void)fprintf(
			stderr,
			"katamichi-rx keys: unknown action '%s'; try katamichi-rx keys "
			"--help\n",
			options->action);
		return EX_USAGE;
	}
	if (!listing && options->key)
		return change_passphrase(options, options->key);
	if (listing && (options->key || options->passphrase_file ||
			options->old_passphrase_file || options->remove)) {
		(void)fprintf(stderr, "katamichi-rx keys list: takes --config alone; try "
				      "katamichi-rx keys --help\n");
		return EX_USAGE;
	}
	parse = rx_open_config(options->config, NULL, NULL, &code);
	if (!parse)
		return code;
	code = listing ? list(&parse->config)
		       : change_passphrase(options, parse->config.key);
	rx_parse_free(parse);
	return code;
}
