// SPDX-License-Identifier: ISC
#include "rx_keys.h"

#include <string.h>
#include <unistd.h>

#include "role.h"

/* Whose the secret must be: the user whose rights the roles take. */
static uint32_t owner_of(const struct rx_config *config)
{
	struct km_err err = KM_ERR_INIT;
	uid_t uid;
	gid_t gid;

	if (config->user[0] == '\0' || role_find_user(config->user, &uid, &gid, &err) != 0)
		return geteuid();
	return uid;
}

unsigned rx_keys_rows(const struct rx_config *config, struct keys_row *row)
{
	unsigned n = 1;

	memset(row, 0, RX_KEYS_MAX * sizeof(*row));
	row[0].conf = "key";
	keys_row_own_box(&row[0], config->key, owner_of(config), config->environment);
	for (unsigned i = 0; i < config->trusted; i++, n++) {
		row[n].role = "transmitter";
		row[n].conf = "trust";
		keys_row_sign(&row[n], config->trust[i], config->environment);
	}
	for (unsigned i = 0; i < config->retired_count; i++, n++) {
		row[n].role = "retired";
		row[n].conf = "retired";
		keys_row_sign(&row[n], config->retired[i], config->environment);
	}
	return n;
}
