// SPDX-License-Identifier: ISC
/* A manifest of every kind of line, shared by the tests of writer, parser and stock tools. */
#ifndef MANIFEST_SAMPLE_H
#define MANIFEST_SAMPLE_H

#include <string.h>

#include "manifest.h"
#include "record.h"

#define SAMPLE_ENTRIES 7u
#define SAMPLE_ROOM 65536u

/* Octal for the digest bytes would tell nothing: each digest repeats one byte. */
static inline void manifest_sample(struct manifest_head *h,
				   struct manifest_entry e[SAMPLE_ENTRIES])
{
	static const struct {
		enum manifest_kind kind;
		const char *path;
	} rows[SAMPLE_ENTRIES] = {
		{MANIFEST_FLAT, "-rf"},
		{MANIFEST_FLAT, "a b"},
		{MANIFEST_WITHDRAWN, "c\\gone"},
		{MANIFEST_DIR, "d\\ir/empty"},
		{MANIFEST_FLAT, "e\\f"},
		{MANIFEST_TREE, "large\\"},
		{MANIFEST_FLAT, "\x83\x5c\x94\x5c"},
	};

	memset(h, 0, sizeof(*h));
	strcpy(h->fingerprint, "CSM7-NBFR-CAYQ-EV4F-R65R-X7WE-4049-E545");
	h->channel = 7;
	strcpy(h->channel_name, "timetables");
	strcpy(h->owner, "Dept. 4, \xe9\x81\x8b\xe8\xbb\xa2");
	strcpy(h->purpose, "daily timetables to the office");
	strcpy(h->classification, "internal");
	h->chain = 1763704291;
	h->number = 2;
	memset(h->previous, 0xcd, sizeof(h->previous));
	h->first = 5;
	h->last = 5 + SAMPLE_ENTRIES - 1;
	h->created_ns = 1763704291042000000;
	strcpy(h->software, "katamichi 0.1.0");
	memset(h->config_digest, 0x1f, sizeof(h->config_digest));
	memset(e, 0, SAMPLE_ENTRIES * sizeof(*e));
	for (unsigned i = 0; i < SAMPLE_ENTRIES; i++) {
		e[i].kind = rows[i].kind;
		e[i].number = h->first + i;
		e[i].path = (const uint8_t *)rows[i].path;
		e[i].path_len = strlen(rows[i].path);
		if (e[i].kind == MANIFEST_WITHDRAWN) {
			e[i].reason = RECORD_WITHDRAWN_GONE;
			continue;
		}
		e[i].mtime_s = 1763704000 + i;
		e[i].mtime_ns = i;
		if (e[i].kind != MANIFEST_DIR)
			memset(e[i].digest, (int)(0xa0 + i), DIGEST_LEN);
	}
}

#endif
