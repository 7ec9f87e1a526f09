// SPDX-License-Identifier: ISC
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fileio.h"
#include "keys.h"
#include "keys_text.h"

/* ---- writing ------------------------------------------------------------------------------ */

static int sync_folder_of(const char *path, struct km_err *err)
{
	_cleanup_close_ int fd = -1;
	char copy[PATH_MAX];

	if ((size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy))
		return km_err_set(err, EX_CANTCREAT, "%s: path too long", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return km_err_set_errno(err, EX_CANTCREAT, "opening the folder of %s",
					path);
	return fileio_sync_dir(fd, err);
}

/* A new file with exactly MODE, durable; nothing is left behind on failure. */
static int write_new(const char *path, mode_t mode, const char *text, size_t len,
		     struct km_err *err)
{
	_cleanup_close_ int fd = -1;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return km_err_set(
			err, EX_CANTCREAT,
			"%s exists: a key is never overwritten, move it away first", path);
	if (fd < 0)
		return km_err_set_errno(err, EX_CANTCREAT, "creating %s", path);
	if (fchmod(fd, mode) < 0 || fileio_write_full(fd, text, len) < 0 || fsync(fd) < 0)
		km_err_set_errno(err, EX_IOERR, "writing %s", path);
	else if (sync_folder_of(path, err) == 0)
		return 0;
	unlink(path);
	return -1;
}

static int save_pair(const char *secret_path, const char *secret, size_t secret_len,
		     const char *public_path, const char *public, size_t public_len,
		     struct km_err *err)
{
	if (write_new(secret_path, 0600, secret, secret_len, err) < 0)
		return -1;
	if (write_new(public_path, 0644, public, public_len, err) < 0) {
		unlink(secret_path); /* ours, and of no use without the other */
		return -1;
	}
	return 0;
}

int keys_sign_save(const struct keys_sign_secret *k, const char *secret_path,
		   const char *public_path, struct km_err *err)
{
	char secret[KEYS_TEXT_MAX], public[KEYS_TEXT_MAX];
	size_t secret_len = keys_text_sign_secret(secret, k);
	size_t public_len = keys_text_sign_public(public, &k->pub);
	int rc = save_pair(secret_path, secret, secret_len, public_path, public, public_len,
			   err);

	sodium_memzero(secret, sizeof(secret));
	return rc;
}

int keys_box_save(const struct keys_box_secret *k, const char *secret_path,
		  const char *public_path, struct km_err *err)
{
	char secret[KEYS_TEXT_MAX], public[KEYS_TEXT_MAX];
	size_t secret_len = keys_text_box_secret(secret, k);
	size_t public_len = keys_text_box_public(public, &k->pub);
	int rc = save_pair(secret_path, secret, secret_len, public_path, public, public_len,
			   err);

	sodium_memzero(secret, sizeof(secret));
	return rc;
}

/* ---- reading ------------------------------------------------------------------------------ */

/* The whole file into TEXT[KEYS_TEXT_MAX]; its length, or -1. */
static ssize_t read_text(char *text, const char *path, bool secret, struct km_err *err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	ssize_t n;

	/* O_NONBLOCK: a FIFO put in place of a key must not stop the start. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return km_err_set_errno(err, errno == EACCES ? EX_NOPERM : EX_NOINPUT,
					"opening key file %s", path);
	if (!S_ISREG(st.st_mode))
		return km_err_set(err, EX_NOINPUT, "key file %s is not a regular file",
				  path);
	if (secret && (st.st_mode & (S_IRWXG | S_IRWXO)))
		return km_err_set(
			err, EX_NOPERM,
			"secret key %s has mode %04o, others than its owner may use "
			"it: chmod 600 it, and make a new key if it was exposed",
			path, (unsigned)(st.st_mode & 07777));
	n = fileio_pread_full(fd, text, KEYS_TEXT_MAX, 0);
	if (n < 0)
		return km_err_set_errno(err, EX_IOERR, "reading key file %s", path);
	if ((size_t)n == KEYS_TEXT_MAX)
		return km_err_set(err, EX_DATAERR, "key file %s is too long for a key",
				  path);
	return n;
}

static int judge(enum km_rc rc, const char *path, const char *kind, struct km_err *err)
{
	switch (rc) {
	case KM_OK:
		return 0;
	case KM_ERR_AUTH:
		return km_err_set(
			err, EX_DATAERR,
			"%s: the fingerprint is not that of the key: the file was "
			"altered, copy it again",
			path);
	case KM_ERR_RANGE:
		return km_err_set(err, EX_DATAERR,
				  "%s: a weak key that keygen never makes: "
				  "do not use it",
				  path);
	default:
		return km_err_set(err, EX_DATAERR, "%s is not %s, or not a whole one", path,
				  kind);
	}
}

int keys_sign_load(struct keys_sign_secret *k, const char *path, struct km_err *err)
{
	char text[KEYS_TEXT_MAX];
	ssize_t n = read_text(text, path, true, err);
	int rc = -1;

	if (n >= 0)
		rc = judge(keys_text_parse_sign_secret(k, text, (size_t)n), path,
			   "a secret key of katamichi-tx (KMTX-SECRET-1)", err);
	sodium_memzero(text, sizeof(text));
	return rc;
}

int keys_box_load(struct keys_box_secret *k, const char *path, struct km_err *err)
{
	char text[KEYS_TEXT_MAX];
	ssize_t n = read_text(text, path, true, err);
	int rc = -1;

	if (n >= 0)
		rc = judge(keys_text_parse_box_secret(k, text, (size_t)n), path,
			   "a secret key of katamichi-rx (KMRX-SECRET-1)", err);
	sodium_memzero(text, sizeof(text));
	return rc;
}

int keys_sign_public_load(struct keys_sign_public *k, const char *path, struct km_err *err)
{
	char text[KEYS_TEXT_MAX];
	ssize_t n = read_text(text, path, false, err);

	if (n < 0)
		return -1;
	return judge(keys_sign_public_parse(k, text, (size_t)n), path,
		     "a public key of katamichi-tx (a minisign .pub)", err);
}

int keys_box_public_load(struct keys_box_public *k, const char *path, struct km_err *err)
{
	char text[KEYS_TEXT_MAX];
	ssize_t n = read_text(text, path, false, err);

	if (n < 0)
		return -1;
	return judge(keys_box_public_parse(k, text, (size_t)n), path,
		     "a public key of katamichi-rx (KMRX-PUBLIC-1)", err);
}
