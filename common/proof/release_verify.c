// SPDX-License-Identifier: ISC
/* verify-install: key, signature, manifest, tree, in this order. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fileio.h"
#include "keys.h"
#include "minisig.h"
#include "release.h"

#define PATH_ROOM 4096

struct texts {
	char manifest_path[PATH_ROOM], signature_path[PATH_ROOM];
	uint8_t *manifest, *signature;
	size_t manifest_len, signature_len;
};

/* The folder that the file PATH is in; its symbolic links followed, as opening does. */
static int folder_of(const char *path, struct stat *st, struct km_err *err)
{
	_cleanup_free_ char *real = realpath(path, NULL);

	*st = (struct stat){0};
	if (real)
		*(strrchr(real, '/') + 1) = '\0';
	if (!real || stat(real, st) != 0)
		return km_err_set_errno(err, EX_NOINPUT, "file %s", path);
	return 0;
}

/* Who could bring a manifest could bring a key with it, or change one that is open to him. */
static int judge_key_file(const char *key, const char *manifest, struct km_err *err)
{
	struct stat file, beside, folder;

	if (stat(key, &file) != 0)
		return km_err_set_errno(err, EX_NOINPUT, "key %s", key);
	if ((file.st_uid != 0 && file.st_uid != geteuid()) ||
	    (file.st_mode & (S_IWGRP | S_IWOTH)))
		return km_err_set(err, EX_NOPERM,
				  "key %s: others may change it; it should belong to root "
				  "and have mode 0644",
				  key);
	if (folder_of(key, &folder, err) != 0 || folder_of(manifest, &beside, err) != 0)
		return -1;
	if (folder.st_dev == beside.st_dev && folder.st_ino == beside.st_ino)
		return km_err_set(err, EX_USAGE,
				  "key %s: lies beside the manifest, so it came with what "
				  "it should prove; get the key by another way",
				  key);
	return 0;
}

static int load_key(struct keys_sign_public *key, const struct release_ask *ask,
		    const char *manifest, struct km_err *err)
{
	const char *path = ask->key ? ask->key : RELEASE_KEY_PATH;

	if (ask->key &&
	    keys_sign_public_parse(key, NULL, ask->key, strlen(ask->key)) == KM_OK)
		return 0;
	if (judge_key_file(path, manifest, err) != 0)
		return -1;
	return keys_sign_public_load(key, NULL, path, err);
}

static int read_texts(struct texts *t, const struct release_ask *ask, struct km_err *err)
{
	int n;

	if (ask->manifest)
		n = snprintf(t->manifest_path, PATH_ROOM, "%s", ask->manifest);
	else
		n = snprintf(t->manifest_path, PATH_ROOM, "%s" RELEASE_MANIFEST_PATH,
			     ask->root ? ask->root : "");
	if (n >= PATH_ROOM || snprintf(t->signature_path, PATH_ROOM, "%s.minisig",
				       t->manifest_path) >= PATH_ROOM)
		return km_err_set(err, EX_USAGE, "manifest: its path is too long");
	if (fileio_read_all(AT_FDCWD, t->manifest_path, RELEASE_BYTES_MAX, &t->manifest,
			    &t->manifest_len, err) != 0)
		return -1;
	return fileio_read_all(AT_FDCWD, t->signature_path, MINISIG_FILE_MAX, &t->signature,
			       &t->signature_len, err);
}

static int check_signature(const struct texts *t, const struct keys_sign_public *key,
			   struct km_err *err)
{
	char comment[MINISIG_COMMENT_MAX + 1], print[KEYS_FINGERPRINT_MAX];
	unsigned index;
	enum km_rc rc =
		minisig_verify(t->manifest, t->manifest_len, (const char *)t->signature,
			       t->signature_len, key, 1, &index, comment);

	keys_fingerprint(print, key->pk);
	switch (rc) {
	case KM_OK:
		return 0;
	case KM_ERR_NOTFOUND:
		return km_err_set(err, EX_DATAERR, "%s: signed by another key than %s",
				  t->signature_path, print);
	case KM_ERR_AUTH:
		return km_err_set(err, EX_DATAERR,
				  "%s: not the signature of %s by key %s: one of them was "
				  "altered",
				  t->signature_path, t->manifest_path, print);
	default:
		return km_err_set(err, EX_DATAERR,
				  "%s: not a minisign signature of the prehashed kind",
				  t->signature_path);
	}
}

static int load(struct release *r, const struct texts *t, struct km_err *err)
{
	unsigned line;
	enum km_rc rc = release_parse(r, t->manifest, t->manifest_len, &line);

	if (rc == KM_ERR_NOMEM)
		return km_err_set(err, EX_OSERR, "%s: out of memory", t->manifest_path);
	if (rc == KM_ERR_LIMIT)
		return km_err_set(err, EX_DATAERR, "%s: more than %u files and directories",
				  t->manifest_path, RELEASE_ENTRIES_MAX);
	if (rc != KM_OK)
		return km_err_set(err, EX_DATAERR,
				  "%s:%u: well signed, but not the manifest of a release "
				  "as this version knows it",
				  t->manifest_path, line);
	return 0;
}

/* The tree, and whether this program is of the release. */
static int judge(struct release_found *found, const struct release *r,
		 const struct release_ask *ask, FILE *out, struct km_err *err)
{
	const char *root = ask->root ? ask->root : "/";
	_cleanup_close_ int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return km_err_set_errno(err, EX_NOINPUT, "root %s", root);
	release_judge(found, r, fd, strcmp(root, "/") == 0 ? "" : root, 0, out);
	/* an old release is well signed too */
	if (!ask->root && strcmp(r->version, ask->version) != 0) {
		(void)fprintf(out, "%-10s %s is %s, the manifest is of %s\n", "version",
			      ask->program, ask->version, r->version);
		found->findings++;
	}
	return 0;
}

static int verify(struct release_found *found, struct release *r, struct texts *t,
		  const struct release_ask *ask, FILE *out, struct km_err *err)
{
	char print[KEYS_FINGERPRINT_MAX];
	struct keys_sign_public key;

	if (keys_init(err) != 0 || read_texts(t, ask, err) != 0 ||
	    load_key(&key, ask, t->manifest_path, err) != 0 ||
	    check_signature(t, &key, err) != 0 || load(r, t, err) != 0 ||
	    judge(found, r, ask, out, err) != 0)
		return -1;
	keys_fingerprint(print, key.pk);
	(void)fprintf(out, "katamichi %s of %s, signed by %s: ", r->version, r->created,
		      print);
	if (found->findings)
		(void)fprintf(out, "%u finding%s in %u files\n", found->findings,
			      found->findings == 1 ? "" : "s", r->files);
	else
		(void)fprintf(out, "%u files and %u directories are as signed\n", r->files,
			      r->directories);
	return 0;
}

int release_verify(const struct release_ask *ask, FILE *out)
{
	struct km_err err = KM_ERR_INIT;
	struct release_found found = {0};
	struct release r = {.entry = NULL};
	struct texts t = {.manifest = NULL};
	int rc = verify(&found, &r, &t, ask, out, &err);

	free(t.manifest);
	free(t.signature);
	release_free(&r);
	if (rc != 0) {
		(void)fprintf(stderr, "%s: %s\n", ask->program, err.text);
		return err.code;
	}
	if (found.findings == 0)
		return EX_OK;
	return found.findings == found.unreadable ? EX_NOPERM : EX_DATAERR;
}
