// SPDX-License-Identifier: ISC
/*
 * Manifest text: the signed statement of a batch of consecutive objects. Writer
 * (tx source) and parser (rx publish, and `verify`), with judging apart from
 * parsing. The parser sees only bytes whose signature was checked, and is
 * fuzzed all the same. Canonical: what the parser accepts, the writer would
 * have written byte for byte.
 *
 *	# katamichi manifest 1
 *	# tx: <fingerprint of the signing key>
 *	# channel: <number> <name>
 *	# owner: <text>
 *	# purpose: <text>
 *	# classification: <text>
 *	# chain: <decimal chain id>
 *	# manifest: <decimal number, from 1>
 *	# previous: <hex SHA-256 of the previous manifest's text> | none
 *	# objects: <first> <last>
 *	# created: <RFC 3339 UTC, ms>
 *	# software: <name version>
 *	# config: <hex SHA-256 of tx's effective configuration>
 *	# verify: minisign -Vm <own file name> -p tx.pub && sha256sum --strict -c <own file name>
 *
 * then per object, in the order of their numbers, which is the bytewise order
 * of their paths within a batch:
 *
 *	# mtime <seconds>.<9 digits>
 *	<hex SHA-256>  ./<path>				flat
 *	\<hex SHA-256>  ./<escaped path>			a name that needs escaping
 *	SHA256-TREE-1M (./<escaped path>) = <hex root>		tree, from 64 MiB on
 *	# dir ./<escaped path>					an empty directory
 *	# withdrawn changed|gone ./<escaped path>		a number given up
 *
 * Exactly last - first + 1 object lines. A withdrawn line has no mtime line. Where a path is
 * always escaped, a backslash, LF or CR in it is written as \\, \n or \r.
 */
#ifndef MANIFEST_H
#define MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "digest.h"
#include "km_err.h"
#include "wire_limits.h"

#define MANIFEST_NAME_MAX 64u /* channel name */
#define MANIFEST_TEXT_MAX                                                                  \
	200u /* owner, purpose, classification: printable UTF-8, no control */
/* Bytes of a text, so that with its length and signature it stays under WIRE_MANIFEST_MAX. A
 * batch of the longest names would be larger: who cuts batches looks at manifest_bytes_max(). */
#define MANIFEST_BYTES_MAX (WIRE_MANIFEST_MAX - 4u - 1024u)

struct manifest_head {
	char fingerprint[48];
	uint16_t channel;
	char channel_name[MANIFEST_NAME_MAX + 1];
	char owner[MANIFEST_TEXT_MAX + 1];
	char purpose[MANIFEST_TEXT_MAX + 1];
	char classification[MANIFEST_TEXT_MAX + 1];
	uint64_t chain, number;
	uint8_t previous[DIGEST_LEN]; /* all zero if and only if number is 1: "none" */
	uint64_t first, last;	      /* object numbers; first <= last */
	uint64_t created_ns;	      /* CLOCK_REALTIME, printed to the millisecond */
	char software[64];
	uint8_t config_digest[32];
};

enum manifest_kind {
	MANIFEST_FLAT,
	MANIFEST_TREE,
	MANIFEST_DIR,
	MANIFEST_WITHDRAWN,
};

struct manifest_entry {
	enum manifest_kind kind;
	uint64_t number;
	int64_t mtime_s; /* 0 <= mtime_s: earlier times are carried as 0 */
	uint32_t mtime_ns;
	uint8_t digest[DIGEST_LEN];
	uint8_t reason;	     /* MANIFEST_WITHDRAWN: enum record_withdrawn_reason */
	const uint8_t *path; /* unescaped, without "./" */
	size_t path_len;
};

/* File name of a manifest, "<chain>-<8 digit number>.manifest", into OUT of 64 bytes. */
void manifest_file_name(char *out, uint64_t chain, uint64_t number);

/* Upper bound of the text of a batch: for sizing OUT of the writer. */
size_t manifest_bytes_max(const struct manifest_entry *entries, size_t count);

/* Write the text into OUT (CAP bytes); *LEN is set. Entries must be in number
 * order first..last and in strict path order, every field of HEAD filled as above
 * (KM_ERR_RANGE). KM_ERR_FULL: CAP is too small; KM_ERR_LIMIT: longer than
 * MANIFEST_BYTES_MAX, give fewer entries. */
KM_MUST_CHECK enum km_rc manifest_write(char *out, size_t cap, size_t *len,
					const struct manifest_head *head,
					const struct manifest_entry *entries, size_t count);

/*
 * Parse. HEAD is filled, ENTRIES (CAP of them, e.g. WIRE_BATCH_OBJECTS_MAX) get
 * the objects; their paths point into SCRATCH (at least LEN bytes). KM_ERR_MALFORMED
 * with *LINE = the line number; every path has passed name_check(). KM_ERR_LIMIT: more
 * than CAP objects, MANIFEST_BYTES_MAX bytes, or SCRATCH_LEN below LEN.
 */
KM_MUST_CHECK enum km_rc manifest_parse(struct manifest_head *head,
					struct manifest_entry *entries, size_t cap,
					size_t *count, uint8_t *scratch, size_t scratch_len,
					const char *text, size_t len, unsigned *line);

/* The signature's trusted comment: "<file name> <hex SHA-256 of the text>".
 * OUT has MINISIG_COMMENT_MAX + 1 bytes. */
void manifest_comment(char *out, uint64_t chain, uint64_t number,
		      const uint8_t hash[DIGEST_LEN]);

#endif
