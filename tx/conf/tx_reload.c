// SPDX-License-Identifier: ISC
#include "tx_reload.h"

#include <fcntl.h>
#include <stdlib.h>

#include "conf.h"
#include "fileio.h"
#include "tx_table.h"

static int judge(const struct tx_parse *now, const char *path, const char *before,
		 size_t before_len, struct km_err *err)
{
	static const char *const may_change[] = {"receivers", "passphrase_file",
						 "key_warning", NULL};
	struct tx_parse *old;
	const char *key;

	if (now->report.errors != 0)
		return km_err_set(err, EX_CONFIG, "%s",
				  now->report.line[0] ? now->report.line[0] : path);
	old = tx_parse_new(before, before_len, path, err);
	if (!old)
		return -1;
	key = conf_first_change(&tx_table, &old->raw, &now->raw, may_change);
	tx_parse_free(old);
	if (!key)
		return 0;
	return km_err_set(err, EX_CONFIG,
			  "%s: %s has changed too, and SIGHUP is for receivers, "
			  "passphrase_file and key_warning alone: put it back, or restart "
			  "the daemon",
			  path, key);
}

int tx_reload_config(const char *path, const char *before, size_t before_len, char **bytes,
		     size_t *len, struct km_err *err)
{
	struct tx_parse *now;
	uint8_t *data;
	int rc;

	if (fileio_read_all(AT_FDCWD, path, CONF_FILE_MAX, &data, len, err) != 0)
		return -1;
	now = tx_parse_new((const char *)data, *len, path, err);
	rc = now ? judge(now, path, before, before_len, err) : -1;
	tx_parse_free(now);
	if (rc == 0)
		*bytes = (char *)data;
	else
		free(data);
	return rc;
}
