// SPDX-License-Identifier: ISC
/*
 * release: what a release installs, as its manifest says, and whether that is what is there
 * (docs/supply-chain.md). Signature first (minisig.h), then release_parse(), then
 * release_judge(). Not the manifest of a channel: that is manifest.h.
 *
 * For commands, not for roles: it opens files. Changes nothing.
 */
#ifndef RELEASE_H
#define RELEASE_H

#include <stdint.h>
#include <stdio.h>

#include "digest.h"
#include "km_err.h"

#define RELEASE_BYTES_MAX (1u << 20) /* the manifest */
#define RELEASE_ENTRIES_MAX 4096u    /* directories and files */
#define RELEASE_PATH_MAX 1024u
#define RELEASE_WORD_MAX 32u /* version, time */

#define RELEASE_MANIFEST_PATH "/usr/share/katamichi/release.manifest"
#define RELEASE_KEY_PATH "/etc/katamichi/release.pub"

struct release_entry {
	char path[RELEASE_PATH_MAX +
		  1];  /* relative, printable ASCII, no "." or ".." in it */
	uint32_t mode; /* the lower twelve bits */
	uint64_t size;
	uint8_t digest[DIGEST_LEN];
};

/* Both lists ascend by path, in bytes. Zero it before release_parse(). */
struct release {
	char version[RELEASE_WORD_MAX + 1];
	char created[RELEASE_WORD_MAX + 1];
	struct release_entry *entry; /* directories, then files; release_free() */
	unsigned directories, files;
};

/* KM_ERR_MALFORMED with *LINE, KM_ERR_LIMIT, KM_ERR_NOMEM; then nothing is held. */
KM_MUST_CHECK enum km_rc release_parse(struct release *r, const void *text, size_t len,
				       unsigned *line);
void release_free(struct release *r);

struct release_found {
	unsigned findings;
	unsigned
		unreadable; /* of them: not seen for want of a right or by a failing disk */
};

/* Compares the tree below ROOTFD, of which people are told as ROOT ("" for /), with R. Every
 * file and directory must belong to OWNER and its group. One line on OUT for each finding. */
void release_judge(struct release_found *found, const struct release *r, int rootfd,
		   const char *root, uint32_t owner, FILE *out);

struct release_ask {
	const char *program;  /* for messages */
	const char *version;  /* of this program */
	const char *root;     /* NULL: / */
	const char *manifest; /* NULL: RELEASE_MANIFEST_PATH below root */
	const char *key;      /* a file, or its base64 line; NULL: RELEASE_KEY_PATH */
};

/* The command verify-install; returns its exit code. */
int release_verify(const struct release_ask *ask, FILE *out);

#endif
