// SPDX-License-Identifier: ISC
#include "minisig.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "cursor.h"

#define UNTRUSTED "untrusted comment: "
#define TRUSTED "trusted comment: "
#define OUR_UNTRUSTED "signature of katamichi-tx, a minisign file"

/* "ED": Ed25519 over the prehash; key number; signature. */
#define BLOB_LEN (2u + 8u + 64u)

_Static_assert(sizeof(UNTRUSTED OUR_UNTRUSTED) + sizeof(TRUSTED) + MINISIG_COMMENT_MAX +
			       2 * BASE64_TEXT_MAX <=
		       MINISIG_FILE_MAX,
	       "our files fit");

/* A signature file taken apart; views into its text. */
struct parts {
	uint8_t key_number[8];
	uint8_t sig[64];
	uint8_t global[64];
	const char *comment;
	size_t comment_len;
};

void minisig_hash(uint8_t out[MINISIG_HASH_LEN], const void *text, size_t len)
{
	static const uint8_t none[1];

	crypto_generichash(out, MINISIG_HASH_LEN, len ? text : none, len, NULL, 0);
}

/* SIG and COMMENT as the global signature covers them. Returns the length. */
static size_t global_bytes(uint8_t out[64 + MINISIG_COMMENT_MAX], const uint8_t sig[64],
			   const char *comment, size_t comment_len)
{
	memcpy(out, sig, 64);
	memcpy(out + 64, comment, comment_len);
	return 64 + comment_len;
}

void minisig_sign(uint8_t sig[64], uint8_t global[64], const uint8_t hash[MINISIG_HASH_LEN],
		  const char *comment, size_t comment_len,
		  const struct keys_sign_secret *key)
{
	uint8_t bytes[64 + MINISIG_COMMENT_MAX];
	size_t len;

	if (comment_len > MINISIG_COMMENT_MAX)
		comment_len = MINISIG_COMMENT_MAX;
	crypto_sign_detached(sig, NULL, hash, MINISIG_HASH_LEN, key->sk);
	len = global_bytes(bytes, sig, comment, comment_len);
	crypto_sign_detached(global, NULL, bytes, len, key->sk);
}

size_t minisig_compose(char *out, const uint8_t key_number[8], const uint8_t sig[64],
		       const uint8_t global[64], const char *comment, size_t comment_len)
{
	uint8_t blob[BLOB_LEN] = {'E', 'D'};
	char first[BASE64_TEXT_MAX], second[BASE64_TEXT_MAX];
	int n;

	if (comment_len > MINISIG_COMMENT_MAX)
		comment_len = MINISIG_COMMENT_MAX;
	memcpy(blob + 2, key_number, 8);
	memcpy(blob + 10, sig, 64);
	base64_encode(first, blob, sizeof(blob));
	base64_encode(second, global, 64);
	n = snprintf(out, MINISIG_FILE_MAX, "%s%s\n%s\n%s%.*s\n%s\n", UNTRUSTED,
		     OUR_UNTRUSTED, first, TRUSTED, (int)comment_len, comment, second);
	return (size_t)n;
}

/* The next line without its LF; false when there is none. */
static bool next_line(struct rd *rd, const char **line, size_t *len)
{
	const char *at = (const char *)rd->p + rd->used;
	const char *end = rd_left(rd) ? memchr(at, '\n', rd_left(rd)) : NULL;

	if (!end)
		return false;
	*line = at;
	*len = (size_t)(end - at);
	rd_skip(rd, *len + 1);
	return true;
}

/* Strip PREFIX from the line; false when it does not begin so. */
static bool strip(const char **line, size_t *len, const char *prefix)
{
	size_t n = strlen(prefix);

	if (*len < n || memcmp(*line, prefix, n) != 0)
		return false;
	*line += n;
	*len -= n;
	return true;
}

/* No control characters but the tabs that stock minisign writes itself. */
static bool comment_ok(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7F)
			return false;
	}
	return true;
}

static enum km_rc parse(struct parts *parts, const char *text, size_t len)
{
	uint8_t blob[BLOB_LEN];
	const char *line;
	size_t n;
	struct rd rd;

	if (len > MINISIG_FILE_MAX)
		return KM_ERR_MALFORMED;
	rd_init(&rd, text, len);
	if (!next_line(&rd, &line, &n) || !strip(&line, &n, UNTRUSTED))
		return KM_ERR_MALFORMED;
	if (!next_line(&rd, &line, &n) || !base64_decode(blob, sizeof(blob), line, n))
		return KM_ERR_MALFORMED;
	if (blob[0] != 'E' || blob[1] != 'D')
		return KM_ERR_MALFORMED; /* "Ed" signs the file itself: legacy, not ours */
	memcpy(parts->key_number, blob + 2, 8);
	memcpy(parts->sig, blob + 10, 64);
	if (!next_line(&rd, &line, &n) || !strip(&line, &n, TRUSTED) ||
	    n > MINISIG_COMMENT_MAX || !comment_ok(line, n))
		return KM_ERR_MALFORMED;
	parts->comment = line;
	parts->comment_len = n;
	if (!next_line(&rd, &line, &n) ||
	    !base64_decode(parts->global, sizeof(parts->global), line, n))
		return KM_ERR_MALFORMED;
	return rd_done(&rd) ? KM_OK : KM_ERR_MALFORMED;
}

static bool verify_with(const struct parts *parts, const uint8_t hash[MINISIG_HASH_LEN],
			const uint8_t pk[32])
{
	uint8_t bytes[64 + MINISIG_COMMENT_MAX];
	size_t len = global_bytes(bytes, parts->sig, parts->comment, parts->comment_len);

	return crypto_sign_verify_detached(parts->sig, hash, MINISIG_HASH_LEN, pk) == 0 &&
	       crypto_sign_verify_detached(parts->global, bytes, len, pk) == 0;
}

enum km_rc minisig_verify(const void *text, size_t len, const char *sigtext, size_t siglen,
			  const struct keys_sign_public *trusted, unsigned trusted_count,
			  unsigned *key_index, char *comment)
{
	uint8_t hash[MINISIG_HASH_LEN];
	struct parts parts;
	enum km_rc rc;

	comment[0] = '\0';
	*key_index = 0;
	rc = parse(&parts, sigtext, siglen);
	if (rc != KM_OK)
		return rc;
	rc = KM_ERR_NOTFOUND;
	for (unsigned i = 0; i < trusted_count; i++) {
		if (memcmp(trusted[i].key_number, parts.key_number, 8) != 0)
			continue;
		if (rc == KM_ERR_NOTFOUND)
			minisig_hash(hash, text, len);
		rc = KM_ERR_AUTH;
		if (!verify_with(&parts, hash, trusted[i].pk))
			continue;
		memcpy(comment, parts.comment, parts.comment_len);
		comment[parts.comment_len] = '\0';
		*key_index = i;
		return KM_OK;
	}
	return rc;
}
