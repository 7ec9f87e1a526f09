// SPDX-License-Identifier: ISC
#include "manifest_text.h"

#include <stdio.h>
#include <string.h>

#include "base32.h"
#include "clock.h"
#include "cursor.h"
#include "minisig.h"
#include "name.h"
#include "record.h"
#include "utf8.h"

#define FINGERPRINT_LEN 39u

_Static_assert(MANIFEST_BYTES_MAX + 4u + MINISIG_FILE_MAX <= WIRE_MANIFEST_MAX,
	       "manifest size");

const char *manifest_text_reason(uint8_t reason)
{
	switch (reason) {
	case RECORD_WITHDRAWN_CHANGED:
		return "changed";
	case RECORD_WITHDRAWN_GONE:
		return "gone";
	default:
		return NULL;
	}
}

/* ---- judges ------------------------------------------------------------------------------- */

/* 1..MAX bytes of UTF-8 that may be shown on a terminal, NUL-terminated. */
static bool text_ok(const char *text, size_t max)
{
	size_t len = strnlen(text, max + 1);
	const uint8_t *p = (const uint8_t *)text;

	if (len < 1 || len > max)
		return false;
	while (len) {
		uint32_t code;
		size_t n = utf8_decode(p, len, &code);

		if (n == 0 || utf8_is_control(code))
			return false;
		p += n;
		len -= n;
	}
	return true;
}

static bool fingerprint_ok(const char *text, size_t cap)
{
	if (strnlen(text, cap) != FINGERPRINT_LEN)
		return false;
	for (size_t i = 0; i < FINGERPRINT_LEN; i++) {
		bool hyphen = i % 5 == 4;

		if (hyphen ? text[i] != '-' : !strchr(base32_alphabet, text[i]))
			return false;
	}
	return true;
}

static bool any_set(const uint8_t *p, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= p[i];
	return any;
}

bool manifest_text_head_ok(const struct manifest_head *h)
{
	if (!fingerprint_ok(h->fingerprint, sizeof(h->fingerprint)) || h->channel == 0 ||
	    !text_ok(h->channel_name, MANIFEST_NAME_MAX))
		return false;
	if (!text_ok(h->owner, MANIFEST_TEXT_MAX) ||
	    !text_ok(h->purpose, MANIFEST_TEXT_MAX) ||
	    !text_ok(h->classification, MANIFEST_TEXT_MAX) ||
	    !text_ok(h->software, sizeof(h->software) - 1))
		return false;
	if (h->chain == 0 || h->number == 0 ||
	    (h->number == 1) == any_set(h->previous, sizeof(h->previous)))
		return false;
	return h->first >= 1 && h->last >= h->first && h->last <= WIRE_OBJECT_MAX &&
	       h->last - h->first < WIRE_BATCH_OBJECTS_MAX;
}

bool manifest_text_entry_ok(const struct manifest_entry *e)
{
	if (name_check(e->path, e->path_len) != NAME_OK)
		return false;
	if (e->kind == MANIFEST_WITHDRAWN)
		return manifest_text_reason(e->reason) != NULL;
	return e->kind <= MANIFEST_DIR && e->mtime_s >= 0 && e->mtime_ns < 1000000000u;
}

/* ---- text --------------------------------------------------------------------------------- */

void manifest_file_name(char *out, uint64_t chain, uint64_t number)
{
	snprintf(out, 64, "%llu-%08llu.manifest", (unsigned long long)chain,
		 (unsigned long long)number);
}

void manifest_comment(char *out, uint64_t chain, uint64_t number,
		      const uint8_t hash[DIGEST_LEN])
{
	char name[64], hex[DIGEST_HEX_LEN + 1];

	manifest_file_name(name, chain, number);
	digest_hex(hex, hash);
	snprintf(out, MINISIG_COMMENT_MAX + 1, "%s %s", name, hex);
}

size_t manifest_text_head(char *out, const struct manifest_head *h)
{
	char created[CLOCK_TEXT_MAX], name[64];
	char previous[DIGEST_HEX_LEN + 1] = "none", config[DIGEST_HEX_LEN + 1];
	int n;

	if (h->number > 1)
		digest_hex(previous, h->previous);
	digest_hex(config, h->config_digest);
	clock_format(h->created_ns, created);
	manifest_file_name(name, h->chain, h->number);
	n = snprintf(out, MANIFEST_HEAD_BYTES,
		     "# katamichi manifest 1\n"
		     "# tx: %s\n"
		     "# channel: %u %s\n"
		     "# owner: %s\n"
		     "# purpose: %s\n"
		     "# classification: %s\n"
		     "# chain: %llu\n"
		     "# manifest: %llu\n"
		     "# previous: %s\n"
		     "# objects: %llu %llu\n"
		     "# created: %s\n"
		     "# software: %s\n"
		     "# config: %s\n"
		     "# verify: minisign -Vm %s -p tx.pub && sha256sum --strict -c %s\n",
		     h->fingerprint, h->channel, h->channel_name, h->owner, h->purpose,
		     h->classification, (unsigned long long)h->chain,
		     (unsigned long long)h->number, previous, (unsigned long long)h->first,
		     (unsigned long long)h->last, created, h->software, config, name, name);
	return (size_t)n;
}

static void put(struct wr *wr, const char *text)
{
	wr_bytes(wr, text, strlen(text));
}

size_t manifest_text_entry(char *out, const struct manifest_entry *e)
{
	char path[2 * WIRE_PATH_MAX + 1], hex[DIGEST_HEX_LEN + 1], mtime[48];
	const char *reason = manifest_text_reason(e->reason);
	int escaped;
	struct wr wr;

	name_escape(path, e->path, e->path_len, &escaped);
	digest_hex(hex, e->digest);
	wr_init(&wr, out, MANIFEST_ENTRY_BYTES);
	if (e->kind != MANIFEST_WITHDRAWN) {
		snprintf(mtime, sizeof(mtime), "# mtime %lld.%09u\n", (long long)e->mtime_s,
			 (unsigned)e->mtime_ns);
		put(&wr, mtime);
	}
	switch (e->kind) {
	case MANIFEST_FLAT:
		put(&wr, escaped ? "\\" : "");
		put(&wr, hex);
		put(&wr, "  ./");
		put(&wr, path);
		break;
	case MANIFEST_TREE:
		put(&wr, "SHA256-TREE-1M (./");
		put(&wr, path);
		put(&wr, ") = ");
		put(&wr, hex);
		break;
	case MANIFEST_DIR:
		put(&wr, "# dir ./");
		put(&wr, path);
		break;
	case MANIFEST_WITHDRAWN:
		put(&wr, "# withdrawn ");
		put(&wr, reason ? reason : ""); /* which no reader takes */
		put(&wr, " ./");
		put(&wr, path);
		break;
	}
	put(&wr, "\n");
	return wr.used;
}
