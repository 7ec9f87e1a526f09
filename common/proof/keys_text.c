// SPDX-License-Identifier: ISC
#include "keys_text.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "digest.h"

#define RX_PUBLIC_1 "KMRX-PUBLIC-1 "
#define RX_PUBLIC_2 "KMRX-PUBLIC-2 "
#define COMMENT "untrusted comment: "

#define SIGN_PUBLIC_LEN 42u /* "Ed", key number 8, key 32 */

/* Heads of secret lines; version 1 has no facts. */
static const struct {
	const char *plain_1, *plain_2, *locked;
	size_t len;
} kinds[] = {
	[KEYS_SIGN] = {"KMTX-SECRET-1 ", "KMTX-SECRET-2 ", "KMTX-LOCKED-1 ", 40},
	[KEYS_BOX] = {"KMRX-SECRET-1 ", "KMRX-SECRET-2 ", "KMRX-LOCKED-1 ", 32},
};

size_t keys_text_blob_len(enum keys_kind kind)
{
	return kinds[kind].len;
}

void keys_text_box_id(uint8_t id[8], const uint8_t pk[32])
{
	uint8_t d[DIGEST_LEN];

	digest_sha256(d, pk, 32);
	memcpy(id, d, 8);
}

/* ---- writing ------------------------------------------------------------------------------ */

size_t keys_text_secret(char *out, enum keys_kind kind, const uint8_t *blob,
			const struct keys_facts *facts)
{
	char said[KEYS_FACTS_TEXT_MAX];
	const char *head =
		keys_facts_write(said, facts) ? kinds[kind].plain_2 : kinds[kind].plain_1;
	size_t n = (size_t)snprintf(out, KEYS_TEXT_MAX, "%s", head);

	/* straight into the caller's locked memory: printf would keep a copy of it */
	n += base64_encode(out + n, blob, kinds[kind].len);
	n += (size_t)snprintf(out + n, KEYS_TEXT_MAX - n, "%s\n", said);
	return n;
}

void keys_text_beside(char *out, enum keys_kind kind, const uint8_t *public,
		      const struct keys_facts *facts)
{
	char text[BASE64_TEXT_MAX], said[KEYS_FACTS_TEXT_MAX];

	base64_encode(text, public, kinds[kind].len);
	keys_facts_write(said, facts);
	(void)snprintf(out, KEYS_TEXT_MAX, "%s%s%s", kinds[kind].locked, text, said);
}

size_t keys_text_locked(char *out, enum keys_kind kind, const uint8_t *public,
			const uint8_t *sealed, const struct keys_facts *facts)
{
	char text[BASE64_TEXT_MAX], box[BASE64_TEXT_MAX], said[KEYS_FACTS_TEXT_MAX];

	base64_encode(text, public, kinds[kind].len);
	base64_encode(box, sealed, kinds[kind].len + KEYS_LOCK_EXTRA);
	keys_facts_write(said, facts);
	return (size_t)snprintf(out, KEYS_TEXT_MAX, "%s%s %s%s\n", kinds[kind].locked, text,
				box, said);
}

/* minisign shows a key number as a number, least significant byte first in the file. */
size_t keys_text_sign_public(char *out, const struct keys_sign_public *k,
			     const struct keys_facts *facts)
{
	uint8_t blob[SIGN_PUBLIC_LEN] = {'E', 'd'};
	char text[BASE64_TEXT_MAX], said[KEYS_FACTS_TEXT_MAX];
	uint64_t shown = 0;

	for (size_t i = 8; i-- > 0;)
		shown = shown << 8 | k->key_number[i];
	memcpy(blob + 2, k->key_number, 8);
	memcpy(blob + 10, k->pk, 32);
	base64_encode(text, blob, sizeof(blob));
	keys_facts_write(said, facts);
	return (size_t)snprintf(out, KEYS_TEXT_MAX,
				COMMENT "minisign public key %016llX%s\n%s\n",
				(unsigned long long)shown, said, text);
}

size_t keys_text_box_public(char *out, const struct keys_box_public *k,
			    const struct keys_facts *facts)
{
	char text[BASE64_TEXT_MAX], print[KEYS_FINGERPRINT_MAX], said[KEYS_FACTS_TEXT_MAX];
	const char *head = keys_facts_write(said, facts) ? RX_PUBLIC_2 : RX_PUBLIC_1;

	base64_encode(text, k->pk, sizeof(k->pk));
	keys_fingerprint(print, k->pk);
	return (size_t)snprintf(out, KEYS_TEXT_MAX, "%s%s %s%s\n", head, text, print, said);
}

/* ---- reading ------------------------------------------------------------------------------ */

/* One LF at the end is no part of the text; any other stays and is an error later. */
static size_t without_newline(const char *text, size_t len)
{
	return len && text[len - 1] == '\n' ? len - 1 : len;
}

static bool strip(const char **text, size_t *len, const char *prefix)
{
	size_t n = strlen(prefix);

	if (*len < n || memcmp(*text, prefix, n) != 0)
		return false;
	*text += n;
	*len -= n;
	return true;
}

/* The word up to the next blank, which stays: facts begin with one. */
static const char *take_word(const char **text, size_t *len, size_t *word)
{
	const char *at = *text, *blank = *len ? memchr(at, ' ', *len) : NULL;

	*word = blank ? (size_t)(blank - at) : *len;
	*text += *word;
	*len -= *word;
	return at;
}

static bool take_base64(uint8_t *out, size_t n, const char **text, size_t *len)
{
	size_t word;
	const char *at = take_word(text, len, &word);

	return base64_decode(out, n, at, word);
}

static bool parse_locked(struct keys_text_secret *s, enum keys_kind kind, const char *text,
			 size_t len)
{
	const size_t n = kinds[kind].len;

	s->locked = true;
	if (!take_base64(s->public, n, &text, &len) || !strip(&text, &len, " ") ||
	    !take_base64(s->blob, n + KEYS_LOCK_EXTRA, &text, &len) ||
	    keys_facts_parse(&s->facts, text, len) != KM_OK)
		return false;
	keys_text_beside(s->beside, kind, s->public, &s->facts);
	return true;
}

enum km_rc keys_text_parse_secret(struct keys_text_secret *s, enum keys_kind kind,
				  const char *text, size_t len)
{
	bool ok = false;

	memset(s, 0, sizeof(*s));
	len = without_newline(text, len);
	if (strip(&text, &len, kinds[kind].plain_1))
		ok = base64_decode(s->blob, kinds[kind].len, text, len);
	else if (strip(&text, &len, kinds[kind].plain_2))
		ok = take_base64(s->blob, kinds[kind].len, &text, &len) && len > 0 &&
		     keys_facts_parse(&s->facts, text, len) == KM_OK;
	else if (strip(&text, &len, kinds[kind].locked))
		ok = parse_locked(s, kind, text, len);
	return ok ? KM_OK : KM_ERR_MALFORMED;
}

/* The comment line, if there is one, and what it says. */
static bool strip_comment(const char **text, size_t *len, struct keys_facts *facts)
{
	const char *end;

	if (!strip(text, len, COMMENT))
		return true;
	end = *len ? memchr(*text, '\n', *len) : NULL;
	if (!end || keys_facts_find(facts, *text, (size_t)(end - *text)) != KM_OK)
		return false;
	*len -= (size_t)(end + 1 - *text);
	*text = end + 1;
	return true;
}

enum km_rc keys_sign_public_parse(struct keys_sign_public *k, struct keys_facts *facts,
				  const char *text, size_t len)
{
	struct keys_facts said = {0};
	uint8_t blob[SIGN_PUBLIC_LEN];

	len = without_newline(text, len);
	if (!strip_comment(&text, &len, &said))
		return KM_ERR_MALFORMED;
	if (!base64_decode(blob, sizeof(blob), text, len) || blob[0] != 'E' ||
	    blob[1] != 'd')
		return KM_ERR_MALFORMED;
	if (!crypto_core_ed25519_is_valid_point(blob + 10))
		return KM_ERR_RANGE;
	memcpy(k->key_number, blob + 2, 8);
	memcpy(k->pk, blob + 10, 32);
	if (facts)
		*facts = said;
	return KM_OK;
}

enum km_rc keys_box_public_parse(struct keys_box_public *k, struct keys_facts *facts,
				 const char *text, size_t len)
{
	static const uint8_t any_scalar[32] = {8};
	char print[KEYS_FINGERPRINT_MAX];
	struct keys_facts said = {0};
	uint8_t pk[32], shared[32];
	const bool dated = len >= strlen(RX_PUBLIC_2) &&
			   memcmp(text, RX_PUBLIC_2, strlen(RX_PUBLIC_2)) == 0;

	len = without_newline(text, len);
	if (!strip(&text, &len, dated ? RX_PUBLIC_2 : RX_PUBLIC_1) ||
	    !take_base64(pk, sizeof(pk), &text, &len) || !strip(&text, &len, " "))
		return KM_ERR_MALFORMED;
	if (crypto_scalarmult(shared, any_scalar, pk) != 0)
		return KM_ERR_RANGE;
	keys_fingerprint(print, pk);
	if (!strip(&text, &len, print) || (len > 0 && !dated))
		return KM_ERR_AUTH;
	if (dated && (len == 0 || keys_facts_parse(&said, text, len) != KM_OK))
		return KM_ERR_MALFORMED;
	memcpy(k->pk, pk, sizeof(k->pk));
	keys_text_box_id(k->id, k->pk);
	if (facts)
		*facts = said;
	return KM_OK;
}
