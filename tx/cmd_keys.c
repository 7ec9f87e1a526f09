// SPDX-License-Identifier: ISC
/*
 * keys list: every key that the configuration names, and what is wrong with it.
 * keys passphrase: another passphrase for a secret file, or none.
 */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "keys_make.h"
#include "tx_commands.h"
#include "tx_keys.h"

#define DAY_NS (UINT64_C(86400) * CLOCK_NS_PER_SEC)

static int fail(const struct km_err *err)
{
	(void)fprintf(stderr, "katamichi-tx: %s\n", err->text);
	return err->code ? err->code : EX_SOFTWARE;
}

static int list(const struct tx_config *config)
{
	struct keys_row row[TX_KEYS_MAX];
	struct km_err err = KM_ERR_INIT;

	if (keys_init(&err) != 0)
		return fail(&err);
	return keys_rows_print(row, tx_keys_rows(config, row), keys_day_of(clock_real_ns()),
			       (uint32_t)(config->key_warning_ns / DAY_NS), stdout)
		       ? EX_CONFIG
		       : EX_OK;
}

static int change_passphrase(const struct tx_options *options, const char *path)
{
	struct km_err err = KM_ERR_INIT;
	struct keys_sign_public pub;
	struct keys_seen seen;
	struct keys_repass change = {
		.path = path,
		.was_file = options->old_passphrase_file,
		.now_file = options->passphrase_file,
		.remove = options->remove,
	};

	if (keys_init(&err) != 0 || keys_sign_peek(&pub, &seen, path, &err) != 0)
		return fail(&err);
	change.locked = seen.locked;
	return keys_make_repass(&change, keys_sign_repass, &err) == 0 ? EX_OK : fail(&err);
}

int cmd_keys(const struct tx_options *options)
{
	const bool listing = strcmp(options->action, "list") == 0;
	struct tx_parse *parse;
	int code;

	if (!listing && strcmp(options->action, "passphrase") != 0) {
		(void)fprintf(
			stderr,
			"katamichi-tx keys: unknown action '%s'; try katamichi-tx keys "
			"--help\n",
			options->action);
		return EX_USAGE;
	}
	if (!listing && options->key)
		return change_passphrase(options, options->key);
	if (listing && (options->key || options->passphrase_file ||
			options->old_passphrase_file || options->remove)) {
		(void)fprintf(stderr, "katamichi-tx keys list: takes --config alone; try "
				      "katamichi-tx keys --help\n");
		return EX_USAGE;
	}
	parse = tx_open_config(options->config, NULL, NULL, &code);
	if (!parse)
		return code;
	code = listing ? list(&parse->config)
		       : change_passphrase(options, parse->config.key);
	tx_parse_free(parse);
	return code;
}
