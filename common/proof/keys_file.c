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
#include "keys_lock.h"
#include "keys_text.h"

/* What a secret passes through between file and owner, in locked memory (sodium_malloc). */
struct keys_room {
	_Alignas(16) char text[KEYS_TEXT_MAX];
	struct keys_text_secret parsed;
	struct keys_pass pass;
	uint8_t blob[KEYS_BLOB_MAX + KEYS_LOCK_EXTRA];
};

/* Free with sodium_free, which wipes. */
static struct keys_room *make_room(struct km_err *err)
{
	struct keys_room *room = sodium_malloc(sizeof(*room));

	if (!room)
		(void)km_err_set_errno(err, EX_OSERR, "no locked memory for a key");
	else
		memset(room, 0, sizeof(*room));
	return room;
}

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
static int write_new(const struct keys_save *save, const char *path, mode_t mode,
		     const char *text, size_t len, struct km_err *err)
{
	_cleanup_close_ int fd = -1;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return km_err_set(
			err, EX_CANTCREAT,
			"%s exists: a key is never overwritten, move it away first", path);
	if (fd < 0)
		return km_err_set_errno(err, EX_CANTCREAT, "creating %s", path);
	if (save->uid != 0 && fchown(fd, save->uid, save->gid) < 0)
		km_err_set_errno(err, EX_NOPERM, "giving %s to its owner", path);
	else if (fchmod(fd, mode) < 0 || fileio_write_full(fd, text, len) < 0 ||
		 fsync(fd) < 0)
		km_err_set_errno(err, EX_IOERR, "writing %s", path);
	else if (sync_folder_of(path, err) == 0)
		return 0;
	unlink(path);
	return -1;
}

/* room->blob holds the secret, PUBLIC what stands for it beside a passphrase. */
static size_t write_secret(struct keys_room *room, enum keys_kind kind,
			   const uint8_t *public, const struct keys_save *save,
			   struct km_err *err)
{
	const size_t len = keys_text_blob_len(kind);

	if (!save->pass)
		return keys_text_secret(room->text, kind, room->blob, &save->facts);
	keys_text_beside(room->parsed.beside, kind, public, &save->facts);
	if (keys_lock_seal(room->parsed.blob, room->blob, len, room->parsed.beside,
			   save->pass) != KM_OK) {
		(void)km_err_set(err, EX_OSERR, "no memory for Argon2id: it takes %u MiB",
				 KEYS_LOCK_KIB >> 10);
		return 0;
	}
	return keys_text_locked(room->text, kind, public, room->parsed.blob, &save->facts);
}

static int save_pair(struct keys_room *room, enum keys_kind kind, const uint8_t *standing,
		     const char *public, size_t public_len, const struct keys_save *save,
		     struct km_err *err)
{
	const size_t len = write_secret(room, kind, standing, save, err);

	if (len == 0 || write_new(save, save->secret, 0600, room->text, len, err) < 0)
		return -1;
	if (write_new(save, save->public, 0644, public, public_len, err) < 0) {
		unlink(save->secret); /* ours, and of no use without the other */
		return -1;
	}
	return 0;
}

int keys_sign_save(const struct keys_sign_secret *k, const struct keys_save *save,
		   struct km_err *err)
{
	char public[KEYS_TEXT_MAX];
	uint8_t standing[KEYS_BLOB_MAX];
	struct keys_room *room = make_room(err);
	int rc;

	if (!room)
		return -1;
	memcpy(room->blob, k->pub.key_number, 8);
	crypto_sign_ed25519_sk_to_seed(room->blob + 8, k->sk);
	memcpy(standing, k->pub.key_number, 8);
	memcpy(standing + 8, k->pub.pk, 32);
	rc = save_pair(room, KEYS_SIGN, standing, public,
		       keys_text_sign_public(public, &k->pub, &save->facts), save, err);
	sodium_free(room);
	return rc;
}

int keys_box_save(const struct keys_box_secret *k, const struct keys_save *save,
		  struct km_err *err)
{
	char public[KEYS_TEXT_MAX];
	struct keys_room *room = make_room(err);
	int rc;

	if (!room)
		return -1;
	memcpy(room->blob, k->sk, sizeof(k->sk));
	rc = save_pair(room, KEYS_BOX, k->pub.pk, public,
		       keys_text_box_public(public, &k->pub, &save->facts), save, err);
	sodium_free(room);
	return rc;
}

/* ---- reading ------------------------------------------------------------------------------ */

/* The whole file into TEXT[KEYS_TEXT_MAX]; its length, or -1. */
static ssize_t read_text(char *text, const char *path, bool secret, struct stat *st,
			 struct km_err *err)
{
	_cleanup_close_ int fd = -1;
	ssize_t n;

	/* O_NONBLOCK: a FIFO put in place of a key must not stop the start. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, st) < 0)
		return km_err_set_errno(err, errno == EACCES ? EX_NOPERM : EX_NOINPUT,
					"opening key file %s", path);
	if (!S_ISREG(st->st_mode))
		return km_err_set(err, EX_NOINPUT, "key file %s is not a regular file",
				  path);
	if (secret && (st->st_mode & (S_IRWXG | S_IRWXO)))
		return km_err_set(
			err, EX_NOPERM,
			"secret key %s has mode %04o, others than its owner may use "
			"it: chmod 600 it, and make a new key if it was exposed",
			path, (unsigned)(st->st_mode & 07777));
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

static const char *const secret_names[] = {
	[KEYS_SIGN] = "a secret key of katamichi-tx (KMTX-SECRET or KMTX-LOCKED)",
	[KEYS_BOX] = "a secret key of katamichi-rx (KMRX-SECRET or KMRX-LOCKED)",
};

/* The file at PATH into room->parsed. */
static int read_secret(struct keys_room *room, enum keys_kind kind, const char *path,
		       struct stat *st, struct km_err *err)
{
	ssize_t n = read_text(room->text, path, true, st, err);

	if (n < 0)
		return -1;
	return judge(keys_text_parse_secret(&room->parsed, kind, room->text, (size_t)n),
		     path, secret_names[kind], err);
}

/* PASS, which came from WHERE, opens room->parsed into room->blob. */
static int open_lock(struct keys_room *room, enum keys_kind kind, const char *path,
		     const struct keys_pass *pass, const char *where, struct km_err *err)
{
	switch (keys_lock_open(room->blob, room->parsed.blob, keys_text_blob_len(kind),
			       room->parsed.beside, pass)) {
	case KM_OK:
		return 0;
	case KM_ERR_AUTH:
		return km_err_set(err, EX_NOPERM,
				  "secret key %s does not open with the passphrase%s%s: "
				  "it is another one, or the key file was altered",
				  path, where ? " in " : "", where ? where : "");
	case KM_ERR_RANGE:
		return km_err_set(err, EX_DATAERR,
				  "secret key %s asks for more work than keygen ever sets: "
				  "it was altered",
				  path);
	default:
		return km_err_set(err, EX_OSERR,
				  "secret key %s: no memory for Argon2id, it takes %u MiB",
				  path, KEYS_LOCK_KIB >> 10);
	}
}

static int unlock(struct keys_room *room, enum keys_kind kind, const char *path,
		  const char *pass_file, struct km_err *err)
{
	if (!pass_file || !*pass_file)
		return km_err_set(err, EX_CONFIG,
				  "secret key %s is under a passphrase: name the file that "
				  "holds it in passphrase_file",
				  path);
	if (keys_pass_read(&room->pass, pass_file, err) != 0)
		return -1;
	return open_lock(room, kind, path, &room->pass, pass_file, err);
}

static int take_plain(struct keys_room *room, enum keys_kind kind)
{
	memcpy(room->blob, room->parsed.blob, keys_text_blob_len(kind));
	return 0;
}

/* The secret into room->blob, in the plain. */
static int load_secret(struct keys_room *room, enum keys_kind kind, const char *path,
		       const char *pass_file, struct km_err *err)
{
	struct stat st;

	if (read_secret(room, kind, path, &st, err) != 0)
		return -1;
	if (room->parsed.locked)
		return unlock(room, kind, path, pass_file, err);
	return take_plain(room, kind);
}

int keys_sign_load(struct keys_sign_secret *k, struct keys_facts *facts, const char *path,
		   const char *pass_file, struct km_err *err)
{
	struct keys_room *room = make_room(err);
	int rc;

	if (!room)
		return -1;
	rc = load_secret(room, KEYS_SIGN, path, pass_file, err);
	if (rc == 0)
		keys_sign_from_seed(k, room->blob, room->blob + 8);
	if (rc == 0 && facts)
		*facts = room->parsed.facts;
	sodium_free(room);
	return rc;
}

int keys_box_load(struct keys_box_secret *k, struct keys_facts *facts, const char *path,
		  const char *pass_file, struct km_err *err)
{
	struct keys_room *room = make_room(err);
	int rc;

	if (!room)
		return -1;
	rc = load_secret(room, KEYS_BOX, path, pass_file, err);
	if (rc == 0)
		keys_box_from_secret(k, room->blob);
	if (rc == 0 && facts)
		*facts = room->parsed.facts;
	sodium_free(room);
	return rc;
}

/* What stands for the secret in room->blob. */
static void public_of(uint8_t *standing, enum keys_kind kind, const uint8_t *blob,
		      struct keys_sign_secret *scratch)
{
	if (kind == KEYS_BOX) {
		crypto_scalarmult_base(standing, blob);
		return;
	}
	keys_sign_from_seed(scratch, blob, blob + 8);
	memcpy(standing, scratch->pub.key_number, 8);
	memcpy(standing + 8, scratch->pub.pk, 32);
}

/* The file at PATH opens by PASS and holds the secret of ROOM. */
static int read_back(const struct keys_room *room, enum keys_kind kind, const char *path,
		     const struct keys_pass *pass, struct km_err *err)
{
	struct keys_room *again = make_room(err);
	struct stat st;
	int rc = -1;

	if (again && read_secret(again, kind, path, &st, err) == 0) {
		if (again->parsed.locked)
			rc = open_lock(again, kind, path, pass, NULL, err);
		else
			rc = take_plain(again, kind);
	}
	if (rc == 0 &&
	    sodium_memcmp(again->blob, room->blob, keys_text_blob_len(kind)) != 0)
		rc = km_err_set(err, EX_IOERR, "%s was not read back as written", path);
	sodium_free(again);
	return rc;
}

/* room->blob goes under NOW and into the place of the file at PATH, which ST tells of. */
static int write_again(struct keys_room *room, enum keys_kind kind, const char *path,
		       const struct stat *st, const struct keys_pass *now,
		       struct km_err *err)
{
	struct keys_save save = {.facts = room->parsed.facts,
				 .pass = now,
				 .uid = st->st_uid == geteuid() ? 0 : st->st_uid,
				 .gid = st->st_gid};
	struct keys_sign_secret *scratch = sodium_malloc(sizeof(*scratch));
	uint8_t standing[KEYS_BLOB_MAX];
	char fresh[PATH_MAX];
	size_t len;

	if (!scratch)
		return km_err_set_errno(err, EX_OSERR, "no locked memory for a key");
	public_of(standing, kind, room->blob, scratch);
	sodium_free(scratch);
	if ((size_t)snprintf(fresh, sizeof(fresh), "%s.new", path) >= sizeof(fresh))
		return km_err_set(err, EX_CANTCREAT, "%s: path too long", path);
	len = write_secret(room, kind, standing, &save, err);
	if (len == 0 || write_new(&save, fresh, 0600, room->text, len, err) < 0)
		return -1;
	if (read_back(room, kind, fresh, now, err) == 0) {
		if (rename(fresh, path) == 0)
			return sync_folder_of(path, err);
		(void)km_err_set_errno(err, EX_CANTCREAT, "putting %s in place", path);
	}
	unlink(fresh);
	return -1;
}

static int repass(enum keys_kind kind, const char *path, const struct keys_pass *was,
		  const struct keys_pass *now, struct km_err *err)
{
	struct keys_room *room = make_room(err);
	struct stat st;
	int rc = -1;

	if (!room)
		return -1;
	if (read_secret(room, kind, path, &st, err) == 0) {
		if (!room->parsed.locked)
			rc = take_plain(room, kind);
		else if (was)
			rc = open_lock(room, kind, path, was, NULL, err);
		else
			rc = km_err_set(err, EX_USAGE, "%s is under a passphrase", path);
	}
	if (rc == 0)
		rc = write_again(room, kind, path, &st, now, err);
	sodium_free(room);
	return rc;
}

int keys_sign_repass(const char *path, const struct keys_pass *was,
		     const struct keys_pass *now, struct km_err *err)
{
	return repass(KEYS_SIGN, path, was, now, err);
}

int keys_box_repass(const char *path, const struct keys_pass *was,
		    const struct keys_pass *now, struct km_err *err)
{
	return repass(KEYS_BOX, path, was, now, err);
}

static int peek(struct keys_room *room, enum keys_kind kind, const char *path,
		struct keys_seen *seen, struct km_err *err)
{
	struct stat st = {0};

	if (read_secret(room, kind, path, &st, err) != 0)
		return -1;
	seen->facts = room->parsed.facts;
	seen->locked = room->parsed.locked;
	seen->uid = st.st_uid;
	return 0;
}

int keys_sign_peek(struct keys_sign_public *k, struct keys_seen *seen, const char *path,
		   struct km_err *err)
{
	struct keys_room *room = make_room(err);
	struct keys_sign_secret *secret = sodium_malloc(sizeof(*secret));
	int rc = -1;

	if (!secret && room)
		(void)km_err_set_errno(err, EX_OSERR, "no locked memory for a key");
	else if (room)
		rc = peek(room, KEYS_SIGN, path, seen, err);
	if (rc == 0 && seen->locked) {
		memcpy(k->key_number, room->parsed.public, 8);
		memcpy(k->pk, room->parsed.public + 8, 32);
	} else if (rc == 0) {
		keys_sign_from_seed(secret, room->parsed.blob, room->parsed.blob + 8);
		*k = secret->pub;
	}
	sodium_free(secret);
	sodium_free(room);
	return rc;
}

int keys_box_peek(struct keys_box_public *k, struct keys_seen *seen, const char *path,
		  struct km_err *err)
{
	struct keys_room *room = make_room(err);
	int rc;

	if (!room)
		return -1;
	rc = peek(room, KEYS_BOX, path, seen, err);
	if (rc == 0 && seen->locked)
		memcpy(k->pk, room->parsed.public, sizeof(k->pk));
	else if (rc == 0)
		crypto_scalarmult_base(k->pk, room->parsed.blob);
	if (rc == 0)
		keys_text_box_id(k->id, k->pk);
	sodium_free(room);
	return rc;
}

int keys_sign_public_load(struct keys_sign_public *k, struct keys_facts *facts,
			  const char *path, struct km_err *err)
{
	char text[KEYS_TEXT_MAX];
	struct stat st;
	ssize_t n = read_text(text, path, false, &st, err);

	if (n < 0)
		return -1;
	return judge(keys_sign_public_parse(k, facts, text, (size_t)n), path,
		     "a public key of katamichi-tx (a minisign .pub)", err);
}

int keys_box_public_load(struct keys_box_public *k, struct keys_facts *facts,
			 const char *path, struct km_err *err)
{
	char text[KEYS_TEXT_MAX];
	struct stat st;
	ssize_t n = read_text(text, path, false, &st, err);

	if (n < 0)
		return -1;
	return judge(keys_box_public_parse(k, facts, text, (size_t)n), path,
		     "a public key of katamichi-rx (KMRX-PUBLIC)", err);
}
