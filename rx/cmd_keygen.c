// SPDX-License-Identifier: ISC
/* keygen: the key to which sessions are addressed. Never over an existing file. */
#include <stdio.h>
#include <string.h>

#include "keys.h"
#include "rx_commands.h"

/* "rx.key" -> "rx.pub"; any other name gets ".pub" behind it. */
static int public_path(char *out, size_t len, const char *key)
{
	size_t n = strlen(key);
	int wrote;

	if (n > 4 && strcmp(key + n - 4, ".key") == 0)
		n -= 4;
	wrote = snprintf(out, len, "%.*s.pub", (int)n, key);
	return wrote < 0 || (size_t)wrote >= len ? -1 : 0;
}

int cmd_keygen(const struct rx_options *options)
{
	char fingerprint[KEYS_FINGERPRINT_MAX], path[RX_PATH_LEN];
	struct km_err err = KM_ERR_INIT;
	struct keys_box_secret key;
	int rc;

	if (public_path(path, sizeof(path), options->key) != 0) {
		(void)fprintf(stderr, "katamichi-rx: --key %s: path too long\n",
			      options->key);
		return EX_USAGE;
	}
	if (keys_init(&err) != 0) {
		(void)fprintf(stderr, "katamichi-rx: %s\n", err.text);
		return err.code;
	}
	keys_box_generate(&key);
	keys_fingerprint(fingerprint, key.pub.pk);
	rc = keys_box_save(&key, options->key,
			   options->public_key ? options->public_key : path, &err);
	keys_box_wipe(&key);
	if (rc != 0) {
		(void)fprintf(stderr, "katamichi-rx: %s\n", err.text);
		return err.code ? err.code : EX_CANTCREAT;
	}
	(void)printf("secret key   %s\npublic key   %s\nfingerprint  %s\n", options->key,
		     options->public_key ? options->public_key : path, fingerprint);
	(void)printf("Carry the public key to the transmitter, name it in its receivers, "
		     "and compare "
		     "the fingerprint by voice.\n");
	return EX_OK;
}
