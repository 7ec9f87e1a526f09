// SPDX-License-Identifier: ISC
#include "tx_keys.h"

#include <string.h>
#include <unistd.h>

#include "role.h"

/* Whose the secret must be: the user whose rights the roles take. */
static uint32_t owner_of(const struct tx_config *config)
{
	struct km_err err = KM_ERR_INIT;
	uid_t uid;
	gid_t gid;

	if (config->user[0] == '\0' || role_find_user(config->user, &uid, &gid, &err) != 0)
		return geteuid();
	return uid;
}

static void note_twins(struct keys_row *row, unsigned n)
{
	for (unsigned i = 1; i < n; i++)
		for (unsigned j = 1; j < i; j++)
			if (row[i].print[0] && strcmp(row[i].print, row[j].print) == 0)
				(void)snprintf(row[i].problem, sizeof(row[i].problem),
					       "items %u and %u are the same key", j, i);
}

unsigned tx_keys_rows(const struct tx_config *config, struct keys_row *row)
{
	unsigned n = 1;

	memset(row, 0, TX_KEYS_MAX * sizeof(*row));
	row[0].conf = "key";
	keys_row_own_sign(&row[0], config->key, owner_of(config), config->environment);
	for (unsigned i = 0; i < config->receiver_count; i++, n++) {
		row[n].role = "receiver";
		row[n].conf = "receivers";
		keys_row_box(&row[n], config->receivers[i], config->environment);
	}
	note_twins(row, n);
	return n;
}
