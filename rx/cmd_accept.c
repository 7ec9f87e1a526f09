// SPDX-License-Identifier: ISC
/*
 * accept-session: the operator's word that one session of one transmitter is no recording,
 * although its epoch is far from our clock or at a floor. The keeper finds it in its
 * directory when the announce comes again; nothing else changes.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fileio.h"
#include "keys.h"
#include "rx_commands.h"

/* The trusted key of that fingerprint must be there: a slip of the pen allows nothing. */
static bool is_trusted(const struct rx_config *config, const char *fingerprint)
{
	for (unsigned i = 0; i < config->trusted; i++) {
		struct keys_sign_public key;
		struct km_err err = KM_ERR_INIT;
		char text[KEYS_FINGERPRINT_MAX];

		if (keys_sign_public_load(&key, NULL, config->trust[i], &err) != 0)
			continue;
		keys_fingerprint(text, key.pk);
		if (strcmp(text, fingerprint) == 0)
			return true;
	}
	return false;
}

static int write_word(const struct rx_config *config, const struct rx_options *options,
		      const char *fingerprint, struct km_err *err)
{
	char dir[RX_PATH_LEN + 16], name[16 + KEYS_FINGERPRINT_MAX], text[32];
	_cleanup_close_ int dirfd = -1;
	struct stat st;
	int len;

	(void)snprintf(dir, sizeof(dir), "%s/keeper", config->state_dir);
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0 || fstat(dirfd, &st) != 0)
		return km_err_set_errno(err, EX_NOINPUT,
					"%s: cannot be opened: has the receiver ever run?",
					dir);
	(void)snprintf(name, sizeof(name), "accept-%s", fingerprint);
	len = snprintf(text, sizeof(text), "%" PRIu64 "\n", options->epoch);
	if (fileio_write_atomic(dirfd, name, text, (size_t)len, 0600, err) != 0)
		return -1;
	/* the keeper may run as another user, who owns the directory */
	if (geteuid() == 0 && fchownat(dirfd, name, st.st_uid, st.st_gid, 0) != 0)
		return km_err_set_errno(err, EX_OSERR, "%s/%s: owner", dir, name);
	(void)printf("session with epoch %" PRIu64 " of %s will be accepted\n",
		     options->epoch, fingerprint);
	return 0;
}

int cmd_accept(const struct rx_options *options)
{
	char fingerprint[KEYS_FINGERPRINT_MAX];
	struct km_err err = KM_ERR_INIT;
	struct rx_parse *parse;
	int code;

	if (keys_fingerprint_read(fingerprint, options->fingerprint) != KM_OK) {
		(void)fprintf(
			stderr,
			"katamichi-rx: %s: not a fingerprint: take it from session.refused "
			"in the log, or from the transmitter's keygen\n",
			options->fingerprint);
		return EX_USAGE;
	}
	parse = rx_open_config(options->config, NULL, NULL, &code);
	if (!parse)
		return code;
	if (keys_init(&err) != 0) {
		code = err.code;
	} else if (!is_trusted(&parse->config, fingerprint)) {
		(void)km_err_set(&err, EX_DATAERR,
				 "%s: not the fingerprint of a key in `trust`",
				 fingerprint);
		code = EX_DATAERR;
	} else {
		code = write_word(&parse->config, options, fingerprint, &err) == 0
			       ? EX_OK
			       : err.code;
	}
	if (code != EX_OK)
		(void)fprintf(stderr, "katamichi-rx: %s\n", err.text);
	rx_parse_free(parse);
	return code;
}
