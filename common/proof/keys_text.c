// SPDX-License-Identifier: ISC
#include "keys_text.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "digest.h"

#define TX_SECRET "KMTX-SECRET-1 "
#define RX_SECRET "KMRX-SECRET-1 "
#define RX_PUBLIC "KMRX-PUBLIC-1 "
#define COMMENT "untrusted comment: "

#define SIGN_SECRET_LEN 40u /* key number 8, seed 32 */
#define SIGN_PUBLIC_LEN 42u /* "Ed", key number 8, key 32 */

void keys_text_box_id(uint8_t id[8], const uint8_t pk[32])
{
	uint8_t d[DIGEST_LEN];

	digest_sha256(d, pk, 32);
	memcpy(id, d, 8);
}

/* ---- writing ------------------------------------------------------------------------------ */

/* PREFIX, base64 of P, LF. */
static size_t write_line(char *out, const char *prefix, const uint8_t *p, size_t len)
{
	char text[BASE64_TEXT_MAX];
	size_t n;

	base64_encode(text, p, len);
	n = (size_t)snprintf(out, KEYS_TEXT_MAX, "%s%s\n", prefix, text);
	sodium_memzero(text, sizeof(text));
	return n;
}

size_t keys_text_sign_secret(char *out, const struct keys_sign_secret *k)
{
	uint8_t blob[SIGN_SECRET_LEN];
	size_t n;

	memcpy(blob, k->pub.key_number, 8);
	crypto_sign_ed25519_sk_to_seed(blob + 8, k->sk);
	n = write_line(out, TX_SECRET, blob, sizeof(blob));
	sodium_memzero(blob, sizeof(blob));
	return n;
}

/* minisign shows a key number as a number, least significant byte first in the file. */
size_t keys_text_sign_public(char *out, const struct keys_sign_public *k)
{
	uint8_t blob[SIGN_PUBLIC_LEN] = {'E', 'd'};
	char prefix[sizeof(COMMENT) + 64];
	uint64_t shown = 0;

	for (size_t i = 8; i-- > 0;)
		shown = shown << 8 | k->key_number[i];
	snprintf(prefix, sizeof(prefix), COMMENT "minisign public key %016llX\n",
		 (unsigned long long)shown);
	memcpy(blob + 2, k->key_number, 8);
	memcpy(blob + 10, k->pk, 32);
	return write_line(out, prefix, blob, sizeof(blob));
}

size_t keys_text_box_secret(char *out, const struct keys_box_secret *k)
{
	return write_line(out, RX_SECRET, k->sk, sizeof(k->sk));
}

size_t keys_text_box_public(char *out, const struct keys_box_public *k)
{
	char text[BASE64_TEXT_MAX], print[KEYS_FINGERPRINT_MAX];

	base64_encode(text, k->pk, sizeof(k->pk));
	keys_fingerprint(print, k->pk);
	return (size_t)snprintf(out, KEYS_TEXT_MAX, RX_PUBLIC "%s %s\n", text, print);
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

enum km_rc keys_text_parse_sign_secret(struct keys_sign_secret *k, const char *text,
				       size_t len)
{
	uint8_t blob[SIGN_SECRET_LEN];
	bool ok;

	len = without_newline(text, len);
	ok = strip(&text, &len, TX_SECRET) && base64_decode(blob, sizeof(blob), text, len);
	if (ok)
		keys_sign_from_seed(k, blob, blob + 8);
	sodium_memzero(blob, sizeof(blob));
	return ok ? KM_OK : KM_ERR_MALFORMED;
}

enum km_rc keys_text_parse_box_secret(struct keys_box_secret *k, const char *text,
				      size_t len)
{
	uint8_t sk[32];
	bool ok;

	len = without_newline(text, len);
	ok = strip(&text, &len, RX_SECRET) && base64_decode(sk, sizeof(sk), text, len);
	if (ok)
		keys_box_from_secret(k, sk);
	sodium_memzero(sk, sizeof(sk));
	return ok ? KM_OK : KM_ERR_MALFORMED;
}

enum km_rc keys_sign_public_parse(struct keys_sign_public *k, const char *text, size_t len)
{
	uint8_t blob[SIGN_PUBLIC_LEN];

	len = without_newline(text, len);
	if (strip(&text, &len, COMMENT)) {
		const char *end = len ? memchr(text, '\n', len) : NULL;

		if (!end)
			return KM_ERR_MALFORMED;
		len -= (size_t)(end + 1 - text);
		text = end + 1;
	}
	if (!base64_decode(blob, sizeof(blob), text, len) || blob[0] != 'E' ||
	    blob[1] != 'd')
		return KM_ERR_MALFORMED;
	if (!crypto_core_ed25519_is_valid_point(blob + 10))
		return KM_ERR_RANGE;
	memcpy(k->key_number, blob + 2, 8);
	memcpy(k->pk, blob + 10, 32);
	return KM_OK;
}

enum km_rc keys_box_public_parse(struct keys_box_public *k, const char *text, size_t len)
{
	static const uint8_t any_scalar[32] = {8};
	char print[KEYS_FINGERPRINT_MAX];
	uint8_t pk[32], shared[32];
	const char *space;

	len = without_newline(text, len);
	if (!strip(&text, &len, RX_PUBLIC))
		return KM_ERR_MALFORMED;
	space = len ? memchr(text, ' ', len) : NULL;
	if (!space || !base64_decode(pk, sizeof(pk), text, (size_t)(space - text)))
		return KM_ERR_MALFORMED;
	if (crypto_scalarmult(shared, any_scalar, pk) != 0)
		return KM_ERR_RANGE;
	keys_fingerprint(print, pk);
	len -= (size_t)(space + 1 - text);
	if (len != strlen(print) || memcmp(space + 1, print, len) != 0)
		return KM_ERR_AUTH;
	memcpy(k->pk, pk, sizeof(k->pk));
	keys_text_box_id(k->id, k->pk);
	return KM_OK;
}
