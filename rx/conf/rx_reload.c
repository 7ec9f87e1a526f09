// SPDX-License-Identifier: ISC
#include "rx_reload.h"

#include <fcntl.h>
#include <stdlib.h>

#include "conf.h"
#include "fileio.h"
#include "rx_table.h"

static int judge(const struct rx_parse *now, const char *path, const char *before,
		 size_t before_len, struct km_err *err)
{
	static const char *const may_change[] = {"trust", "retired", "passphrase_file",
						 "key_warning", NULL};
	struct rx_parse *old;
	const char *key;

	if (now->report.errors != 0)
		return km_err_set(err, EX_CONFIG, "%s",
				  now->report.line[0] ? now->report.line[0] : path);
	old = rx_parse_new(before, before_len, path, err);
	if (!old)
		return -1;
	key = conf_first_change(&rx_table, &old->raw, &now->raw, may_change);
	rx_parse_free(old);
	if (!key)
		return 0;
	return km_err_set(err, EX_CONFIG,
			  "%s: %s has changed too, and SIGHUP is for trust, retired, "
			  "passphrase_file and key_warning alone: put it back, or restart "
			  "the daemon",
			  path, key);
}

int rx_reload_config(const char *path, const char *before, size_t before_len, char **bytes,
		     size_t *len, struct km_err *err)
{
	struct rx_parse *now;
	uint8_t *data;
	int rc;

	if (fileio_read_all(AT_FDCWD, path, CONF_FILE_MAX, &data, len, err) != 0)
		return -1;
	now = rx_parse_new((const char *)data, *len, path, err);
	rc = now ? judge(now, path, before, before_len, err) : -1;
	rx_parse_free(now);
	if (rc == 0)
		*bytes = (char *)data;
	else
		free(data);
	return rc;
}
