// SPDX-License-Identifier: ISC
/* keygen: a new identity. Never over an existing file. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "keys_make.h"
#include "role.h"
#include "tx_commands.h"

static int make(const struct keys_save *save, struct km_err *err)
{
	struct keys_sign_secret *key = sodium_malloc(sizeof(*key));
	int rc;

	if (!key)
		return km_err_set(err, EX_OSERR, "no locked memory for a key");
	keys_sign_generate(key);
	rc = keys_sign_save(key, save, err);
	if (rc == 0) {
		keys_make_print(save, key->pub.pk);
		(void)printf(
			"Carry the public key to the receiver, name it in its trust, and "
			"compare the fingerprint by voice.\n");
	}
	sodium_free(key);
	return rc;
}

static int plan(struct keys_save *save, char *path, size_t len,
		const struct tx_options *options, struct km_err *err)
{
	uid_t uid = 0;
	gid_t gid = 0;

	save->secret = options->key;
	save->public = options->public_key ? options->public_key : path;
	if (!keys_make_public_path(path, len, options->key))
		return km_err_set(err, EX_USAGE, "--key %s: path too long", options->key);
	if (options->owner && role_find_user(options->owner, &uid, &gid, err) != 0)
		return -1;
	save->uid = uid;
	save->gid = gid;
	if (keys_make_facts(&save->facts, options->expires, (uint16_t)options->environment,
			    keys_day_of(clock_real_ns()), err) != 0)
		return -1;
	return keys_init(err);
}

int cmd_keygen(const struct tx_options *options)
{
	const bool locked = options->passphrase || options->passphrase_file;
	char path[TX_PATH_LEN];
	struct km_err err = KM_ERR_INIT;
	struct keys_save save = {0};
	int rc = plan(&save, path, sizeof(path), options, &err);

	if (rc == 0)
		rc = keys_make_run(&save, locked, options->passphrase_file, make, &err);
	if (rc == 0)
		return EX_OK;
	(void)fprintf(stderr, "katamichi-tx: %s\n", err.text);
	return err.code ? err.code : EX_CANTCREAT;
}
