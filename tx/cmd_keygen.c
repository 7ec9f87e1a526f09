// SPDX-License-Identifier: ISC
/* keygen: a new identity. Never over an existing file. */
#include <stdio.h>
#include <string.h>

#include "keys.h"
#include "tx_commands.h"

/* "tx.key" -> "tx.pub"; any other name gets ".pub" behind it. */
static int public_path(char *out, size_t len, const char *key)
{
	size_t n = strlen(key);
	int wrote;

	if (n > 4 && strcmp(key + n - 4, ".key") == 0)
		n -= 4;
	wrote = snprintf(out, len, "%.*s.pub", (int)n, key);
	return wrote < 0 || (size_t)wrote >= len ? -1 : 0;
}

int cmd_keygen(const struct tx_options *options)
{
	char fingerprint[KEYS_FINGERPRINT_MAX], path[TX_PATH_LEN];
	struct km_err err = KM_ERR_INIT;
	struct keys_sign_secret key;
	int rc;

	if (public_path(path, sizeof(path), options->key) != 0) {
		(void)fprintf(stderr, "katamichi-tx: --key %s: path too long\n",
			      options->key);
		return EX_USAGE;
	}
	if (keys_init(&err) != 0) {
		(void)fprintf(stderr, "katamichi-tx: %s\n", err.text);
		return err.code;
	}
	keys_sign_generate(&key);
	keys_fingerprint(fingerprint, key.pub.pk);
	rc = keys_sign_save(&key, options->key,
			    options->public_key ? options->public_key : path, &err);
	keys_sign_wipe(&key);
	if (rc != 0) {
		(void)fprintf(stderr, "katamichi-tx: %s\n", err.text);
		return err.code ? err.code : EX_CANTCREAT;
	}
	(void)printf("secret key   %s\npublic key   %s\nfingerprint  %s\n", options->key,
		     options->public_key ? options->public_key : path, fingerprint);
	(void)printf("Carry the public key to the receiver, name it in its trust, and "
		     "compare the "
		     "fingerprint by voice.\n");
	return EX_OK;
}
